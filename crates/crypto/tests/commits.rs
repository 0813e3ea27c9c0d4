//! What a commit's opened body must be, and what makes it unreadable although its signature holds.
#![cfg(not(target_arch = "wasm32"))]

use crypto::account::AccountKey;
use crypto::commit::{
    Body, BodyError, CommitError, DeviceName, NewBody, NewCommit, Settings, Snapshot, Source, SourceSettings,
    open_commit, seal_commit,
};
use crypto::seal::{self, CommitBody};
use crypto::sign::{Author, DeviceKey, IdentityKey};
use crypto::vault::{VaultKey, VaultKeys};
use crypto::{Backend, OpenError, Salt, compute};
use proptest::prelude::*;
use protocol::cbor::Value;
use protocol::envelope::account_state::{AccountState, AccountStateBody, KdfParameters};
use protocol::envelope::commit::{CommitEnvelope, CommitHead, Kind, SnapshotFlags};
use protocol::id::{AccountId, BlobId, DeviceId, SourceId, VaultId};
use protocol::signature::SigningKey;

const RUST: Backend = Backend::rust_crypto();

fn vault() -> VaultId {
    VaultId::from_bytes([1; 16]).expect("not zeros")
}

fn source(byte: u8) -> SourceId {
    SourceId::from_bytes([byte; 16]).expect("not zeros")
}

fn device(byte: u8) -> DeviceId {
    DeviceId::from_bytes([byte; 16]).expect("not zeros")
}

fn identity() -> IdentityKey {
    AccountKey::from_bytes([3; 32]).derive_identity()
}

fn keys() -> VaultKeys {
    VaultKeys::new(vault(), &VaultKey::from_bytes([2; 32]))
}

fn salt() -> Salt {
    Salt::from_random([42; 32])
}

fn snapshot() -> Snapshot {
    Snapshot {
        root: BlobId::from_bytes([9; 32]).expect("not zeros"),
        created_ms: 1_700_000_000_000,
        label: Some("before the move".to_owned()),
        files: 3,
        bytes: 4096,
        client: "test".to_owned(),
        unreadable_files: 1,
        account_state: [8; 32],
        partial: false,
        extensions: Vec::new(),
    }
}

fn uploads(byte: u8) -> Source {
    Source::new(source(byte), "Browser".to_owned(), None)
}

fn settings(sources: Vec<Source>) -> Settings {
    Settings {
        vault_name: "Home".to_owned(),
        sources,
        compression_off: false,
        devices: Vec::new(),
        extensions: Vec::new(),
    }
}

fn commit_of(body: NewBody<'_>) -> CommitEnvelope {
    let commit = NewCommit { body, seq: 1, prev: [5; 32], digest: [6; 32], account_state_seq: 0 };
    let bytes =
        compute(seal_commit(&RUST, &keys(), Author::Identity(&identity()), &commit, salt())).expect("sealed");
    CommitEnvelope::parse(bytes).expect("a commit")
}

fn open(commit: &CommitEnvelope) -> Result<Body, CommitError> {
    compute(open_commit(&RUST, &keys(), commit))
}

/// What a writer that holds the keys could sign: any bytes as the body, under any head.
fn foreign_commit(kind: Kind, body: &[u8]) -> CommitEnvelope {
    let head = CommitHead {
        kind,
        vault: vault(),
        source: (!matches!(kind, Kind::Settings | Kind::Forget | Kind::Purge)).then(|| source(1)),
        seq: 1,
        prev: [5; 32],
        device: None,
        digest: [6; 32],
        account_state_seq: 0,
    };
    let keys = keys();
    let context = CommitBody { head: &head.to_bytes(), epoch: 1 };
    let sealed = compute(seal::seal(&RUST, &keys.newest().1.commit, &context, body, salt())).expect("sealed");
    let bytes = protocol::envelope::commit::issue(&SigningKey::from_bytes(&[4; 32]), &head, &sealed);
    CommitEnvelope::parse(bytes).expect("a commit")
}

fn assert_unreadable(kind: Kind, body: &Value, what: &str) {
    let opened = open(&foreign_commit(kind, &body.encode()));
    assert!(matches!(opened, Err(CommitError::Body(_))), "{what}: {opened:?}");
}

fn snapshot_fields() -> Vec<(u64, Value)> {
    vec![
        (0, Value::Uint(1)),
        (1, Value::bytes([9; 32])),
        (2, Value::Uint(1)),
        (4, Value::Uint(3)),
        (5, Value::Uint(4096)),
        (6, Value::Text("test".to_owned())),
        (8, Value::bytes([8; 32])),
    ]
}

