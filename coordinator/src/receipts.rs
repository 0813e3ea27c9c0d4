//! Judges receipts: pure checks of a verified receipt against the grant that it names and the node that signed it.
//! An old receipt, one for another session, or one from a store that is gone proves nothing.

use std::collections::{BTreeMap, BTreeSet};

use protocol::blob_list::StoredBlob;
use protocol::bytes::Base64;
use protocol::grant::{Grant, Operation};
use protocol::id::{BlobId, Pseudonym};
use protocol::limits::{CLOCK_SKEW_SECONDS, RECEIPT_LATE_SECONDS};
use protocol::receipt::Receipt;

use crate::db::BlobKey;
use crate::db::blobs::PlannedBlob;
use crate::db::nodes::NodeRow;
use crate::db::receipts::{LockedBlob, ProvenCopy, ReceiptSigner};
use crate::db::uploads::GrantRow;

/// Why a receipt does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a receipt.
    #[error("not a well-formed receipt")]
    Malformed,
    /// No such node.
    #[error("no node has this id")]
    UnknownNode,
    /// Not the node's signature.
    #[error("the signature does not verify")]
    Signature,
    /// The grant was not issued to this session.
    #[error("its grant was not issued to this upload")]
    UnknownGrant,
    /// The grant is for another node.
    #[error("its grant is for another node")]
    WrongNode,
    /// Not a receipt of a write.
    #[error("not a receipt of a write")]
    WrongOperation,
    /// For another vault.
    #[error("it names another vault")]
    WrongVault,
    /// The node has another store by now.
    #[error("the node's store has changed")]
    StaleStore,
    /// Before the grant, or long after it.
    #[error("its time does not fit its grant")]
    WrongTime,
    /// A blob that the grant does not allow, or not so.
    #[error("a blob is not the grant's")]
    ForeignBlob,
    /// The blob was given up meanwhile.
    #[error("a blob's generation is not the present one")]
    StaleGeneration,
}

/// What the receipt proves, if it counts. Generations are still to be compared with the present ones.
pub fn judge(
    receipt: &Receipt,
    grant: &GrantRow,
    signer: &ReceiptSigner,
    sub: &Pseudonym,
) -> Result<Vec<ProvenCopy>, Refusal> {
    if grant.node != signer.key {
        return Err(Refusal::WrongNode);
    }
    if receipt.op != Operation::Put {
        return Err(Refusal::WrongOperation);
    }
    if receipt.sub != *sub {
        return Err(Refusal::WrongVault);
    }
    if receipt.store != signer.store {
        return Err(Refusal::StaleStore);
    }
    check_time(receipt, grant.issued_s, grant.expires_s)?;
    let granted: BTreeMap<BlobId, &PlannedBlob> =
        grant.blobs.iter().map(|planned| (planned.blob.id, planned)).collect();
    receipt
        .blobs
        .iter()
        .map(|blob| {
            let planned = granted.get(&blob.id).filter(|planned| planned.blob == *blob);
            let planned = planned.ok_or(Refusal::ForeignBlob)?;
            Ok(ProvenCopy {
                blob: planned.key,
                size: blob.size,
                generation: blob.generation,
                node: signer.key,
                store_epoch: signer.store_epoch,
            })
        })
        .collect()
}

/// The blobs that a node vouches for, in its answer to a grant that the coordinator gave to itself.
pub fn check_answer(
    receipt: &Base64,
    node: &NodeRow,
    grant: &Grant,
    granted: &[StoredBlob],
) -> Result<Vec<StoredBlob>, Refusal> {
    let unverified = Receipt::parse(receipt).map_err(|_| Refusal::Malformed)?;
    if unverified.claimed_node() != node.id {
        return Err(Refusal::WrongNode);
    }
    let receipt = unverified.verify(&node.public_key).map_err(|_| Refusal::Signature)?;
    if receipt.grant != grant.jti {
        return Err(Refusal::UnknownGrant);
    }
    if receipt.op != grant.op {
        return Err(Refusal::WrongOperation);
    }
    if receipt.sub != grant.sub {
        return Err(Refusal::WrongVault);
    }
    if receipt.store != node.store {
        return Err(Refusal::StaleStore);
    }
    check_time(&receipt, grant.iat, grant.exp)?;
    let granted: BTreeSet<&StoredBlob> = granted.iter().collect();
    let named: BTreeSet<&StoredBlob> = receipt.blobs.iter().collect();
    if named.len() != receipt.blobs.len() || !named.is_subset(&granted) {
        return Err(Refusal::ForeignBlob);
    }
    Ok(receipt.blobs)
}

/// The grant binds the receipt; its time says that the node did it then and not long after.
fn check_time(receipt: &Receipt, issued_s: u64, expires_s: u64) -> Result<(), Refusal> {
    let earliest_ms = issued_s.saturating_sub(CLOCK_SKEW_SECONDS) * 1000;
    let latest_ms = (expires_s + RECEIPT_LATE_SECONDS) * 1000;
    let in_time = (earliest_ms..=latest_ms).contains(&receipt.time_ms);
    if in_time { Ok(()) } else { Err(Refusal::WrongTime) }
}

