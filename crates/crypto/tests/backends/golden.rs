//! The known answers of format version 1, on every backend: native and wasm give these bytes, forever.

use crate::support::{Vectors, on_every_backend};
use crypto::account::AccountKey;
use crypto::blob::{BlobKind, Codec, Frame, open_blob, seal_blob};
use crypto::commit::{Body, NewBody, NewCommit, Snapshot, open_commit, seal_commit};
use crypto::padding::padded_len;
use crypto::password::{Kdf, Login, Password, PasswordKeys};
use crypto::recovery::RecoveryKey;
use crypto::seal::{self, AccountByPassword};
use crypto::sign::Author;
use crypto::vault::VaultKey;
use crypto::{Backend, Salt, Secret};
use protocol::envelope::account_state::AccountState;
use protocol::envelope::commit::{CommitEnvelope, Kind};
use protocol::envelope::device_certificate::{DeviceCertificate, Role};
use protocol::id::BlobId;

on_every_backend!(
    password,
    recovery,
    account,
    sealed_account_key,
    vault,
    blob,
    directory,
    padding,
    account_state,
    device_certificate,
    commits,
);

async fn password_keys(backend: &Backend, golden: &Vectors) -> (PasswordKeys, Kdf) {
    let kdf = Kdf::accept(1, golden.number("/password/iterations"), None).expect("within the bounds");
    let password = Password::parse(golden.text("/password/password")).expect("no control characters");
    let login = Login::parse(golden.text("/password/login")).expect("a login");
    let salt = golden.array("/password/account_salt");
    (PasswordKeys::derive(backend, &password, &login, &salt, kdf).await.expect("derived"), kdf)
}

async fn password(backend: Backend) {
    let golden = Vectors::load();
    let (keys, _) = password_keys(&backend, &golden).await;
    assert_eq!(keys.auth.expose_secret(), &golden.array("/password/auth"));
    assert_eq!(keys.kek.expose_secret(), &golden.array("/password/kek"));
}

async fn recovery(_: Backend) {
    let golden = Vectors::load();
    let key = RecoveryKey::from_bytes(golden.array("/recovery/key"));
    assert_eq!(key.to_text().as_str(), golden.text("/recovery/text"));
    assert!(RecoveryKey::parse(golden.text("/recovery/text")).is_ok_and(|read| read == key));
    assert_eq!(key.derive_auth_key().expose_secret(), &golden.array("/recovery/auth"));
    assert_eq!(key.derive_kek().expose_secret(), &golden.array("/recovery/kek"));
}

async fn account(_: Backend) {
    let golden = Vectors::load();
    let key = AccountKey::from_bytes(golden.array("/account/key"));
    assert_eq!(key.derive_wrap_key().expose_secret(), &golden.array("/account/wrap"));
    assert_eq!(key.derive_identity().public().as_bytes(), &golden.array("/account/identity_public"));
}

async fn sealed_account_key(backend: Backend) {
    let golden = Vectors::load();
    let (keys, kdf) = password_keys(&backend, &golden).await;
    let context = AccountByPassword { account: golden.account_id(), kdf };
    let account_key = AccountKey::from_bytes(golden.array("/seal/plaintext"));
    let salt = Salt::from_random(golden.array("/seal/salt"));
    let sealed = seal::wrap(&backend, &keys.kek, &context, &account_key, salt).await.expect("sealed");
    assert_eq!(hex::encode(&sealed), golden.text("/seal/sealed"));
    let opened = seal::unwrap(&backend, &keys.kek, &context, &sealed).await;
    assert!(opened.is_ok_and(|opened| opened == account_key));
}

async fn vault(_: Backend) {
    let golden = Vectors::load();
    let vault = golden.vault_id();
    let epoch_2 = VaultKey::from_bytes(golden.array("/vault_epoch_2/key"));
    let mut keys = golden.vault_keys();
    assert_eq!(keys.push_epoch(&epoch_2), 2);
    for (epoch, name) in [(1, "vault"), (2, "vault_epoch_2")] {
        let epoch_keys = keys.epoch(epoch).expect("both epochs are known");
        let expected = |key: &str| golden.array::<32>(&format!("/{name}/{key}"));
        assert_eq!(epoch_keys.siv.expose_secret(), &expected("siv"));
        assert_eq!(epoch_keys.blob.expose_secret(), &expected("blob"));
        assert_eq!(epoch_keys.commit.expose_secret(), &expected("commit"));
        assert_eq!(epoch_keys.index.expose_secret(), &expected("index"));
        assert_eq!(VaultKey::from_bytes(expected("key")).digest(vault, epoch), expected("digest"));
        // Those of epoch 1, also in the second.
        assert_eq!(keys.fingerprint_key().expose_secret(), &expected("fingerprint"));
        assert_eq!(keys.chunker_key().expose_secret(), &expected("chunker"));
    }
    let sip = keys.derive_sip_keys();
    assert_eq!(format!("{:016x}", sip.k0), golden.text("/chunker/sip_k0"));
    assert_eq!(format!("{:016x}", sip.k1), golden.text("/chunker/sip_k1"));
    assert!(keys.epoch(0).is_none() && keys.epoch(3).is_none());
}

