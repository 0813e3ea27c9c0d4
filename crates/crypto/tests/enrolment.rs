//! Enrolment and key stores: properties that hold for every input.
#![cfg(not(target_arch = "wasm32"))]

use crypto::device::{DeviceSeed, DeviceStore, StoredVault};
use crypto::enrolment::{
    ChainPosition, CodeError, EnrolmentCode, EnrolmentLink, EnrolmentSecret, ExchangeKey, VaultGrant,
};
use crypto::seal::{DeviceStoreKey, DeviceVaultKey, DeviceWrapKey};
use crypto::vault::VaultKey;
use crypto::{Backend, Salt, Secret, compute};
use proptest::prelude::*;
use protocol::id::{AccountId, DeviceId, EnrolmentId, VaultId};
use protocol::signature::PublicKey;

const RUST: Backend = Backend::rust_crypto();

fn code(enrolment: [u8; 16], secret: [u8; 32]) -> EnrolmentCode {
    let enrolment = EnrolmentId::from_bytes(enrolment).expect("not zeros");
    EnrolmentCode { enrolment, secret: EnrolmentSecret::from_bytes(secret) }
}

fn id() -> impl Strategy<Value = [u8; 16]> {
    any::<[u8; 16]>().prop_filter("all zeros is not an id", |bytes| *bytes != [0; 16])
}

fn keys() -> impl Strategy<Value = Vec<[u8; 32]>> {
    prop::collection::vec(any::<[u8; 32]>(), 1..5)
}

fn vault_keys(keys: &[[u8; 32]]) -> Vec<VaultKey> {
    keys.iter().map(|key| VaultKey::from_bytes(*key)).collect()
}

fn exposed(keys: &[VaultKey]) -> Vec<[u8; 32]> {
    keys.iter().map(|key| *key.expose_secret()).collect()
}

#[test]
fn any_one_wrong_character_of_a_link_is_noticed() {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let text = code([0xa5; 16], [0x5a; 32]).to_text();
    for at in 0..text.len() {
        for symbol in
            ALPHABET.iter().map(|symbol| char::from(*symbol)).filter(|s| !text[at..].starts_with(*s))
        {
            let typo = format!("{}{symbol}{}", &text[..at], &text[at + 1..]);
            assert_eq!(EnrolmentCode::parse(&typo).err(), Some(CodeError::Check), "{typo}");
        }
    }
}