/// The fields with one more, or one replaced.
fn with(mut fields: Vec<(u64, Value)>, key: u64, value: Value) -> Value {
    fields.retain(|(k, _)| *k != key);
    fields.push((key, value));
    fields.sort_by_key(|(k, _)| *k);
    Value::Map(fields)
}

const COMPLETE: Kind = Kind::Snapshot(SnapshotFlags { baseline: false, partial: false });
const PARTIAL: Kind = Kind::Snapshot(SnapshotFlags { baseline: false, partial: true });

#[test]
fn a_snapshot_of_the_least_fields_opens() {
    let opened = open(&foreign_commit(COMPLETE, &Value::Map(snapshot_fields()).encode())).expect("it opens");
    let Body::Snapshot(opened) = opened else { panic!("a snapshot") };
    assert_eq!((opened.label, opened.unreadable_files, opened.partial), (None, 0, false));
}

#[test]
fn what_takes_out_of_history_and_breaks_the_format_is_unreadable() {
    let path = || Value::Array(vec![Value::bytes([1; 16]), Value::bytes(b"a/b")]);
    let fields = || vec![(0, Value::Uint(1)), (1, Value::Array(vec![path()])), (2, Value::Uint(7))];
    let opened = open(&foreign_commit(Kind::Purge, &Value::Map(fields()).encode())).expect("it opens");
    assert!(matches!(opened, Body::Purge(purge) if purge.paths.len() == 1 && purge.purged_ms == 7));
    for missing in 0..3 {
        let rest = fields().into_iter().filter(|(key, _)| *key != missing).collect();
        assert_unreadable(Kind::Purge, &Value::Map(rest), "a field is missing");
    }
    let zeros = Value::Array(vec![Value::bytes([0; 16]), Value::bytes(b"a")]);
    assert_unreadable(Kind::Purge, &with(fields(), 1, Value::Array(vec![zeros])), "a source of zeros");
    assert_unreadable(Kind::Purge, &with(fields(), 1, Value::Array(vec![Value::bytes(b"a")])), "no pair");
    assert_unreadable(Kind::Purge, &with(fields(), 3, Value::Uint(1)), "unknown key below 64");
    assert_unreadable(Kind::Forget, &Value::Map(fields()), "a body where there is none");
    assert_unreadable(Kind::Forget, &Value::Map(vec![(0, Value::Uint(2))]), "version 2");
}

#[test]
fn a_snapshot_that_breaks_the_format_is_unreadable() {
    let fields = snapshot_fields;
    assert_unreadable(PARTIAL, &Value::Map(fields()), "the head says partial, the body does not");
    assert_unreadable(COMPLETE, &with(fields(), 9, Value::True), "the body says partial, the head does not");
    assert_unreadable(COMPLETE, &with(fields(), 0, Value::Uint(2)), "version 2");
    assert_unreadable(COMPLETE, &with(fields(), 1, Value::bytes([0; 32])), "root of zeros");
    assert_unreadable(COMPLETE, &with(fields(), 1, Value::bytes([9; 31])), "root cut short");
    assert_unreadable(COMPLETE, &with(fields(), 7, Value::Uint(0)), "zero written out");
    assert_unreadable(COMPLETE, &with(fields(), 10, Value::Uint(1)), "unknown key below 64");
    for missing in [0, 1, 2, 4, 5, 6, 8] {
        let rest = fields().into_iter().filter(|(key, _)| *key != missing).collect();
        assert_unreadable(COMPLETE, &Value::Map(rest), &format!("key {missing} missing"));
    }
    let not_cbor = open(&foreign_commit(COMPLETE, b"not CBOR"));
    assert!(matches!(not_cbor, Err(CommitError::Body(BodyError::Cbor(_)))));
}

#[test]
fn fields_of_later_versions_are_kept() {
    let body = with(snapshot_fields(), 64, Value::Text("later".to_owned()));
    let opened = open(&foreign_commit(COMPLETE, &body.encode())).expect("it opens");
    let Body::Snapshot(opened) = opened else { panic!("a snapshot") };
    assert_eq!(opened.extensions, [(64, Value::Text("later".to_owned()))]);
    let again = commit_of(NewBody::Snapshot { source: source(1), baseline: false, body: &opened });
    assert_eq!(open(&again).expect("it opens"), Body::Snapshot(opened));
}

#[test]
fn settings_that_break_a_rule_are_unreadable() {
    let two_uploads = settings(vec![uploads(1), uploads(2)]);
    let opened = open(&commit_of(NewBody::Settings(&two_uploads)));
    assert!(
        matches!(opened, Err(CommitError::Body(BodyError::Rule(_)))),
        "two sources of uploads: {opened:?}"
    );

    let same_source = settings(vec![uploads(1), Source { device: Some(device(1)), ..uploads(1) }]);
    let opened = open(&commit_of(NewBody::Settings(&same_source)));
    assert!(matches!(opened, Err(CommitError::Body(BodyError::Rule(_)))), "a source twice: {opened:?}");
}