/// Do these copies still stand, now that their blobs are locked?
pub fn still_stands(copies: &[ProvenCopy], locked: &BTreeMap<BlobKey, LockedBlob>) -> Result<(), Refusal> {
    for copy in copies {
        let blob = locked.get(&copy.blob).ok_or(Refusal::StaleGeneration)?;
        if blob.generation != copy.generation {
            return Err(Refusal::StaleGeneration);
        }
        if blob.size.is_some_and(|size| size != copy.size) {
            return Err(Refusal::ForeignBlob);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use protocol::bytes::Base64Array;
    use protocol::id::{GrantId, NodeId, StoreId};
    use protocol::nodes::NodeState;
    use protocol::signature::{PublicKey, SigningKey};

    use super::*;
    use crate::db::NodeKey;
    use crate::health::Intent;

    const NOW_S: u64 = 1_000_000;

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_bytes(&[byte; 32])
    }

    fn blob(byte: u8) -> StoredBlob {
        StoredBlob { id: BlobId::from_bytes([byte; 32]).expect("not zero"), size: 5000, generation: 1 }
    }

    fn node() -> NodeRow {
        NodeRow {
            key: NodeKey(1),
            id: NodeId::from_bytes([1; 16]).expect("not zero"),
            public_key: PublicKey::of(&key(1)),
            store: StoreId::from_bytes([2; 16]).expect("not zero"),
            store_epoch: 1,
            url: String::new(),
            zone: "zone".into(),
            state: NodeState::Up,
            liveness: NodeState::Up,
            intent: Intent::Serve,
            capacity_bytes: 0,
            used_bytes: 0,
            free_bytes: 0,
        }
    }

    fn grant() -> Grant {
        Grant {
            aud: node().id,
            sub: Pseudonym::from_bytes([3; 16]).expect("not zero"),
            op: Operation::Pull,
            count: 2,
            bytes: 10_000,
            digest: Base64Array([0; 32]),
            iat: NOW_S,
            exp: NOW_S + 600,
            jti: GrantId::from_bytes([4; 16]).expect("not zero"),
        }
    }

    fn receipt() -> Receipt {
        let (node, grant) = (node(), grant());
        Receipt {
            node: node.id,
            store: node.store,
            sub: grant.sub,
            grant: grant.jti,
            op: grant.op,
            time_ms: NOW_S * 1000,
            blobs: vec![blob(1)],
        }
    }

    fn check(receipt: &Base64) -> Result<Vec<StoredBlob>, Refusal> {
        check_answer(receipt, &node(), &grant(), &[blob(1), blob(2)])
    }

    /// What is said of a receipt that differs in something.
    fn refused(change: impl FnOnce(&mut Receipt)) -> Refusal {
        let mut receipt = receipt();
        change(&mut receipt);
        check(&receipt.issue(&key(1))).expect_err("refused")
    }

    #[test]
    fn a_nodes_answer_counts_for_what_it_names_of_the_list() {
        assert_eq!(check(&receipt().issue(&key(1))), Ok(vec![blob(1)]));
        let both = Receipt { blobs: vec![blob(2), blob(1)], ..receipt() };
        assert_eq!(check(&both.issue(&key(1))), Ok(both.blobs.clone()));
    }

    #[test]
    fn an_answer_to_anything_else_is_refused() {
        assert_eq!(check(&Base64(vec![1; 50])), Err(Refusal::Malformed));
        assert_eq!(check(&receipt().issue(&key(2))), Err(Refusal::Signature));
        assert_eq!(refused(|r| r.node = NodeId::from_bytes([9; 16]).expect("not zero")), Refusal::WrongNode);
        assert_eq!(
            refused(|r| r.store = StoreId::from_bytes([9; 16]).expect("not zero")),
            Refusal::StaleStore
        );
        assert_eq!(
            refused(|r| r.sub = Pseudonym::from_bytes([9; 16]).expect("not zero")),
            Refusal::WrongVault
        );
        assert_eq!(
            refused(|r| r.grant = GrantId::from_bytes([9; 16]).expect("not zero")),
            Refusal::UnknownGrant
        );
        for op in [Operation::Put, Operation::Delete] {
            assert_eq!(refused(|r| r.op = op), Refusal::WrongOperation);
        }
        assert_eq!(refused(|r| r.blobs[0].generation = 2), Refusal::ForeignBlob);
        assert_eq!(refused(|r| r.blobs.push(blob(3))), Refusal::ForeignBlob);
        assert_eq!(refused(|r| r.blobs.push(blob(1))), Refusal::ForeignBlob);
        for off in [(NOW_S - 61) * 1000, (NOW_S + 600 + 2 * 3600) * 1000 + 1] {
            assert_eq!(refused(|r| r.time_ms = off), Refusal::WrongTime);
        }
    }
}
