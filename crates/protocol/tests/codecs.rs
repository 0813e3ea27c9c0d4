//! Packed lists, receipts, signed requests and routes: what is written reads back, and nothing else is accepted.

use proptest::prelude::*;
use protocol::blob_list::{self, SizedBlob, StoredBlob};
use protocol::bytes::Base64;
use protocol::grant::Operation;
use protocol::id::{BlobId, GrantId, NodeId, Pseudonym, SourceId, StoreId};
use protocol::limits::{
    BLOB_BYTES_MAX, BLOB_BYTES_MIN, FORGET_SNAPSHOTS_MAX, GROUP_BLOBS_MAX, PLAN_BLOBS_MAX, PURGE_BLOBS_MAX,
};
use protocol::purge;
use protocol::receipt::{Receipt, ReceiptError};
use protocol::refs::{self, Reference};
use protocol::routes;
use protocol::signature::{PublicKey, SigningKey};
use protocol::signed_request::{SignedParts, SignedRequest};
use protocol::snapshots::{self, SnapshotId};

fn blob(number: usize) -> StoredBlob {
    let mut id = [7; 32];
    id[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
    StoredBlob { id: BlobId::from_bytes(id).expect("not zero"), size: BLOB_BYTES_MIN, generation: 1 }
}

fn receipt(count: usize) -> Receipt {
    Receipt {
        node: NodeId::from_bytes([1; 16]).expect("not zero"),
        store: StoreId::from_bytes([2; 16]).expect("not zero"),
        sub: Pseudonym::from_bytes([3; 16]).expect("not zero"),
        grant: GrantId::from_bytes([4; 16]).expect("not zero"),
        op: Operation::Put,
        time_ms: 1_700_000_000_000,
        blobs: (0..count).map(blob).collect(),
    }
}

#[test]
fn lists_are_limited_in_length_size_and_repetition() {
    let stored = |blobs: &[StoredBlob]| blob_list::unpack_stored(&blob_list::pack_stored(blobs));
    let many = |count: usize| (0..count).map(blob).collect::<Vec<_>>();
    assert!(stored(&many(GROUP_BLOBS_MAX - 1)).is_ok());
    assert!(stored(&many(GROUP_BLOBS_MAX)).is_ok());
    assert!(stored(&many(GROUP_BLOBS_MAX + 1)).is_err());
    assert!(stored(&[]).is_err());
    assert!(stored(&[blob(1), blob(1)]).is_err());
    for (size, fits) in [
        (BLOB_BYTES_MIN - 1, false),
        (BLOB_BYTES_MIN, true),
        (BLOB_BYTES_MAX, true),
        (BLOB_BYTES_MAX + 1, false),
    ] {
        assert_eq!(stored(&[StoredBlob { size, ..blob(1) }]).is_ok(), fits, "{size}");
    }
    assert!(stored(&[StoredBlob { generation: 0, ..blob(1) }]).is_err());

    let sized: Vec<SizedBlob> =
        (0..=PLAN_BLOBS_MAX).map(|n| SizedBlob { id: blob(n).id, size: BLOB_BYTES_MIN }).collect();
    assert!(blob_list::unpack_sized(&blob_list::pack_sized(&sized[1..])).is_ok());
    assert!(blob_list::unpack_sized(&blob_list::pack_sized(&sized)).is_err());
    let ids: Vec<BlobId> = sized.iter().map(|blob| blob.id).collect();
    assert!(blob_list::unpack_ids(&blob_list::pack_ids(&ids[1..])).is_ok());
    assert!(blob_list::unpack_ids(&blob_list::pack_ids(&ids)).is_err());
}

#[test]
fn a_list_has_one_digest_whatever_its_order() {
    let (forward, backward) = ([blob(1), blob(2)], [blob(2), blob(1)]);
    assert_eq!(blob_list::digest(&forward), blob_list::digest(&backward));
    let newer = [blob(1), StoredBlob { generation: 2, ..blob(2) }];
    assert_ne!(blob_list::digest(&forward), blob_list::digest(&newer));
}

#[test]
fn any_changed_bit_of_a_receipt_is_refused() {
    let key = SigningKey::from_bytes(&[5; 32]);
    let public = PublicKey::of(&key);
    let golden = receipt(2);
    let bytes = golden.issue(&key);
    assert_eq!(Receipt::parse(&bytes).expect("parses").verify(&public), Ok(golden));
    for bit in 0..bytes.0.len() * 8 {
        let mut changed = bytes.clone();
        changed.0[bit / 8] ^= 1 << (bit % 8);
        let accepted = Receipt::parse(&changed).and_then(|receipt| receipt.verify(&public));
        assert!(accepted.is_err(), "bit {bit}");
    }
}

#[test]
fn a_receipt_names_between_one_and_256_blobs() {
    let key = SigningKey::from_bytes(&[5; 32]);
    for (count, fits) in [(0, false), (1, true), (GROUP_BLOBS_MAX, true), (GROUP_BLOBS_MAX + 1, false)] {
        let parsed = Receipt::parse(&receipt(count).issue(&key));
        assert_eq!(parsed.is_ok(), fits, "{count}");
        assert!(fits || matches!(parsed, Err(ReceiptError::Malformed)));
    }
}

#[test]
fn a_signed_request_covers_every_part() {
    let key = SigningKey::from_bytes(&[6; 32]);
    let public = PublicKey::of(&key);
    let parts = SignedParts {
        origin: "http://localhost:8080",
        method: "POST",
        path_and_query: "/api/v1/nodes/heartbeat",
        body: b"{}",
    };
    let header = SignedRequest::sign(&key, [1; 16], parts, 1_700_000_000_000, [2; 16]).to_header();
    let request = SignedRequest::from_header(&header).expect("its own form");
    assert_eq!(request.verify(&public, parts), Ok(()));
    for other in [
        SignedParts { origin: "http://localhost:8081", ..parts },
        SignedParts { method: "PUT", ..parts },
        SignedParts { path_and_query: "/api/v1/nodes", ..parts },
        SignedParts { body: b"{ }", ..parts },
    ] {
        assert!(request.verify(&public, other).is_err(), "{other:?}");
    }
    let mut later = request.clone();
    later.time_ms += 1;
    assert!(later.verify(&public, parts).is_err());
    let mut repeated = request.clone();
    repeated.nonce = [3; 16];
    assert!(repeated.verify(&public, parts).is_err());
    for malformed in ["", "Bearer x", "Triplicate ", &header[..header.len() - 2], &format!("{header},more=1")]
    {
        assert_eq!(SignedRequest::from_header(malformed), None, "{malformed}");
    }
}

#[test]
fn routes_are_filled_in_order_and_stand_once() {
    assert_eq!(routes::coordinator::REFS.fill(&[&"ab", &7]), "/api/v1/uploads/ab/refs/7");
    for all in [routes::coordinator::ALL, routes::storage_node::ALL] {
        for (at, route) in all.iter().enumerate() {
            let same = |other: &&routes::Route| other.method == route.method && other.path == route.path;
            assert_eq!(all.iter().position(|other| same(&other)), Some(at), "{route:?}");
        }
    }
}

proptest! {
    #[test]
    fn references_read_back_and_nothing_else_does(
        list in prop::collection::btree_map(prop::array::uniform32(any::<u8>()), any::<i32>(), 0..50),
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let list: Vec<Reference> = list
            .into_iter()
            .filter(|(_, delta)| *delta != 0)
            .filter_map(|(id, delta)| Some(Reference { blob: BlobId::from_field(id)?, delta }))
            .collect();
        prop_assert_eq!(refs::unpack(&refs::pack(&list)), Ok(list));
        if let Ok(list) = refs::unpack(&noise) {
            prop_assert_eq!(refs::pack(&list), noise);
        }
    }

    #[test]
    fn no_bytes_crash_a_parser(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let key = PublicKey::from_bytes([8; 32]);
        let _ = Receipt::parse(&Base64(bytes.clone()));
        let _ = blob_list::unpack_stored(&Base64(bytes.clone()));
        let _ = protocol::envelope::commit::CommitEnvelope::parse(bytes.clone());
        prop_assert!(protocol::envelope::account_state::AccountState::verify(&bytes, &key).is_err());
    }
}

#[test]
fn lists_of_what_is_forgotten_and_purged_ascend_and_are_limited() {
    let snapshot = |source: u8, seq: u64| SnapshotId {
        source: SourceId::from_bytes([source; 16]).expect("not zero"),
        seq,
    };
    let forgotten = |list: &[SnapshotId]| snapshots::unpack(&snapshots::pack(list));
    assert!(forgotten(&[snapshot(1, 9), snapshot(2, 3), snapshot(2, 4)]).is_ok());
    assert!(forgotten(&[snapshot(1, 9), snapshot(1, 9)]).is_err());
    assert!(forgotten(&[snapshot(2, 1), snapshot(1, 2)]).is_err());
    assert!(forgotten(&[]).is_err());
    assert!(snapshots::unpack(&Base64(vec![0; 24])).is_err(), "a zero id");
    assert!(snapshots::unpack(&Base64(vec![1; 23])).is_err(), "cut short");
    let many = |count: usize| (0..count as u64).map(|seq| snapshot(1, seq)).collect::<Vec<_>>();
    assert!(forgotten(&many(FORGET_SNAPSHOTS_MAX)).is_ok());
    assert!(forgotten(&many(FORGET_SNAPSHOTS_MAX + 1)).is_err());

    let purged = |ids: &[BlobId]| purge::unpack(&purge::pack(ids).0);
    let ids: Vec<BlobId> = (0..=PURGE_BLOBS_MAX).map(|number| blob(number).id).collect();
    assert!(purged(&ids[1..]).is_ok());
    assert!(purged(&ids).is_err());
    assert!(purged(&[]).is_err());
    assert!(purged(&[ids[1], ids[0]]).is_err());
    assert!(purged(&[ids[0], ids[0]]).is_err());
    assert!(purge::unpack(&[0; 32]).is_err(), "a zero id");
    assert!(purge::unpack(&[1; 31]).is_err(), "cut short");
}