#[test]
fn settings_beyond_a_limit_are_unreadable() {
    let folder = || Source::new(source(1), "Home".to_owned(), Some(device(1)));
    let largest = Source {
        name: "n".repeat(255),
        path: vec![b'p'; 4096],
        exclude: vec![vec![b'*'; 1024]; 256],
        ..folder()
    };
    let too_much = [
        Source { name: "n".repeat(256), ..folder() },
        Source { name: "two\nlines".to_owned(), ..folder() },
        Source { path: vec![b'p'; 4097], ..folder() },
        Source { exclude: vec![b"*".to_vec(); 257], ..folder() },
        Source { exclude: vec![vec![b'*'; 1025]], ..folder() },
    ];
    let opens = |entry: Source| {
        let whole = settings(vec![entry.clone()]);
        let one = SourceSettings { entry: Some(entry), extensions: Vec::new() };
        let one = NewBody::SourceSettings { source: source(1), body: &one };
        [open(&commit_of(NewBody::Settings(&whole))), open(&commit_of(one))]
    };
    assert!(opens(largest.clone()).iter().all(Result::is_ok), "up to the limits");
    for entry in too_much {
        for opened in opens(entry.clone()) {
            assert!(matches!(opened, Err(CommitError::Body(BodyError::Rule(_)))), "{entry:?}: {opened:?}");
        }
    }
    let numbered = |number: u16| {
        let mut id = [1; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        Source { source: SourceId::from_bytes(id).expect("not zeros"), ..folder() }
    };
    let many = |count| settings((0..count).map(numbered).collect());
    assert!(open(&commit_of(NewBody::Settings(&many(1000)))).is_ok());
    let fat = settings(
        (0..2).map(|number| Source { source: numbered(number).source, ..largest.clone() }).collect(),
    );
    for beyond in [many(1001), fat] {
        let opened = open(&commit_of(NewBody::Settings(&beyond)));
        assert!(matches!(opened, Err(CommitError::Body(BodyError::Rule(_)))), "{opened:?}");
    }
}

#[test]
fn a_commit_opens_only_with_the_keys_of_its_vault_and_epoch() {
    let mut rotated = keys();
    rotated.push_epoch(&VaultKey::from_bytes([7; 32]));
    let body = settings(vec![uploads(1)]);
    let commit = NewCommit {
        body: NewBody::Settings(&body),
        seq: 1,
        prev: [5; 32],
        digest: [6; 32],
        account_state_seq: 0,
    };
    let bytes = compute(seal_commit(&RUST, &rotated, Author::Identity(&identity()), &commit, salt()))
        .expect("sealed");
    let commit = CommitEnvelope::parse(bytes).expect("a commit");
    assert!(matches!(open(&commit), Err(CommitError::UnknownEpoch { epoch: 2 })));

    let open_with = |keys: &VaultKeys| compute(open_commit(&RUST, keys, &commit));
    assert_eq!(open_with(&rotated).expect("it opens"), Body::Settings(body));
    let other_vault =
        VaultKeys::new(VaultId::from_bytes([9; 16]).expect("not zeros"), &VaultKey::from_bytes([2; 32]));
    assert!(matches!(open_with(&other_vault), Err(CommitError::OtherVault)));
    let mut other_key = keys();
    other_key.push_epoch(&VaultKey::from_bytes([8; 32]));
    assert!(matches!(open_with(&other_key), Err(CommitError::Open(OpenError::Refused))));
}

/// A signature proves who wrote a commit; the seal, that the body was written for this very head.
#[test]
fn a_body_does_not_open_under_another_head() {
    let body = settings(vec![uploads(1)]);
    let mut commit = commit_of(NewBody::Settings(&body));
    assert!(open(&commit).is_ok());
    commit.head.seq += 1;
    assert!(matches!(open(&commit), Err(CommitError::Open(OpenError::Refused))));
}

#[test]
fn a_snapshot_names_the_account_state_it_was_written_under() {
    let body = AccountStateBody {
        certificates: Vec::new(),
        revoked: Vec::new(),
        vault_keys: Vec::new(),
        kdf: KdfParameters { kdf_id: 1, iterations: 1_000_000, account_salt: [1; 32] },
        recovery_wrap_hash: [2; 32],
        extensions: Vec::new(),
    };
    let account = AccountId::from_bytes([1; 16]).expect("not zeros");
    let bytes = identity().sign_account_state(account, 0, &[0; 32], &body);
    let state = AccountState::verify(&bytes, &identity().public()).expect("it verifies");
    assert_eq!(Snapshot { account_state: state.hash, ..snapshot() }.check_account_state(&state), Ok(()));
    assert!(matches!(snapshot().check_account_state(&state), Err(BodyError::Rule(_))));
}

/// Opening refuses every encoding but the one that is written, so that these bytes are also what is written.
#[test]
fn what_a_folder_leaves_out_has_these_bytes() {
    let body = concat!(
        "a2",   // {
        "0001", // 0: 1,
        "01a7", // 1: {
        "0050",
        "01010101010101010101010101010101", // 0: source id,
        "0164",
        "486f6d65", // 1: "Home",
        "024a",
        "2f686f6d652f6d69636b", // 2: "/home/mick",
        "0381",
        "45",
        "2a2e746d70", // 3: ["*.tmp"],
        "0550",
        "05050505050505050505050505050505", // 5: device id,
        "1840",
        "1a06400000", // 64: 100 MiB,
        "1841",
        "f5", // 65: true }}
    );
    let opened = open(&foreign_commit(Kind::SourceSettings, &hex::decode(body).expect("hex")));
    let entry = Source {
        path: b"/home/mick".to_vec(),
        exclude: vec![b"*.tmp".to_vec()],
        larger_than: Some(100 << 20),
        one_file_system: true,
        ..Source::new(source(1), "Home".to_owned(), Some(device(5)))
    };
    let expected = SourceSettings { entry: Some(entry), extensions: Vec::new() };
    assert_eq!(opened.expect("it opens"), Body::SourceSettings(expected));
}

#[test]
fn a_device_writes_its_id_and_signature() {
    let device_key = DeviceKey::from_seed(device(5), &[6; 32]);
    let body = snapshot();
    let body = NewBody::Snapshot { source: source(1), baseline: true, body: &body };
    let commit = NewCommit { body, seq: 1, prev: [5; 32], digest: [6; 32], account_state_seq: 0 };
    let bytes =
        compute(seal_commit(&RUST, &keys(), Author::Device(&device_key), &commit, salt())).expect("sealed");
    let (unsigned, signature) = bytes.split_last_chunk().expect("a signature ends it");
    assert_eq!(device_key.public().verify("sig/commit", unsigned, signature), Ok(()));
    let head = CommitEnvelope::parse(bytes).expect("a commit").head;
    assert_eq!(head.device, Some(device(5)));
    assert_eq!(head.kind, Kind::Snapshot(SnapshotFlags { baseline: true, partial: false }));
}

prop_compose! {
    fn any_source()(
        id in 1_u8.., name in "\\PC{0,12}", path in prop::collection::vec(any::<u8>(), 0..20),
        exclude in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..3),
        paused in any::<bool>(), device_byte in 1_u8.., larger_than in any::<Option<u64>>(), one_file_system in any::<bool>(),
    ) -> Source {
        let folder = Source::new(source(id), name, Some(device(device_byte)));
        Source { path, exclude, paused, larger_than, one_file_system, ..folder }
    }
}

