//! Enrolment on every backend: its known answers, and what must not be taken for a link, a request or a grant.

use crate::support::{Vectors, on_every_backend};
use crypto::enrolment::{
    ChainPosition, CodeError, EnrolmentCode, EnrolmentLink, ExchangeKey, GrantError, LinkError, LowOrderKey,
    VaultGrant,
};
use crypto::seal::{self, DeviceVaultKey, DeviceWrapKey};
use crypto::{Backend, OpenError, Salt, Secret};
use protocol::bytes::Base64Array;
use protocol::devices::EnrolmentRequest;
use protocol::id::{DeviceId, EnrolmentId, IdError, VaultId};

on_every_backend!(
    code_request_and_wrap_key,
    grant,
    grant_of_two_epochs,
    links_that_are_none,
    a_request_with_any_part_changed,
    keys_of_low_order,
    a_grant_for_another_device_vault_epoch_or_enrolment,
    grants_that_break_the_format,
);

fn code(golden: &Vectors) -> EnrolmentCode {
    EnrolmentCode::parse(golden.text("/enrolment/code")).expect("a code")
}

fn request(golden: &Vectors) -> EnrolmentRequest {
    let exchange_key = Base64Array(golden.array("/enrolment/device_x25519_public"));
    let host = golden.text("/enrolment/host").to_owned();
    code(golden).request(golden.device_id(), golden.device().public(), exchange_key, host)
}

fn context(golden: &Vectors, epoch: u32) -> DeviceVaultKey {
    DeviceVaultKey {
        enrolment: golden.text("/enrolment/id").parse().expect("an id"),
        device: golden.device_id(),
        vault: golden.vault_id(),
        epoch,
        device_public: golden.device().public(),
    }
}

fn wrap_key(golden: &Vectors) -> DeviceWrapKey {
    DeviceWrapKey::from_bytes(golden.array("/enrolment/wrap_key"))
}

/// A position that the golden files give as an envelope.
fn position(golden: &Vectors, seq: u64, pointer: &str) -> ChainPosition {
    ChainPosition { seq, hash: protocol::digest::sha256(&[&golden.bytes(pointer)]) }
}

async fn code_request_and_wrap_key(_: Backend) {
    let golden = Vectors::load();
    let code = code(&golden);
    assert_eq!(code.enrolment.to_string(), golden.text("/enrolment/id"));
    assert_eq!(code.secret.expose_secret(), &golden.array("/enrolment/secret"));
    assert_eq!(code.to_text().as_str(), golden.text("/enrolment/code"));

    let request = request(&golden);
    assert_eq!(request.mac.0, golden.array("/enrolment/mac"));
    assert_eq!(code.verify(&request), Ok(()));

    let device = ExchangeKey::from_bytes(golden.array("/enrolment/device_x25519"));
    let ephemeral = ExchangeKey::from_bytes(golden.array("/enrolment/ephemeral"));
    assert_eq!(device.public().0, golden.array("/enrolment/device_x25519_public"));
    assert_eq!(ephemeral.public().0, golden.array("/enrolment/ephemeral_public"));
    let by_account = code.derive_wrap_key_for(&ephemeral, &device.public());
    let by_device = code.derive_own_wrap_key(&device, &ephemeral.public());
    assert!(by_account.is_ok_and(|key| key == wrap_key(&golden)));
    assert!(by_device.is_ok_and(|key| key == wrap_key(&golden)));
}

async fn check_grant(
    backend: &Backend,
    golden: &Vectors,
    keys: &[&str],
    head: (u64, &str),
    sealed: [&str; 3],
) {
    let context = context(golden, keys.len() as u32);
    let key = wrap_key(golden);
    let [salt, body, sealed] = sealed;
    let opened =
        VaultGrant::open(backend, &key, &context, &hex::decode(sealed).expect("hex")).await.expect("opens");
    assert_eq!(opened.account, golden.account_id());
    assert_eq!(opened.identity, golden.identity().public());
    assert_eq!(hex::encode(&opened.certificate), golden.text("/device/certificate"));
    assert_eq!(opened.vault_keys.len(), keys.len());
    for (key, expected) in opened.vault_keys.iter().zip(keys) {
        assert_eq!(key.expose_secret(), &golden.array(expected));
    }
    assert_eq!(opened.account_state, position(golden, 0, "/account_state/envelope"));
    assert_eq!(opened.vault_head, position(golden, head.0, head.1));

    let salt = || Salt::from_random(hex::decode(salt).expect("hex").try_into().expect("32 bytes"));
    let again = opened.seal(backend, &key, &context, salt()).await.expect("sealed");
    assert_eq!(hex::encode(again), sealed);
    let body = hex::decode(body).expect("hex");
    let from_body = seal::seal(backend, &key, &context, &body, salt()).await.expect("sealed");
    assert_eq!(hex::encode(from_body), sealed);
}