proptest! {
    #[test]
    fn a_link_survives_being_copied_by_hand(
        enrolment in id(), secret in any::<[u8; 32]>(), host in "[a-z0-9.-]{1,20}", port in prop::option::of(1_u16..),
    ) {
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        let origin = format!("https://{host}{port}");
        let link = EnrolmentLink::new(&origin, code(enrolment, secret)).expect("an origin").to_text();
        let (front, text) = link.split_once('#').expect("a code");
        let sloppy = format!(" {front}#{}\r\n", text.to_lowercase().replace('0', "o").replace('1', "l - "));
        for text in [link.as_str(), sloppy.as_str()] {
            let read = EnrolmentLink::parse(text).expect("a link");
            prop_assert_eq!(read.origin(), &origin);
            prop_assert_eq!(read.code.enrolment.as_bytes(), &enrolment);
            prop_assert_eq!(read.code.secret.expose_secret(), &secret);
        }
    }

    #[test]
    fn no_text_makes_reading_a_link_panic(text in ".{0,120}", code in "[0-9A-Za-z]{82}") {
        prop_assert!(EnrolmentLink::parse(&text).is_err());
        let _ = EnrolmentLink::parse(&format!("{text}/enroll#{code}"));
    }

    #[test]
    fn both_sides_make_the_same_wrap_key_and_nobody_else_does(
        enrolment in id(), [secret, other_secret, device, ephemeral, other] in any::<[[u8; 32]; 5]>(),
    ) {
        prop_assume!(secret != other_secret && device != other);
        let right = code(enrolment, secret);
        let [device, ephemeral, other] = [device, ephemeral, other].map(ExchangeKey::from_bytes);
        let key = right.derive_wrap_key_for(&ephemeral, &device.public()).expect("not of low order");
        let same = right.derive_own_wrap_key(&device, &ephemeral.public()).expect("not of low order");
        prop_assert!(key == same);
        let by_other_device = right.derive_own_wrap_key(&other, &ephemeral.public()).expect("not of low order");
        let by_other_link = code(enrolment, other_secret).derive_own_wrap_key(&device, &ephemeral.public());
        prop_assert!(key != by_other_device && key != by_other_link.expect("not of low order"));
    }

    #[test]
    fn grants_read_back_as_they_were_written(
        [account, device, vault, enrolment] in any::<[[u8; 16]; 4]>().prop_map(|ids| ids.map(|mut id| { id[0] |= 1; id })),
        certificate in prop::collection::vec(any::<u8>(), 0..300), keys in keys(), seqs in any::<[u64; 2]>(),
        hashes in any::<[[u8; 32]; 3]>(),
    ) {
        let positions = [0, 1].map(|at| ChainPosition { seq: seqs[at], hash: hashes[at] });
        let public = PublicKey::from_bytes(hashes[2]);
        let grant = VaultGrant {
            account: AccountId::from_bytes(account).expect("not zeros"),
            identity: public,
            certificate: certificate.clone(),
            vault_keys: vault_keys(&keys),
            account_state: positions[0],
            vault_head: positions[1],
        };
        let context = DeviceVaultKey {
            enrolment: EnrolmentId::from_bytes(enrolment).expect("not zeros"),
            device: DeviceId::from_bytes(device).expect("not zeros"),
            vault: VaultId::from_bytes(vault).expect("not zeros"),
            epoch: keys.len() as u32,
            device_public: public,
        };
        let key = DeviceWrapKey::from_bytes(hashes[0]);
        let sealed = compute(grant.seal(&RUST, &key, &context, Salt::from_random([1; 32]))).expect("sealed");
        let opened = compute(VaultGrant::open(&RUST, &key, &context, &sealed)).expect("it opens");
        prop_assert_eq!((opened.account, opened.identity, opened.certificate), (grant.account, public, certificate));
        prop_assert_eq!([opened.account_state, opened.vault_head], positions);
        prop_assert_eq!(exposed(&opened.vault_keys), keys);
    }

    #[test]
    fn stores_read_back_as_they_were_written(
        device in id(), secrets in any::<[[u8; 32]; 4]>(), origin in ".{0,40}", seq in any::<u64>(),
        vaults in prop::collection::vec((id(), keys()), 0..4),
    ) {
        let [seed, wrap_key, hash, key] = secrets;
        let position = ChainPosition { seq, hash };
        let store = DeviceStore {
            device: DeviceId::from_bytes(device).expect("not zeros"),
            seed: DeviceSeed::from_bytes(seed),
            wrap_key: DeviceWrapKey::from_bytes(wrap_key),
            enrolment: EnrolmentId::from_bytes(device).expect("not zeros"),
            account: AccountId::from_bytes(device).expect("not zeros"),
            identity: PublicKey::from_bytes(hash),
            account_state: position,
            vaults: vaults.iter().map(|(vault, keys)| StoredVault {
                vault: VaultId::from_bytes(*vault).expect("not zeros"),
                keys: vault_keys(keys),
                head: position,
            }).collect(),
            origin: origin.clone(),
        };
        let key = DeviceStoreKey::from_bytes(key);
        let file = compute(store.seal(&RUST, &key, Salt::from_random([1; 32]))).expect("sealed");
        let opened = compute(DeviceStore::open(&RUST, &key, &file)).expect("it opens");
        prop_assert_eq!((opened.device, opened.account_state, opened.origin), (store.device, position, origin));
        prop_assert_eq!(opened.seed.expose_secret(), &seed);
        prop_assert_eq!(opened.wrap_key.expose_secret(), &wrap_key);
        let read: Vec<_> = opened.vaults.iter().map(|v| (*v.vault.as_bytes(), exposed(&v.keys))).collect();
        prop_assert_eq!(read, vaults);
    }
}