proptest! {
    #[test]
    fn settings_read_back_as_they_were_written(
        vault_name in ".{0,20}", mut sources in prop::collection::vec(any_source(), 0..5), compression_off in any::<bool>(),
        names in prop::collection::vec((1_u8.., ".{0,12}"), 0..3),
    ) {
        sources.sort_by_key(|source| source.source);
        sources.dedup_by_key(|source| source.source);
        let devices = names.into_iter().map(|(id, name)| DeviceName { device: device(id), name }).collect();
        let settings = Settings { vault_name, sources, compression_off, devices, extensions: Vec::new() };
        let opened = open(&commit_of(NewBody::Settings(&settings))).expect("it opens");
        prop_assert_eq!(opened, Body::Settings(settings));
    }

    #[test]
    fn snapshots_read_back_as_they_were_written(
        created_ms in any::<u64>(), label in prop::option::of(".{0,20}"), counts in any::<[u64; 3]>(), partial in any::<bool>(),
    ) {
        let [files, bytes, unreadable_files] = counts;
        let snapshot = Snapshot { created_ms, label, files, bytes, unreadable_files, partial, ..snapshot() };
        let commit = commit_of(NewBody::Snapshot { source: source(1), baseline: false, body: &snapshot });
        prop_assert_eq!(commit.head.kind, if partial { PARTIAL } else { COMPLETE });
        prop_assert_eq!(open(&commit).expect("it opens"), Body::Snapshot(snapshot));
    }
}
