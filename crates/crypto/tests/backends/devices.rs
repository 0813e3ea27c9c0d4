//! What devices keep and write, on every backend: known answers, and key stores that must not open.

use crate::support::{Vectors, on_every_backend};
use crypto::commit::{Body, NewBody, NewCommit, SourceSettings, open_commit, seal_commit};
use crypto::device::{DeviceStore, DeviceWrap, StoreError};
use crypto::enrolment::ChainPosition;
use crypto::seal::{self, DeviceStoreKey, DeviceWrapOfAccount, LiveMessage, StoreOfDevice};
use crypto::sign::Author;
use crypto::{Backend, OpenError, Salt, Secret};
use protocol::digest::sha256;
use protocol::envelope::commit::{CommitEnvelope, Kind};
use protocol::id::{AccountId, DeviceId};
use protocol::messages::Direction;
use protocol::signed_request::SignedParts;

on_every_backend!(
    store,
    device_wrap,
    live_message,
    commits_of_one_source,
    a_signed_request,
    a_store_with_any_bit_flipped_or_cut_short,
    stores_that_break_the_format,
);

fn store_key(devices: &Vectors) -> DeviceStoreKey {
    DeviceStoreKey::from_bytes(devices.array("/store/key"))
}

async fn store(backend: Backend) {
    let (golden, devices) = (Vectors::load(), Vectors::load_devices());
    let (key, file) = (store_key(&devices), devices.bytes("/store/file"));
    let store = DeviceStore::open(&backend, &key, &file).await.expect("it opens");
    assert_eq!((store.device, store.account), (golden.device_id(), golden.account_id()));
    assert_eq!(store.signing_key().public(), golden.device().public());
    assert_eq!(store.wrap_key.expose_secret(), &golden.array("/enrolment/wrap_key"));
    assert_eq!(store.enrolment.to_string(), golden.text("/enrolment/id"));
    assert_eq!(store.identity, golden.identity().public());
    assert_eq!(store.account_state, ChainPosition { seq: 0, hash: golden.account_state().hash });
    assert_eq!(store.origin, devices.text("/store/origin"));
    let [vault] = &store.vaults[..] else { panic!("one vault") };
    let head = sha256(&[&golden.bytes("/commits/genesis/envelope")]);
    assert_eq!((vault.vault, vault.head), (golden.vault_id(), ChainPosition { seq: 0, hash: head }));
    let keys: Vec<_> = vault.keys.iter().map(|key| *key.expose_secret()).collect();
    assert_eq!(keys, [golden.array("/vault/key"), golden.array("/vault_epoch_2/key")]);
    assert_eq!(vault.derive_keys().newest().0, 2);

    let salt = Salt::from_random(devices.array("/store/salt"));
    let again = store.seal(&backend, &key, salt).await.expect("sealed");
    assert_eq!(hex::encode(again), hex::encode(file));
}

async fn device_wrap(backend: Backend) {
    let (golden, devices) = (Vectors::load(), Vectors::load_devices());
    let key = golden.account_key().derive_wrap_key();
    let context = DeviceWrapOfAccount { account: golden.account_id(), device: golden.device_id() };
    let sealed = devices.bytes("/device_wrap/sealed");
    let wrap = DeviceWrap::open(&backend, &key, &context, &sealed).await.expect("it opens");
    assert_eq!(wrap.enrolment.to_string(), golden.text("/enrolment/id"));
    assert_eq!(wrap.key.expose_secret(), &golden.array("/enrolment/wrap_key"));
    let salt = Salt::from_random(devices.array("/device_wrap/salt"));
    assert_eq!(wrap.seal(&backend, &key, &context, salt).await.expect("sealed"), sealed);

    let other_account =
        DeviceWrapOfAccount { account: AccountId::from_bytes([1; 16]).expect("not zeros"), ..context };
    let other_device =
        DeviceWrapOfAccount { device: DeviceId::from_bytes([1; 16]).expect("not zeros"), ..context };
    for wrong in [other_account, other_device] {
        let opened = DeviceWrap::open(&backend, &key, &wrong, &sealed).await;
        assert_eq!(opened.err(), Some(OpenError::Refused), "{wrong:?}");
    }
    // Sealed by the account, but neither an id nor a key of the right length.
    for content in [&[7; 47][..], &[7; 49], &[0; 48]] {
        let salt = Salt::from_random([42; 32]);
        let sealed = seal::seal(&backend, &key, &context, content, salt).await.expect("sealed");
        let opened = DeviceWrap::open(&backend, &key, &context, &sealed).await;
        assert_eq!(opened.err(), Some(OpenError::Refused), "{} bytes", content.len());
    }
}