async fn grant(backend: Backend) {
    let golden = Vectors::load();
    let sealed = ["salt", "body", "sealed"].map(|field| golden.text(&format!("/enrolment/{field}")));
    check_grant(&backend, &golden, &["/vault/key"], (0, "/commits/genesis/envelope"), sealed).await;
}

async fn grant_of_two_epochs(backend: Backend) {
    let (golden, devices) = (Vectors::load(), Vectors::load_devices());
    let sealed =
        ["salt", "body", "sealed"].map(|field| devices.text(&format!("/grant_of_two_epochs/{field}")));
    let keys = ["/vault/key", "/vault_epoch_2/key"];
    check_grant(&backend, &golden, &keys, (1, "/commits/snapshot/envelope"), sealed).await;
}

async fn links_that_are_none(_: Backend) {
    let golden = Vectors::load();
    let code = golden.text("/enrolment/code");
    let parse = |text: &str| EnrolmentLink::parse(text).err();
    let link = format!("https://backup.example:8443/enroll#{code}");
    let read = EnrolmentLink::parse(&link).expect("a link");
    assert_eq!((read.origin(), read.to_text().as_str()), ("https://backup.example:8443", link.as_str()));
    assert_eq!(parse(&format!("  HTTP://[::1]:80/enroll#{}\n", code.to_lowercase())), None);

    for text in ["", code, "https://backup.example", &format!("https://backup.example/#{code}")] {
        assert_eq!(parse(text), Some(LinkError::Form), "{text}");
    }
    for origin in [
        "backup.example",
        "ftp://backup.example",
        "https://",
        "https://a/b",
        "https://a@b",
        "https://a:b@c",
        "https://a?b",
        "https://bäckup.example",
        "https://a b",
        "https://a:",
        "https://a:0",
        "https://a:65536",
        "https://a:+1",
        "https://[::1",
        "https://[x]",
        "https://[::1]x",
        "https://a/",
    ] {
        assert_eq!(parse(&format!("{origin}/enroll#{code}")), Some(LinkError::Origin), "{origin}");
    }
    let code_error = |code: &str| parse(&format!("https://backup.example/enroll#{code}"));
    assert_eq!(code_error(&code[1..]), Some(LinkError::Code(CodeError::Length { chars: 81 })));
    assert_eq!(code_error(&code.replace('Z', "U")), Some(LinkError::Code(CodeError::Character)));
    assert_eq!(code_error(&"0".repeat(82)), Some(LinkError::Code(CodeError::Check)));
}

async fn a_request_with_any_part_changed(_: Backend) {
    let golden = Vectors::load();
    let (code, right) = (code(&golden), request(&golden));
    let device = DeviceId::from_bytes([1; 16]).expect("not zeros");
    let changed = [
        EnrolmentRequest { device, ..right.clone() },
        EnrolmentRequest { public_key: golden.identity().public(), ..right.clone() },
        EnrolmentRequest { exchange_key: Base64Array([9; 32]), ..right.clone() },
        EnrolmentRequest { host: "laptop2".to_owned(), ..right.clone() },
        EnrolmentRequest { mac: Base64Array([0; 32]), ..right.clone() },
    ];
    for request in &changed {
        assert!(code.verify(request).is_err(), "{request:?}");
    }
    for bit in 0..256 {
        let mut request = right.clone();
        request.mac.0[bit / 8] ^= 1 << (bit % 8);
        assert!(code.verify(&request).is_err(), "bit {bit}");
    }
    let enrolment = EnrolmentId::from_bytes([1; 16]).expect("not zeros");
    assert!(EnrolmentCode { enrolment, ..code }.verify(&right).is_err(), "of another enrolment");
}

