//! Has nodes delete what was given up. An order stays until its node has signed that it is done.

use futures_util::future::join_all;
use protocol::blob_list::StoredBlob;

use super::repeat;
use crate::db::nodes::NodeRow;
use crate::db::{self, DbError};
use crate::state::{App, commit};

/// Gives orders until the program stops.
pub async fn run(app: &App) {
    repeat(app, app.settings.reclaim.delete_every, "deletion", || step(app)).await;
}

/// All orders that are due. False: those that come up meanwhile wait for the next look.
async fn step(app: &App) -> Result<bool, DbError> {
    let deleted = deliver(app).await?;
    if deleted > 0 {
        tracing::info!(deleted, "nodes deleted copies");
    }
    Ok(false)
}

/// Gives all orders that are due, to all nodes at once; returns how many were done.
///
/// # Errors
/// As the database allows. A node that does not do what it is told is asked again later.
pub async fn deliver(app: &App) -> Result<u64, DbError> {
    let mut conn = app.connection().await?;
    let due = db::delete_jobs::list_due_nodes(&mut conn).await?;
    let nodes = db::nodes::list(&mut conn).await?;
    drop(conn);
    let due = nodes.iter().filter(|node| due.contains(&node.key));
    let done = join_all(due.map(|node| deliver_to(app, node))).await;
    done.into_iter().sum()
}

async fn deliver_to(app: &App, node: &NodeRow) -> Result<u64, DbError> {
    let mut done = 0;
    loop {
        let mut tx = app.begin().await?;
        let jobs = db::delete_jobs::take(&mut tx, node.key, app.settings.reclaim.gc_retry).await?;
        commit(tx).await?;
        if jobs.is_empty() {
            return Ok(done);
        }
        let blobs: Vec<StoredBlob> = jobs.iter().map(|job| job.blob).collect();
        if let Err(error) = app.nodes.delete(node, &blobs).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a node did not delete copies");
            return Ok(done);
        }
        let mut tx = app.begin().await?;
        let finished = db::delete_jobs::finish(&mut tx, node.key, &jobs).await?;
        commit(tx).await?;
        done += finished;
        // Those that are left stay for as long as uploads have their blobs.
        if finished == 0 {
            return Ok(done);
        }
    }
}
