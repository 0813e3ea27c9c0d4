//! Makes copies: each destination pulls a group of blobs from the source, and what its receipt proves is recorded.

use futures_util::future::join_all;
use protocol::blob_list::StoredBlob;
use protocol::id::BlobId;
use sqlx::PgConnection;

use super::repair::Batch;
use crate::db::blobs::PlannedBlob;
use crate::db::nodes::NodeRow;
use crate::db::receipts::ProvenCopy;
use crate::db::repairs::Waiting;
use crate::db::{self, BlobKey, DbError};
use crate::node_client::Pulled;
use crate::random;
use crate::receipts::still_stands;
use crate::repair::Copying;
use crate::state::{App, commit};

/// Copies one group.
pub(super) async fn run(batch: &Batch<'_>, copying: &Copying<'_>) -> Result<(), DbError> {
    let involved = copying.destinations.iter().chain([&copying.source]).map(|node| node.key);
    batch.with_hands(involved, copy(batch, copying)).await
}

async fn copy(batch: &Batch<'_>, copying: &Copying<'_>) -> Result<(), DbError> {
    let blobs: Vec<StoredBlob> = copying.blobs.iter().map(|planned| planned.blob).collect();
    let pulls = copying.destinations.iter().map(|to| pull(batch.app, to, copying.source, &blobs));
    let pulled = join_all(pulls).await;
    let mut is_whole = true;
    let mut refused = Vec::new();
    for (to, pulled) in copying.destinations.iter().zip(pulled) {
        let counting = record(batch.app, copying, to, &pulled.stored).await?;
        is_whole &= counting == blobs.len();
        refused.extend(pulled.failed);
    }
    if !refused.is_empty() {
        doubt(batch, copying.source, refused).await?;
    }
    let waiting = match (is_whole, copying.lacks_zone) {
        (false, _) => Some(Waiting::Node),
        (true, true) => Some(Waiting::Zone),
        (true, false) => None,
    };
    batch.settle(&copying.blobs, waiting).await
}

/// A node that fails has pulled nothing, as far as is known; what it stored nevertheless, its inventory shows.
async fn pull(app: &App, to: &NodeRow, from: &NodeRow, blobs: &[StoredBlob]) -> Pulled {
    app.nodes.pull(to, from, blobs).await.unwrap_or_else(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, from = %from.id, "a copy was not made");
        Pulled::default()
    })
}

/// How many of what a node stored count.
async fn record(
    app: &App,
    copying: &Copying<'_>,
    to: &NodeRow,
    stored: &[StoredBlob],
) -> Result<usize, DbError> {
    if stored.is_empty() {
        return Ok(0);
    }
    let proven: Vec<_> =
        copying.blobs.iter().copied().filter(|planned| stored.contains(&planned.blob)).collect();
    let mut tx = app.begin().await?;
    let counting = count(&mut tx, to, &proven).await?;
    db::repair_progress::count_repaired(&mut tx, counting.len() as u64).await?;
    commit(tx).await?;
    app.meters.repaired.increment(counting.len() as u64);
    Ok(counting.len())
}

/// Lets the copies of blobs count that a node has proven to have; the blobs of those that do.
///
/// The proof was given without any lock, perhaps long ago if this program stood still. It counts for nothing if the blob
/// was given up since then, in a store that the node has no more, or if any copy of the blob was taken away since
/// `blobs` was read: that may have been this one.
pub(super) async fn count(
    conn: &mut PgConnection,
    node: &NodeRow,
    blobs: &[PlannedBlob],
) -> Result<Vec<BlobKey>, DbError> {
    let keys: Vec<_> = blobs.iter().map(|planned| planned.key).collect();
    let locked = db::receipts::lock_blobs(conn, &keys).await?;
    let is_untouched =
        |planned: &&PlannedBlob| locked.get(&planned.key).is_some_and(|blob| blob.trims == planned.trims);
    let copies = blobs.iter().filter(is_untouched).map(|planned| ProvenCopy {
        blob: planned.key,
        size: planned.blob.size,
        generation: planned.blob.generation,
        node: node.key,
        store_epoch: node.store_epoch,
    });
    let copies: Vec<_> = copies.filter(|copy| still_stands(&[*copy], &locked).is_ok()).collect();
    let recorded = db::receipts::record_copies(conn, &copies).await?;
    Ok(recorded.into_iter().map(|copy| copy.blob).collect())
}

/// The source did not give these, or gave other bytes. If it says itself that it has not got them, its copies count no
/// longer; if it says that it has, another source is tried, and an audit will tell.
async fn doubt(batch: &Batch<'_>, source: &NodeRow, mut refused: Vec<StoredBlob>) -> Result<(), DbError> {
    refused.sort_unstable();
    refused.dedup();
    let Ok(proofs) = batch.app.nodes.audit(source, &refused, random::bytes()).await else { return Ok(()) };
    let missing = refused.iter().zip(proofs).filter(|(_, proof)| proof.is_none());
    let missing: Vec<_> = missing.map(|(blob, _)| (blob.id, blob.generation)).collect();
    lose(batch.app, source, &missing).await
}

/// A node does not have blobs that it should have: its copies count no longer, and are replaced.
pub(super) async fn lose(app: &App, node: &NodeRow, lost: &[(BlobId, u32)]) -> Result<(), DbError> {
    if lost.is_empty() {
        return Ok(());
    }
    tracing::warn!(node = %node.id, blobs = lost.len(), "a node lacks blobs that it should have");
    let mut tx = app.begin().await?;
    let blobs = db::copies::lose(&mut tx, node.key, lost).await?;
    let replicas = app.copies(&mut tx).await?.replicas;
    db::repairs::ask(&mut tx, &blobs, replicas).await?;
    commit(tx).await
}
