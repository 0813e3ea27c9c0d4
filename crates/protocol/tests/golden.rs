//! The clear parts of every envelope against known answers, and the rules that a verifier enforces.

use protocol::digest::sha256;
use protocol::envelope::account_state::AccountState;
use protocol::envelope::commit::{CommitEnvelope, Kind, SnapshotFlags};
use protocol::envelope::device_certificate::{DeviceCertificate, Role};
use protocol::envelope::{EnvelopeError, account_state, commit};
use protocol::id::{BlobId, DeviceId, SourceId, VaultId};
use protocol::purge;
use protocol::refs::{self, Reference};
use protocol::signature::{PublicKey, SigningKey};
use protocol::snapshots::{self, SnapshotId};
use serde_json::Value;

/// One file for all crates, so that they cannot drift apart.
const VECTORS: &str = include_str!("../../crypto/tests/golden/v1/vectors.json");

const RECLAIM: &str = include_str!("../../crypto/tests/golden/v1/reclaim.json");

fn vectors() -> Value {
    serde_json::from_str(VECTORS).expect("the golden file is JSON")
}

fn bytes(vectors: &Value, path: &str) -> Vec<u8> {
    hex::decode(vectors.pointer(path).and_then(Value::as_str).expect(path)).expect(path)
}

fn array<const N: usize>(vectors: &Value, path: &str) -> [u8; N] {
    bytes(vectors, path).try_into().expect(path)
}

fn identity(vectors: &Value) -> (SigningKey, PublicKey) {
    let key = SigningKey::from_bytes(&array(vectors, "/account/identity_seed"));
    let public = PublicKey::of(&key);
    assert_eq!(public.as_bytes(), &array(vectors, "/account/identity_public"));
    (key, public)
}

fn golden_state(vectors: &Value) -> AccountState {
    AccountState::verify(&bytes(vectors, "/account_state/envelope"), &identity(vectors).1)
        .expect("golden state")
}

#[test]
fn the_golden_account_state_verifies_and_is_issued_again_byte_for_byte() {
    let v = vectors();
    let (key, _) = identity(&v);
    let state = golden_state(&v);
    assert_eq!((state.seq, state.body.kdf.iterations), (0, 600_000));
    assert_eq!(state.body.vault_keys[0].digest, array(&v, "/vault/digest"));
    let again = account_state::issue(&key, state.account, state.seq, &state.prev, &state.body);
    assert_eq!(hex::encode(again), hex::encode(bytes(&v, "/account_state/envelope")));
}

#[test]
fn the_golden_certificate_verifies_and_is_issued_again_byte_for_byte() {
    let v = vectors();
    let (key, public) = identity(&v);
    let golden = bytes(&v, "/device/certificate");
    let certificate = DeviceCertificate::verify(&golden, &public).expect("golden certificate");
    assert_eq!(certificate.role, Role::Append);
    assert_eq!(certificate.device.as_bytes(), &array(&v, "/ids/device"));
    assert_eq!(certificate.issue(&key).expect("one vault"), golden);
}

#[test]
fn golden_commits_verify_chain_and_are_issued_again_byte_for_byte() {
    let v = vectors();
    let (identity_key, public) = identity(&v);
    let device_key = SigningKey::from_bytes(&array(&v, "/device/seed"));
    let state = golden_state(&v);
    let mut prev = [0; 32];
    for (name, key, kind) in [
        ("genesis", &identity_key, Kind::Settings),
        ("snapshot", &device_key, Kind::Snapshot(SnapshotFlags { baseline: true, partial: false })),
    ] {
        let golden = bytes(&v, &format!("/commits/{name}/envelope"));
        let envelope = CommitEnvelope::parse(golden.clone()).expect(name);
        envelope.verify(&state, &public).expect(name);
        assert_eq!((envelope.head.kind, envelope.head.prev), (kind, prev), "{name}");
        assert_eq!(envelope.key_epoch(), 1);
        assert_eq!(commit::issue(key, &envelope.head, &envelope.sealed), golden, "{name}");
        prev = envelope.hash;
    }
    let partial = CommitEnvelope::parse(bytes(&v, "/commits/partial/envelope")).expect("partial");
    assert_eq!(partial.head.kind, Kind::Snapshot(SnapshotFlags { baseline: true, partial: true }));
}

