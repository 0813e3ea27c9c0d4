//! Properties that hold for every input, and the rules of what people type.
#![cfg(not(target_arch = "wasm32"))]

use std::collections::BTreeSet;

use crypto::blob::{BlobKind, Codec, Frame, FrameError, RAW_LEN_MAX, SealedBlob, open_blob, seal_blob};
use crypto::password::{Kdf, KdfError, Login, LoginError, Password};
use crypto::recovery::{RecoveryKey, RecoveryTextError};
use crypto::seal::{self, Cache, CommitBody, Context, VaultOfAccount};
use crypto::vault::{VaultKey, VaultKeys};
use crypto::{Backend, OpenError, Salt, compute};
use proptest::prelude::*;
use protocol::id::{AccountId, VaultId};

const RUST: Backend = Backend::rust_crypto();

fn vault_keys(vault: [u8; 16], key: [u8; 32]) -> VaultKeys {
    VaultKeys::new(VaultId::from_bytes(vault).expect("not zeros"), &VaultKey::from_bytes(key))
}

fn seal_frame(keys: &VaultKeys, frame: Frame<'_>) -> SealedBlob {
    compute(seal_blob(&RUST, keys, frame)).expect("RustCrypto does not fail")
}

fn stored(kind: BlobKind, raw: &[u8]) -> Frame<'_> {
    Frame::stored(kind, raw).expect("it fits")
}

/// Sealing and opening give the content back; another key, another context and any flipped bit do not.
fn check_seal<C: Context>(
    [key, other_key]: [&C::Key; 2],
    [context, other]: [&C; 2],
    plaintext: &[u8],
    salt: [u8; 32],
    flip: usize,
) {
    let sealed =
        compute(seal::seal(&RUST, key, context, plaintext, Salt::from_random(salt))).expect("sealed");
    let open = |key, context, sealed: &[u8]| {
        compute(seal::open(&RUST, key, context, sealed)).map(|found| found.to_vec())
    };
    assert_eq!(open(key, context, &sealed), Ok(plaintext.to_vec()));
    assert_eq!(open(other_key, context, &sealed), Err(OpenError::Refused));
    assert_eq!(open(key, other, &sealed), Err(OpenError::Refused));
    let (mut damaged, bit) = (sealed.clone(), flip % (sealed.len() * 8));
    damaged[bit / 8] ^= 1 << (bit % 8);
    assert_eq!(open(key, context, &damaged), Err(OpenError::Refused));
}

fn id() -> impl Strategy<Value = [u8; 16]> {
    any::<[u8; 16]>().prop_filter("all zeros is not an id", |bytes| *bytes != [0; 16])
}

fn kind() -> impl Strategy<Value = BlobKind> {
    prop::sample::select(vec![BlobKind::Chunk, BlobKind::Directory, BlobKind::ChunkList, BlobKind::PageIndex])
}

