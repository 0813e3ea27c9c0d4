//! Compares what each node has with what it should have, after each of its starts and once a day. Digests first: parts
//! that agree are not listed.

use protocol::blob_list::StoredBlob;
use protocol::limits::GROUP_BLOBS_MAX;

use super::copy::{count, lose};
use super::repeat;
use crate::db::inventories::Check;
use crate::db::nodes::NodeRow;
use crate::db::{self, DbError};
use crate::inventory::{compare, sort_found};
use crate::node_client::NodeError;
use crate::random;
use crate::state::{App, commit};

/// Blobs whose copies are given up in one transaction.
const LOST_STEP_BLOBS: usize = 5000;

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
    let ours = db::inventories::digests(&mut conn, key).await?;
    drop(conn);
    let compared = compare_parts(app, &node, &ours).await;
    // Until it is compared, copies count that may be gone: a node that did not answer is asked again soon.
    let again = if compared.is_ok() { upkeep.inventory_period } else { upkeep.repair_retry };
    db::inventories::set_due(&mut *app.connection().await?, key, again).await?;
    compared.map(|()| true)
}

async fn compare_parts(app: &App, node: &NodeRow, ours: &[[u8; 32]]) -> Result<(), ComparisonError> {
    let theirs = app.nodes.inventory(node).await?;
    for (part, _) in (0..=u8::MAX).zip(ours.iter().zip(&theirs)).filter(|(_, (ours, theirs))| ours != theirs)
    {
        let known = db::inventories::list_part(&mut *app.connection().await?, node.key, part).await?;
        let has = app.nodes.inventory_part(node, part).await?;
        let difference = compare(&known, &has);
        for lost in difference.lost.chunks(LOST_STEP_BLOBS) {
            lose(app, node, lost).await?;
        }
        for found in difference.found.chunks(GROUP_BLOBS_MAX) {
            take_in(app, node, found).await?;
        }
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