#[test]
fn the_reference_digest_matches() {
    let v = vectors();
    let list: Vec<Reference> = v["commits"]["refs"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|pair| Reference {
            blob: pair[0].as_str().expect("hex").parse::<BlobId>().expect("an id"),
            delta: i32::try_from(pair[1].as_i64().expect("a number")).expect("small"),
        })
        .collect();
    assert_eq!(refs::digest(&list), array(&v, "/commits/refs_digest"));
    assert_eq!(refs::unpack(&refs::pack(&list)), Ok(list));
}

#[test]
fn lists_of_what_is_forgotten_and_purged_have_the_golden_digests() {
    let reclaim: Value = serde_json::from_str(RECLAIM).expect("the golden file is JSON");
    let list = |name: &str| reclaim[name]["list"].as_array().expect("a list").clone();
    let text = |value: &Value| value.as_str().expect("hex").to_owned();
    let forgotten: Vec<SnapshotId> = list("forget")
        .iter()
        .map(|pair| SnapshotId {
            source: text(&pair[0]).parse().expect("an id"),
            seq: pair[1].as_u64().expect("a number"),
        })
        .collect();
    assert_eq!(snapshots::digest(&forgotten), array(&reclaim, "/forget/digest"));
    assert_eq!(snapshots::digest(&forgotten), array(&vectors(), "/commits/forget_digest"));
    assert_eq!(snapshots::unpack(&snapshots::pack(&forgotten)), Ok(forgotten));
    let purged: Vec<BlobId> = list("purge").iter().map(|id| text(id).parse().expect("an id")).collect();
    assert_eq!(purge::digest(&purged), array(&reclaim, "/purge/digest"));
    assert_eq!(purge::digest(&purged), array(&vectors(), "/commits/purge_digest"));
    assert_eq!(purge::unpack(&purge::pack(&purged).0), Ok(purged));
}

#[test]
fn what_takes_something_out_of_history_is_the_identitys_and_names_no_source() {
    let v = vectors();
    let reclaim: Value = serde_json::from_str(RECLAIM).expect("the golden file is JSON");
    let (identity_key, public) = identity(&v);
    let state = golden_state(&v);
    for (name, kind) in [("forget", Kind::Forget), ("purge", Kind::Purge)] {
        let golden = bytes(&reclaim, &format!("/{name}/envelope"));
        let envelope = CommitEnvelope::parse(golden.clone()).expect(name);
        envelope.verify(&state, &public).expect(name);
        assert_eq!(
            (envelope.head.kind, envelope.head.digest),
            (kind, array(&reclaim, &format!("/{name}/digest")))
        );
        assert_eq!(commit::issue(&identity_key, &envelope.head, &envelope.sealed), golden, "{name}");
        let parsed = |head: commit::CommitHead| {
            CommitEnvelope::parse(commit::issue(&identity_key, &head, &envelope.sealed)).map(drop)
        };
        let head = envelope.head.clone();
        let device = DeviceId::from_bytes(array(&v, "/ids/device")).expect("not zeros");
        let by_device = commit::CommitHead { device: Some(device), ..head.clone() };
        assert_eq!(parsed(by_device), Err(EnvelopeError::Rule("only the identity forgets and purges")));
        let source = SourceId::from_bytes(array(&v, "/ids/source")).expect("not zeros");
        let of_source = commit::CommitHead { source: Some(source), ..head.clone() };
        assert_eq!(parsed(of_source), Err(EnvelopeError::Rule("what forgets or purges names a source")));
        let first = commit::CommitHead { seq: 0, prev: [0; 32], ..head };
        assert_eq!(parsed(first), Err(EnvelopeError::Rule("the first commit of a vault is its settings")));
    }
}

#[test]
fn any_changed_bit_of_a_commit_is_refused() {
    let v = vectors();
    let (_, public) = identity(&v);
    let state = golden_state(&v);
    let golden = bytes(&v, "/commits/snapshot/envelope");
    for bit in 0..golden.len() * 8 {
        let mut changed = golden.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let accepted = CommitEnvelope::parse(changed).and_then(|envelope| envelope.verify(&state, &public));
        assert!(accepted.is_err(), "bit {bit}");
    }
}

#[test]
fn any_changed_bit_of_an_account_state_is_refused() {
    let v = vectors();
    let (_, public) = identity(&v);
    let golden = bytes(&v, "/account_state/envelope");
    for bit in 0..golden.len() * 8 {
        let mut changed = golden.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(AccountState::verify(&changed, &public).is_err(), "bit {bit}");
    }
}