proptest! {
    #[test]
    fn a_seal_opens_under_its_own_key_and_context_only(
        [id, other_id] in [id(), id()], keys in any::<[[u8; 32]; 2]>(), epochs in any::<[u32; 2]>(),
        content in prop::collection::vec(any::<u8>(), 0..300), salt in any::<[u8; 32]>(), flip in any::<usize>(),
    ) {
        prop_assume!(id != other_id && keys[0] != keys[1] && epochs[0] != epochs[1]);
        let rings = keys.map(|key| vault_keys(id, key));
        let epoch_keys = [&rings[0], &rings[1]].map(|ring| ring.epoch(1).expect("known"));
        let (vault, other_vault) = (VaultId::from_bytes(id).expect("filtered"), VaultId::from_bytes(other_id).expect("filtered"));

        let cache = Cache { vault, name: "files", epoch: epochs[0] };
        let others = [
            Cache { vault: other_vault, ..cache },
            Cache { name: "file", ..cache },
            Cache { epoch: epochs[1], ..cache },
        ];
        let index_keys = epoch_keys.map(|keys| &keys.index);
        for other in &others {
            check_seal(index_keys, [&cache, other], &content, salt, flip);
        }

        let (head, mut other_head) = ([7; 136], [7; 136]);
        other_head[flip % 136] ^= 1;
        let (commit, other) = (CommitBody { head: &head, epoch: 1 }, CommitBody { head: &other_head, epoch: 1 });
        check_seal(epoch_keys.map(|keys| &keys.commit), [&commit, &other], &content, salt, flip);

        let wrap_keys = keys.map(|key| crypto::account::AccountKey::from_bytes(key).derive_wrap_key());
        let account = AccountId::from_bytes(id).expect("filtered");
        let row = VaultOfAccount { account, vault, epoch: epochs[0] };
        let other = VaultOfAccount { vault: other_vault, ..row };
        check_seal([&wrap_keys[0], &wrap_keys[1]], [&row, &other], &content, salt, flip);
    }

    #[test]
    fn a_blob_gives_its_content_back_and_tells_only_a_padded_length(
        kind in kind(), raw in prop::collection::vec(any::<u8>(), 0..20_000), flip in any::<usize>(),
    ) {
        let keys = vault_keys([1; 16], [2; 32]);
        let blob = seal_frame(&keys, stored(kind, &raw));
        prop_assert_eq!(blob.bytes.len(), 64 + crypto::padding::padded_len(10 + raw.len()));
        let opened = compute(open_blob(&RUST, &keys, &blob.id, &blob.bytes, &[kind])).expect("it opens");
        prop_assert_eq!((opened.kind, opened.codec, opened.raw_len), (kind, Codec::Stored, raw.len()));
        prop_assert_eq!(opened.body(), raw);

        let (mut damaged, bit) = (blob.bytes.clone(), flip % (blob.bytes.len() * 8));
        damaged[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(compute(open_blob(&RUST, &keys, &blob.id, &damaged, &[kind])), Err(OpenError::Refused));
    }

    #[test]
    fn equal_content_of_a_vault_is_one_blob_and_any_difference_makes_another(
        raw in prop::collection::vec(any::<u8>(), 2..5000), change in any::<usize>(),
    ) {
        let keys = vault_keys([1; 16], [2; 32]);
        let blob = seal_frame(&keys, stored(BlobKind::Chunk, &raw));
        prop_assert_eq!(&seal_frame(&keys, stored(BlobKind::Chunk, &raw)), &blob);

        let mut changed = raw.clone();
        changed[change % raw.len()] ^= 1;
        let mut rotated = vault_keys([1; 16], [2; 32]);
        rotated.push_epoch(&VaultKey::from_bytes([2; 32]));
        let others = [
            seal_frame(&keys, stored(BlobKind::Directory, &raw)),
            seal_frame(&keys, stored(BlobKind::Chunk, &changed)),
            seal_frame(&keys, stored(BlobKind::Chunk, &raw[1..])),
            seal_frame(&keys, Frame::zstd(BlobKind::Chunk, raw.len() + 1, &raw).expect("smaller")),
            seal_frame(&keys, Frame::zstd(BlobKind::Chunk, raw.len(), &raw[1..]).expect("smaller")),
            seal_frame(&vault_keys([1; 16], [3; 32]), stored(BlobKind::Chunk, &raw)),
            seal_frame(&vault_keys([3; 16], [2; 32]), stored(BlobKind::Chunk, &raw)),
            seal_frame(&rotated, stored(BlobKind::Chunk, &raw)),
        ];
        let ids: BTreeSet<_> = others.iter().chain([&blob]).map(|blob| blob.id).collect();
        let ivs: BTreeSet<_> = others.iter().chain([&blob]).map(|blob| blob.bytes[16..48].to_vec()).collect();
        prop_assert_eq!((ids.len(), ivs.len()), (9, 9));
    }

    #[test]
    fn anything_else_is_refused_as_a_blob(bytes in prop::collection::vec(any::<u8>(), 0..6000)) {
        let keys = vault_keys([1; 16], [2; 32]);
        let id = compute(RUST.sha256(&bytes)).expect("RustCrypto does not fail");
        let id = protocol::id::BlobId::from_bytes(id).expect("not zeros");
        prop_assert_eq!(compute(open_blob(&RUST, &keys, &id, &bytes, &[BlobKind::Chunk])), Err(OpenError::Refused));
    }

    #[test]
    fn the_guard_of_iterations_accepts_the_allowed_range_alone(id in any::<u8>(), offered in any::<u64>(), pinned in 600_000_u64..=10_000_000) {
        check_kdf_guard(id, offered, pinned);
        check_kdf_guard(1, offered % 12_000_000, pinned);
    }

    #[test]
    fn a_recovery_key_survives_being_copied_by_hand(key in any::<[u8; 32]>()) {
        let key = RecoveryKey::from_bytes(key);
        let text = key.to_text();
        let sloppy = text.to_lowercase().replace('0', "o").replace('1', "l").replace('-', "  ");
        prop_assert!(RecoveryKey::parse(&text).is_ok_and(|read| read == key));
        prop_assert!(RecoveryKey::parse(&sloppy).is_ok_and(|read| read == key));
    }

    #[test]
    fn no_text_makes_reading_a_recovery_key_panic(text in ".{0,80}") {
        prop_assert!(RecoveryKey::parse(&text).is_err());
    }
}

fn check_kdf_guard(id: u8, offered: u64, pinned: u64) {
    let allowed = id == 1 && (600_000..=10_000_000).contains(&offered);
    assert_eq!(Kdf::accept(id, offered, None).is_ok(), allowed);
    let pin = Kdf::accept(1, pinned, None).expect("within the bounds");
    assert_eq!(Kdf::accept(id, offered, Some(pin)).is_ok(), allowed && offered >= pinned);
}

#[test]
fn a_server_cannot_lower_the_iterations() {
    for offered in
        [0, 1, 1000, 599_999, 10_000_001, u64::from(u32::MAX), u64::from(u32::MAX) + 600_001, u64::MAX]
    {
        assert_eq!(Kdf::accept(1, offered, None), Err(KdfError::OutOfBounds { iterations: offered }));
    }
    assert_eq!(Kdf::accept(0, 1_000_000, None), Err(KdfError::Unknown { id: 0 }));
    let pinned = Kdf::accept(1, 1_000_000, None).expect("within the bounds");
    let fewer = KdfError::FewerThanPinned { offered: 700_000, pinned: 1_000_000 };
    assert_eq!(Kdf::accept(1, 700_000, Some(pinned)), Err(fewer));
    for allowed in [600_000, 600_001, 9_999_999, 10_000_000] {
        assert_eq!(Kdf::accept(1, allowed, None).map(|kdf| u64::from(kdf.iterations())), Ok(allowed));
    }
}

#[test]
fn a_login_is_short_plain_ascii_and_lower_case() {
    assert_eq!(Login::parse("Alice@Example.com").expect("allowed").as_str(), "alice@example.com");
    assert!(Login::parse(&"x".repeat(64)).is_ok());
    for refused in ["", " ", "a b", "tab\t", "é", "a\u{7f}", &"x".repeat(65)] {
        assert_eq!(Login::parse(refused), Err(LoginError), "{refused:?}");
    }
}

#[test]
fn a_password_has_no_control_characters() {
    assert!(Password::parse("correct horse battery staple").is_ok());
    assert!(Password::parse("пароль 密码 🔑").is_ok());
    for refused in ["a\nb", "a\tb", "\0", "a\u{7f}", "a\u{85}b"] {
        assert!(Password::parse(refused).is_err(), "{refused:?}");
    }
}

#[test]
fn a_recovery_key_of_the_wrong_form_says_why() {
    let parse = |text: &str| RecoveryKey::parse(text).err();
    assert_eq!(parse(""), Some(RecoveryTextError::Length { chars: 0 }));
    assert_eq!(parse(&"0".repeat(55)), Some(RecoveryTextError::Length { chars: 55 }));
    assert_eq!(parse(&"U".repeat(56)), Some(RecoveryTextError::Character));
    // The pad bits of the key's last character must be zero, whatever the check says.
    let text = RecoveryKey::from_bytes([0; 32]).to_text().replace('-', "");
    assert_eq!(parse(&format!("{}1{}", &text[..51], &text[52..])), Some(RecoveryTextError::Check));
}

#[test]
fn any_one_wrong_character_of_a_recovery_key_is_noticed() {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let text = RecoveryKey::from_bytes([0xa5; 32]).to_text().replace('-', "");
    for at in 0..56 {
        for symbol in ALPHABET
            .iter()
            .map(|symbol| char::from(*symbol))
            .filter(|symbol| !text[at..].starts_with(*symbol))
        {
            let typo = format!("{}{symbol}{}", &text[..at], &text[at + 1..]);
            assert_eq!(RecoveryKey::parse(&typo).err(), Some(RecoveryTextError::Check), "{typo}");
        }
    }
}

#[test]
fn every_small_content_gives_a_blob_of_the_same_size() {
    let keys = vault_keys([1; 16], [2; 32]);
    let content = vec![7; 4087];
    let sizes: BTreeSet<usize> = (0..=4086)
        .map(|len| seal_frame(&keys, stored(BlobKind::Chunk, &content[..len])).bytes.len())
        .collect();
    assert_eq!(sizes, BTreeSet::from([4096 + 64]));
    assert_eq!(seal_frame(&keys, stored(BlobKind::Chunk, &content)).bytes.len(), 4352 + 64);
}

#[test]
fn the_largest_content_gives_the_largest_blob() {
    let keys = vault_keys([1; 16], [2; 32]);
    let content = vec![7; RAW_LEN_MAX + 1];
    let blob = seal_frame(&keys, stored(BlobKind::Chunk, &content[..RAW_LEN_MAX]));
    assert_eq!(blob.bytes.len(), protocol::limits::BLOB_BYTES_MAX as usize);
    assert!(compute(open_blob(&RUST, &keys, &blob.id, &blob.bytes, &[BlobKind::Chunk])).is_ok());

    let too_long = FrameError::TooLong { raw_len: RAW_LEN_MAX + 1 };
    assert_eq!(Frame::stored(BlobKind::Chunk, &content).err(), Some(too_long));
    assert_eq!(Frame::zstd(BlobKind::Chunk, RAW_LEN_MAX + 1, b"small").err(), Some(too_long));
    let not_smaller = FrameError::NotSmaller { body_len: 5, raw_len: 5 };
    assert_eq!(Frame::zstd(BlobKind::Chunk, 5, b"small").err(), Some(not_smaller));
}
