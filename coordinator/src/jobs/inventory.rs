//! Compares what each node has with what it should have, after each of its starts and once a day. Digests first: parts
//! that agree are not listed.

use std::ops::RangeInclusive;

use protocol::blob_list::StoredBlob;
use protocol::limits::GROUP_BLOBS_MAX;

use super::copy::{count, lose};
use super::repeat;
use crate::db::inventories::{Check, Part};
use crate::db::nodes::NodeRow;
use crate::db::{self, DbError};
use crate::inventory::{Difference, compare, ranges, sort_found};
use crate::node_client::NodeError;
use crate::random;
use crate::state::{App, commit};

/// Blobs whose copies are given up in one transaction, and differences that are kept until they are settled.
const STEP_BLOBS: usize = 5000;
/// Blobs of which the database's side is held in memory, 36 bytes for each.
const READ_BLOBS: u64 = 500_000;

/// Why a comparison is not finished.
#[derive(Debug, thiserror::Error)]
enum ComparisonError {
    #[error("comparing what a node has with what it should have")]
    Db(#[from] DbError),
    #[error("comparing what a node has with what it should have")]
    Node(#[from] NodeError),
}

/// Compares until the program stops.
pub async fn run(app: &App) {
    repeat(app, app.settings.upkeep.repair_period, "comparison", || step(app)).await;
}

/// One node that is due. False if none is.
async fn step(app: &App) -> Result<bool, ComparisonError> {
    let mut conn = app.connection().await?;
    let upkeep = app.settings.upkeep;
    let claimed = db::inventories::claim(&mut conn, Check::Inventory, upkeep.repair_lease).await?;
    let Some(key) = claimed else { return Ok(false) };
    let nodes = db::nodes::list(&mut conn).await?;
    let Some(node) = nodes.into_iter().find(|node| node.key == key) else { return Ok(false) };
    // Read before the node is asked: what it gets meanwhile is then found, and not missed.
    let ours = db::inventories::list_parts(&mut conn, key).await?;
    drop(conn);
    let compared = compare_parts(app, &node, &ours).await;
    // Until it is compared, copies count that may be gone: a node that did not answer is asked again soon.
    let again = if compared.is_ok() { upkeep.inventory_period } else { upkeep.repair_retry };
    db::inventories::set_due(&mut *app.connection().await?, key, again).await?;
    compared.map(|()| true)
}

async fn compare_parts(app: &App, node: &NodeRow, ours: &[Part]) -> Result<(), ComparisonError> {
    let theirs = app.nodes.inventory(node).await?;
    let parts = (0..=u8::MAX).zip(ours.iter().zip(&theirs));
    let differing: Vec<u8> =
        parts.filter(|(_, (ours, theirs))| ours.digest != **theirs).map(|(part, _)| part).collect();
    let counts: Vec<u64> = ours.iter().map(|part| part.blobs).collect();
    for range in ranges(&differing, &counts, READ_BLOBS) {
        let inside = differing.iter().copied().filter(|part| range.contains(part));
        compare_range(app, node, range.clone(), inside).await?;
    }
    Ok(())
}

async fn compare_range(
    app: &App,
    node: &NodeRow,
    range: RangeInclusive<u8>,
    differing: impl Iterator<Item = u8>,
) -> Result<(), ComparisonError> {
    let known = db::inventories::list_range(&mut *app.connection().await?, node.key, range).await?;
    let mut pending = Difference::default();
    for part in differing {
        let has = app.nodes.inventory_part(node, part).await?;
        let of_part = known.partition_point(|(id, _)| id.as_bytes()[0] < part)
            ..known.partition_point(|(id, _)| id.as_bytes()[0] <= part);
        let difference = compare(&known[of_part], &has);
        pending.lost.extend(difference.lost);
        pending.found.extend(difference.found);
        if pending.lost.len() + pending.found.len() >= STEP_BLOBS {
            settle(app, node, std::mem::take(&mut pending)).await?;
        }
    }
    settle(app, node, pending).await
}

async fn settle(app: &App, node: &NodeRow, difference: Difference) -> Result<(), ComparisonError> {
    for lost in difference.lost.chunks(STEP_BLOBS) {
        lose(app, node, lost).await?;
    }
    for found in difference.found.chunks(GROUP_BLOBS_MAX) {
        take_in(app, node, found).await?;
    }
    Ok(())
}

/// Copies of blobs that are wanted count from now on; those of a generation that was given up are deleted. Since the
/// node listed the former, they may have been taken from it, so it proves them; and since it proved them too, so
/// [`count`] looks whether that happened.
async fn take_in(app: &App, node: &NodeRow, found: &[StoredBlob]) -> Result<(), ComparisonError> {
    let known = db::inventories::list_known(&mut *app.connection().await?, found).await?;
    let (wanted, stale) = sort_found(found, &known);
    let blobs: Vec<_> = wanted.iter().map(|known| known.blob.blob).collect();
    let proofs = match blobs.len() {
        0 => Vec::new(),
        _ => app.nodes.audit(node, &blobs, random::bytes()).await?,
    };
    let proven = wanted.iter().zip(proofs).filter(|(_, proof)| proof.is_some());
    let proven: Vec<_> = proven.map(|(known, _)| known.blob).collect();
    let mut tx = app.begin().await?;
    let counting = count(&mut tx, node, &proven).await?;
    let replicas = app.copies(&mut tx).await?.replicas;
    db::repairs::ask(&mut tx, &counting, replicas).await?;
    commit(tx).await?;
    let unknown = found.len() - wanted.len() - stale.len();
    tracing::info!(node = %node.id, counting = counting.len(), stale = stale.len(), unknown, "a node has more");
    if !stale.is_empty() {
        app.nodes.delete(node, &stale).await?;
    }
    Ok(())
}