async fn live_message(backend: Backend) {
    let (golden, devices) = (Vectors::load(), Vectors::load_devices());
    let keys = golden.vault_keys();
    let key = &keys.epoch(1).expect("known").commit;
    let context = LiveMessage {
        vault: golden.vault_id(),
        device: golden.device_id(),
        direction: Direction::FromDevice,
        counter: devices.number("/message/counter"),
        epoch: 1,
    };
    let plaintext = devices.text("/message/plaintext").as_bytes();
    let salt = Salt::from_random(devices.array("/message/salt"));
    let sealed = seal::seal(&backend, key, &context, plaintext, salt).await.expect("sealed");
    assert_eq!(hex::encode(&sealed), devices.text("/message/sealed"));
    assert_eq!(seal::open(&backend, key, &context, &sealed).await.expect("opened").as_slice(), plaintext);
    for wrong in [
        LiveMessage { device: DeviceId::from_bytes([1; 16]).expect("not zeros"), ..context },
        LiveMessage { direction: Direction::ToDevice, ..context },
        LiveMessage { counter: context.counter + 1, ..context },
        LiveMessage { epoch: 2, ..context },
    ] {
        assert_eq!(seal::open(&backend, key, &wrong, &sealed).await, Err(OpenError::Refused), "{wrong:?}");
    }
}

async fn commits_of_one_source(backend: Backend) {
    let (golden, devices) = (Vectors::load(), Vectors::load_devices());
    let (keys, state) = (golden.vault_keys(), golden.account_state());
    let (identity, device) = (golden.identity(), golden.device());
    for (name, kind, author) in [
        ("source_settings", Kind::SourceSettings, Author::Device(&device)),
        ("source_removed", Kind::SourceSettings, Author::Identity(&identity)),
        ("source_closed", Kind::SourceClosed, Author::Identity(&identity)),
    ] {
        let pointer = |field: &str| format!("/commits/{name}/{field}");
        let envelope = CommitEnvelope::parse(devices.bytes(&pointer("envelope"))).expect("a commit");
        envelope.verify(&state, &identity.public()).expect("it verifies");
        assert_eq!((envelope.head.kind, envelope.head.device), (kind, author.device()), "{name}");
        let source = envelope.head.source.expect("it is about one source");
        let opened = open_commit(&backend, &keys, &envelope).await.expect("it opens");
        let body = match (&opened, name) {
            (Body::SourceClosed, "source_closed") => NewBody::SourceClosed(source),
            (Body::SourceSettings(body), "source_settings") => {
                check_entry(&golden, body);
                NewBody::SourceSettings { source, body }
            }
            (Body::SourceSettings(body @ SourceSettings { entry: None, .. }), "source_removed") => {
                NewBody::SourceSettings { source, body }
            }
            other => panic!("{name} opens as {other:?}"),
        };
        let head = &envelope.head;
        let (seq, prev, digest) = (head.seq, head.prev, head.digest);
        let commit = NewCommit { body, seq, prev, digest, account_state_seq: head.account_state_seq };
        let salt = Salt::from_random(devices.array(&pointer("salt")));
        let again = seal_commit(&backend, &keys, author, &commit, salt).await.expect("sealed");
        assert_eq!(hex::encode(again), devices.text(&pointer("envelope")), "{name}");
    }
}

