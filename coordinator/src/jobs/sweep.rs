//! Looks for blobs with too few or too many copies: after a node changed over what it has, and again and again over
//! everything. Events alone are not trusted to have told all.

use super::repeat;
use crate::db::sweeps::Sweep;
use crate::db::{self, DbError};
use crate::events::News;
use crate::state::{App, commit};

/// Blobs that are looked at in one transaction.
const STEP_BLOBS: i64 = 5000;

/// Sweeps until the program stops.
pub async fn run(app: &App) {
    repeat(app, app.settings.upkeep.repair_period, "sweep", || step(app)).await;
}

/// One step of a walk that is due. False if none is.
///
/// # Errors
/// [`DbError`].
pub async fn step(app: &App) -> Result<bool, DbError> {
    let mut tx = app.begin().await?;
    let Some(sweep) = db::sweeps::claim(&mut tx).await? else {
        db::sweeps::begin_for_drains(&mut tx).await?;
        commit(tx).await?;
        return Ok(false);
    };
    let blobs = db::sweeps::next_blobs(&mut tx, &sweep, STEP_BLOBS).await?;
    let replicas = app.copies(&mut tx).await?.replicas;
    let found = db::repairs::ask(&mut tx, &blobs, replicas).await?;
    if let Some(node) = sweep.node {
        db::sweeps::delete_stale(&mut tx, &blobs, node).await?;
    }
    match blobs.last() {
        Some(last) => db::sweeps::advance(&mut tx, &sweep, *last, found > 0).await?,
        None => end(app, &mut tx, &sweep).await?,
    }
    commit(tx).await?;
    Ok(true)
}

/// A node that is drained, and has nothing that lacks copies elsewhere, may be switched off. If it is being changed in
/// this moment, the next walk over it says so.
async fn end(app: &App, conn: &mut sqlx::PgConnection, sweep: &Sweep) -> Result<(), DbError> {
    db::sweeps::end(conn, sweep, app.settings.upkeep.sweep_period).await?;
    if let Some(node) = sweep.node
        && !sweep.found
        && db::liveness::set_drained(conn, node).await?
    {
        News::Nodes.send(conn).await?;
    }
    Ok(())
}