async fn blob(backend: Backend) {
    let golden = Vectors::load();
    let keys = golden.vault_keys();
    let raw = b"hello chunk ".repeat(1000);
    let frame = Frame::stored(BlobKind::Chunk, &raw).expect("it fits");
    let blob = seal_blob(&backend, &keys, frame).await.expect("sealed");
    assert_eq!(blob.id.to_string(), golden.text("/blob/id"));
    assert_eq!(blob.bytes.len() as u64, golden.number("/blob/length"));
    assert_eq!(hex::encode(&blob.bytes[..48]), golden.text("/blob/head"));
    assert_eq!(hex::encode(&blob.bytes[blob.bytes.len() - 16..]), golden.text("/blob/tag"));
    let opened = open_blob(&backend, &keys, &blob.id, &blob.bytes, &[BlobKind::Chunk]).await.expect("opened");
    assert_eq!((opened.kind, opened.codec, opened.raw_len), (BlobKind::Chunk, Codec::Stored, raw.len()));
    assert_eq!(opened.body(), raw);
}

async fn directory(backend: Backend) {
    let golden = Vectors::load();
    let cbor = golden.bytes("/directory/cbor");
    let frame = Frame::stored(BlobKind::Directory, &cbor).expect("it fits");
    let blob = seal_blob(&backend, &golden.vault_keys(), frame).await.expect("sealed");
    assert_eq!(blob.id.to_string(), golden.text("/directory/id"));
}

async fn padding(_: Backend) {
    let golden = Vectors::load();
    for (len, padded) in golden.value("/padme").as_object().expect("a map") {
        let len: usize = len.parse().expect("a length");
        assert_eq!(Some(padded_len(len) as u64), padded.as_u64(), "PAD({len})");
    }
}

async fn account_state(_: Backend) {
    let golden = Vectors::load();
    let identity = golden.identity();
    let envelope = golden.bytes("/account_state/envelope");
    let state = AccountState::verify(&envelope, &identity.public()).expect("it verifies");
    let again = identity.sign_account_state(state.account, state.seq, &state.prev, &state.body);
    assert_eq!(hex::encode(again), hex::encode(envelope));
}

async fn device_certificate(_: Backend) {
    let golden = Vectors::load();
    let device = golden.device();
    assert_eq!(device.public().as_bytes(), &golden.array("/device/public"));
    let certificate = DeviceCertificate {
        role: Role::Append,
        account: golden.account_id(),
        device: golden.device_id(),
        public_key: device.public(),
        not_before: golden.number("/device/not_before"),
        not_after: golden.number("/device/not_after"),
        vaults: vec![golden.vault_id()],
    };
    let signed = golden.identity().sign_device_certificate(&certificate).expect("one vault is allowed");
    assert_eq!(hex::encode(&signed), golden.text("/device/certificate"));
    assert_eq!(DeviceCertificate::verify(&signed, &golden.identity().public()), Ok(certificate));
}

async fn commits(backend: Backend) {
    let golden = Vectors::load();
    let keys = golden.vault_keys();
    let identity = golden.identity();
    let device = golden.device();
    let state = golden.account_state();
    let mut opened = Vec::new();
    for (name, author) in [
        ("genesis", Author::Identity(&identity)),
        ("snapshot", Author::Device(&device)),
        ("partial", Author::Device(&device)),
    ] {
        let pointer = |field: &str| format!("/commits/{name}/{field}");
        let envelope = CommitEnvelope::parse(golden.bytes(&pointer("envelope"))).expect("a commit");
        envelope.verify(&state, &identity.public()).expect("it verifies");
        let body = open_commit(&backend, &keys, &envelope).await.expect("it opens");

        let head = envelope.head.clone();
        let commit = NewCommit {
            body: match (&body, head.kind) {
                (Body::Snapshot(body), Kind::Snapshot(flags)) => {
                    let source = head.source.expect("a snapshot has a source");
                    NewBody::Snapshot { source, baseline: flags.baseline, body }
                }
                (Body::Settings(settings), Kind::Settings) => NewBody::Settings(settings),
                _ => panic!("the body is of another kind than the head"),
            },
            seq: head.seq,
            prev: head.prev,
            digest: head.digest,
            account_state_seq: head.account_state_seq,
        };
        let salt = Salt::from_random(golden.array(&pointer("salt")));
        let again = seal_commit(&backend, &keys, author, &commit, salt).await.expect("sealed");
        assert_eq!(hex::encode(again), golden.text(&pointer("envelope")), "{name}");
        opened.push(body);
    }
    check_bodies(&golden, &opened, &state);
}

fn check_bodies(golden: &Vectors, opened: &[Body], state: &AccountState) {
    let [Body::Settings(settings), Body::Snapshot(complete), Body::Snapshot(partial)] = opened else {
        panic!("settings, a snapshot and a partial snapshot");
    };
    assert_eq!(settings.vault_name, "Laptop");
    assert_eq!(settings.sources.len(), 1);
    assert_eq!(settings.sources[0].path, b"/home/alice/Documents");
    assert_eq!(settings.sources[0].exclude, [b"*.tmp"]);
    assert_eq!(settings.sources[0].device, Some(golden.device_id()));
    let expected = Snapshot {
        root: golden.text("/directory/id").parse::<BlobId>().expect("an id"),
        created_ms: 1_700_000_000_000,
        label: None,
        files: 2,
        bytes: 12_005,
        client: "reference".to_owned(),
        unreadable_files: 0,
        account_state: state.hash,
        partial: false,
        extensions: Vec::new(),
    };
    assert_eq!(complete, &expected);
    assert_eq!(partial, &Snapshot { partial: true, ..expected });
    assert_eq!(complete.check_account_state(state), Ok(()));
}