#[test]
fn a_commit_is_judged_by_role_vault_epoch_and_state() {
    let v = vectors();
    let (key, public) = identity(&v);
    let device_key = SigningKey::from_bytes(&array(&v, "/device/seed"));
    let state = golden_state(&v);
    let snapshot = CommitEnvelope::parse(bytes(&v, "/commits/snapshot/envelope")).expect("golden");
    let judge =
        |state: &AccountState, key: &SigningKey, edit: &dyn Fn(&mut commit::CommitHead, &mut Vec<u8>)| {
            let (mut head, mut sealed) = (snapshot.head.clone(), snapshot.sealed.clone());
            edit(&mut head, &mut sealed);
            CommitEnvelope::parse(commit::issue(key, &head, &sealed))?.verify(state, &public)
        };
    assert_eq!(judge(&state, &device_key, &|_, _| ()), Ok(()));
    let refused = |edit: &dyn Fn(&mut commit::CommitHead, &mut Vec<u8>), why: &str| {
        let error = judge(&state, &device_key, edit).expect_err(why);
        assert!(error.to_string().contains(why), "{error}, not {why}");
    };
    refused(&|head, _| head.device = DeviceId::from_field([9; 16]), "not in the account state");
    refused(&|head, _| head.vault = VaultId::from_bytes([9; 16]).expect("not zero"), "not the device's");
    refused(&|head, _| head.account_state_seq = 1, "another account state");
    refused(&|_, sealed| sealed[11] = 2, "newest key");
    refused(
        &|head, _| {
            head.kind = Kind::Settings;
            head.source = None;
        },
        "role does not allow",
    );
    refused(&|head, _| head.device = None, "does not verify");

    // The same device, read-only.
    let mut read_only = state.clone();
    read_only.devices[0].role = Role::ReadOnly;
    let error = judge(&read_only, &device_key, &|_, _| ()).expect_err("read-only");
    assert_eq!(error, EnvelopeError::Rule("the device's role does not allow this"));

    // The identity may sign for the device's source too.
    assert_eq!(judge(&state, &key, &|head, _| head.device = None), Ok(()));
}

#[test]
fn a_state_may_only_add() {
    let v = vectors();
    let (key, public) = identity(&v);
    let first = golden_state(&v);
    let next = |edit: &dyn Fn(&mut AccountState)| {
        let mut next = first.clone();
        (next.seq, next.prev) = (1, first.hash);
        edit(&mut next);
        let bytes = account_state::issue(&key, next.account, next.seq, &next.prev, &next.body);
        AccountState::verify(&bytes, &public).and_then(|state| state.check_follows(&first).map(|()| state))
    };
    assert!(next(&|_| ()).is_ok());
    let revoked = |state: &mut AccountState| {
        state.body.certificates.clear();
        state.body.revoked = vec![DeviceId::from_field([9; 16]).expect("not zero")];
    };
    let second = next(&revoked).expect("a revocation");
    for (why, edit) in [
        ("not the next state", &(|state: &mut AccountState| state.seq = 2) as &dyn Fn(&mut AccountState)),
        ("not the next state", &|state| state.prev = sha256(&[b"other"])),
        ("vault key changed", &|state| state.body.vault_keys[0].digest = [1; 32]),
        ("vault key changed", &|state| state.body.vault_keys.clear()),
        ("iterations fell", &|state| state.body.kdf.iterations -= 1),
        ("listed twice or revoked", &|state| state.body.revoked = vec![state.devices[0].device]),
        ("listed twice or revoked", &|state| {
            state.body.certificates.push(state.body.certificates[0].clone());
        }),
        ("epoch 0", &|state| state.body.vault_keys.push(state.body.vault_keys[0].clone())),
        ("gap", &|state| {
            let mut row = state.body.vault_keys[0].clone();
            row.epoch = 3;
            state.body.vault_keys.push(row);
        }),
    ] {
        let error = next(edit).expect_err(why);
        assert!(error.to_string().contains(why), "{error}, not {why}");
    }
    // A revoked device never comes back.
    let mut third = second.clone();
    (third.seq, third.prev, third.body.revoked) = (2, second.hash, Vec::new());
    let bytes = account_state::issue(&key, third.account, third.seq, &third.prev, &third.body);
    let third = AccountState::verify(&bytes, &public).expect("well formed by itself");
    assert_eq!(
        third.check_follows(&second),
        Err(EnvelopeError::Rule("a revoked device disappeared from the list"))
    );
}