/// Points of order 1, 2, 4 and 8: the shared secret would be zeros, whatever the other side chose.
async fn keys_of_low_order(_: Backend) {
    let golden = Vectors::load();
    let code = code(&golden);
    let key = ExchangeKey::from_bytes([7; 32]);
    for point in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ] {
        let point = Base64Array(hex::decode(point).expect("hex").try_into().expect("32 bytes"));
        assert_eq!(code.derive_wrap_key_for(&key, &point).err(), Some(LowOrderKey), "{point:?}");
        assert_eq!(code.derive_own_wrap_key(&key, &point).err(), Some(LowOrderKey), "{point:?}");
    }
}

async fn a_grant_for_another_device_vault_epoch_or_enrolment(backend: Backend) {
    let golden = Vectors::load();
    let (right, key, sealed) = (context(&golden, 1), wrap_key(&golden), golden.bytes("/enrolment/sealed"));
    assert!(VaultGrant::open(&backend, &key, &right, &sealed).await.is_ok());
    for wrong in [
        DeviceVaultKey { enrolment: EnrolmentId::from_bytes([1; 16]).expect("not zeros"), ..right },
        DeviceVaultKey { device: DeviceId::from_bytes([1; 16]).expect("not zeros"), ..right },
        DeviceVaultKey { vault: VaultId::from_bytes([1; 16]).expect("not zeros"), ..right },
        DeviceVaultKey { epoch: 2, ..right },
        DeviceVaultKey { device_public: golden.identity().public(), ..right },
    ] {
        let opened = VaultGrant::open(&backend, &key, &wrong, &sealed).await.err();
        assert_eq!(opened, Some(GrantError::Open(OpenError::Refused)), "{wrong:?}");
    }
    let other_key = DeviceWrapKey::from_bytes([1; 32]);
    let opened = VaultGrant::open(&backend, &other_key, &right, &sealed).await.err();
    assert_eq!(opened, Some(GrantError::Open(OpenError::Refused)));
}

/// What whoever holds the wrap key could seal.
async fn grants_that_break_the_format(backend: Backend) {
    let golden = Vectors::load();
    let (context, key) = (context(&golden, 1), wrap_key(&golden));
    let open = async |body: Vec<u8>| {
        let salt = Salt::from_random([42; 32]);
        let sealed = seal::seal(&backend, &key, &context, &body, salt).await.expect("sealed");
        VaultGrant::open(&backend, &key, &context, &sealed).await.err()
    };
    let body = golden.bytes("/enrolment/body");
    assert_eq!(open(body.clone()).await, None);
    for len in 0..body.len() {
        assert!(
            matches!(open(body[..len].to_vec()).await, Some(GrantError::Cbor(_))),
            "the first {len} bytes"
        );
    }
    let trailing = open([&body[..], &[0]].concat()).await;
    assert!(matches!(trailing, Some(GrantError::Cbor(_))), "one byte more: {trailing:?}");
    let replaced = |from: &str, to: &str| {
        let text = hex::encode(&body);
        assert_eq!(text.matches(from).count(), 1, "{from}");
        hex::decode(text.replace(from, to)).expect("hex")
    };
    let key_hex = golden.text("/vault/key");
    for (what, from, to) in [
        ("version 2", "a7000101", "a7000201"),
        ("the version in two bytes", "a7000101", "a700180101"),
        ("an indefinite map", "a7000101", "bf000101"),
        ("epoch 2 alone", "0481820158", "0481820258"),
        ("no epoch", &format!("048182015820{key_hex}"), "0480"),
        ("a key of 31 bytes", &format!("015820{key_hex}"), &format!("01581f{}", &key_hex[2..])),
    ] {
        assert!(matches!(open(replaced(from, to)).await, Some(GrantError::Cbor(_))), "{what}");
    }
    let account = format!("0150{}0258", golden.text("/ids/account"));
    let nobody = open(replaced(&account, &format!("0150{}0258", "00".repeat(16)))).await;
    assert_eq!(nobody, Some(GrantError::Id(IdError::Zero)));
    let two = Vectors::load_devices().bytes("/grant_of_two_epochs/body");
    assert_eq!(open(two).await, Some(GrantError::Epochs { epochs: 2, expected: 1 }));
}