fn check_entry(golden: &Vectors, settings: &SourceSettings) {
    let entry = settings.entry.as_ref().expect("an entry");
    assert_eq!(entry.source.to_string(), golden.text("/ids/source"));
    assert_eq!((entry.name.as_str(), &entry.path[..]), ("Documents", &b"/home/alice/Documents"[..]));
    assert_eq!(entry.exclude, [&b"*.tmp"[..], b"*.log"]);
    assert!(entry.paused);
    assert_eq!(entry.device, Some(golden.device_id()));
}

async fn a_signed_request(_: Backend) {
    let device = Vectors::load().device();
    let parts = SignedParts {
        origin: "https://backup.example",
        method: "POST",
        path_and_query: "/api/v1/device-sessions",
        body: b"",
    };
    let request = device.sign_request(parts, 1_700_000_000_000, [3; 16]);
    assert_eq!(request.signer, *device.device().as_bytes());
    assert_eq!(request.verify(&device.public(), parts), Ok(()));
    let elsewhere = SignedParts { origin: "https://backup.example.org", ..parts };
    assert!(request.verify(&device.public(), elsewhere).is_err());
}

async fn a_store_with_any_bit_flipped_or_cut_short(backend: Backend) {
    let devices = Vectors::load_devices();
    let (key, file) = (store_key(&devices), devices.bytes("/store/file"));
    for bit in 0..file.len() * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = DeviceStore::open(&backend, &key, &damaged).await.err();
        // The first eight bytes say what the file is; the device's id and all that follows are covered by the seal.
        let expected = if bit < 64 { StoreError::NotAStore } else { OpenError::Refused.into() };
        assert_eq!(error, Some(expected), "bit {bit}");
    }
    for len in 0..file.len() {
        assert!(DeviceStore::open(&backend, &key, &file[..len]).await.is_err(), "the first {len} bytes");
    }
    let other_key = DeviceStoreKey::from_bytes([1; 32]);
    let error = DeviceStore::open(&backend, &other_key, &file).await.err();
    assert_eq!(error, Some(OpenError::Refused.into()));
}

/// What whoever holds the store's key could seal.
async fn stores_that_break_the_format(backend: Backend) {
    let (golden, devices) = (Vectors::load(), Vectors::load_devices());
    let (key, device) = (store_key(&devices), golden.device_id());
    let open = async |device: DeviceId, body: &str| {
        let (body, salt) = (hex::decode(body).expect("hex"), Salt::from_random([42; 32]));
        let sealed =
            seal::seal(&backend, &key, &StoreOfDevice { device }, &body, salt).await.expect("sealed");
        let file = [&b"TPLK\x01\0\0\0"[..], device.as_bytes(), &sealed].concat();
        DeviceStore::open(&backend, &key, &file).await.err()
    };
    let body = devices.text("/store/body");
    assert_eq!(open(device, body).await, None);
    let other_device = DeviceId::from_bytes([1; 16]).expect("not zeros");
    assert!(
        matches!(open(other_device, body).await, Some(StoreError::Cbor(_))),
        "the body names another device"
    );
    let key_hex = golden.text("/vault_epoch_2/key");
    for (what, from, to) in [
        ("version 2", "aa0001", "aa0002"),
        ("a gap between the epochs", &format!("025820{key_hex}"), &format!("035820{key_hex}")),
        ("an origin that is not text", "0976", "0956"),
    ] {
        assert_eq!(body.matches(from).count(), 1, "{what}");
        let error = open(device, &body.replace(from, to)).await;
        assert!(matches!(error, Some(StoreError::Cbor(_))), "{what}: {error:?}");
    }
    assert!(matches!(open(device, &format!("{body}00")).await, Some(StoreError::Cbor(_))), "one byte more");
}
