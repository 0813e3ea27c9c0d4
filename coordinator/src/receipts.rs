//! Judges receipts: pure checks of a verified receipt against the grant that it names and the node that signed it.
//! An old receipt, one for another session, or one from a store that is gone proves nothing.

use std::collections::BTreeMap;

use protocol::grant::Operation;
use protocol::id::{BlobId, Pseudonym};
use protocol::limits::{CLOCK_SKEW_SECONDS, RECEIPT_LATE_SECONDS};
use protocol::receipt::Receipt;

use crate::db::BlobKey;
use crate::db::blobs::PlannedBlob;
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
    let earliest_ms = grant.issued_s.saturating_sub(CLOCK_SKEW_SECONDS) * 1000;
    let latest_ms = (grant.expires_s + RECEIPT_LATE_SECONDS) * 1000;
    if !(earliest_ms..=latest_ms).contains(&receipt.time_ms) {
        return Err(Refusal::WrongTime);
    }
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
