//! Has copies moved from full zones to emptier ones, in rounds: queues blobs whose copies are to move, and the repairs'
//! lane for it copies them first; the copy too many is then taken away like any other, once the others are proven.
//!
//! A round begins only when the one before is over, its copies are deleted where they were, and all nodes have told how
//! full they are since. A blob that lacks copies ends it: what nobody has begun with is not moved.

use super::repeat;
use crate::db::{self, DbError};
use crate::events::News;
use crate::random;
use crate::rebalance::{fills, fit, plan};
use crate::state::{App, commit};

/// Blobs of the cluster that one look goes through for such as may move between two zones.
const LOOK_BLOBS: i64 = 10_000;
/// Pairs of zones that one look goes through.
const LOOK_PAIRS: usize = 8;

/// Decides until the program stops.
pub async fn run(app: &App) {
    repeat(app, app.settings.rebalance.rebalance_every, "rebalancing", || step(app)).await;
}

/// One look. False: the next comes at its time.
async fn step(app: &App) -> Result<bool, DbError> {
    let mut tx = app.begin().await?;
    if !db::rebalance::try_lock(&mut tx).await? {
        return Ok(false);
    }
    if db::rebalance::is_repairing(&mut tx).await? {
        if db::rebalance::cancel(&mut tx).await? > 0 {
            News::Nodes.send(&mut tx).await?;
        }
        db::rebalance::note_moving(&mut tx).await?;
    } else if db::rebalance::is_moving(&mut tx).await? {
        db::rebalance::note_moving(&mut tx).await?;
    } else if db::rebalance::is_told(&mut tx).await? {
        begin_round(app, &mut tx).await?;
    }
    commit(tx).await?;
    Ok(false)
}

async fn begin_round(app: &App, conn: &mut sqlx::PgConnection) -> Result<(), DbError> {
    let settings = app.settings.rebalance;
    let nodes = db::nodes::list(conn).await?;
    for between in plan(&fills(&nodes), settings.rebalance_percent, settings.rebalance_bytes)
        .into_iter()
        .take(LOOK_PAIRS)
    {
        let movable = db::rebalance::list_movable(
            conn,
            between.from,
            between.to,
            &random::bytes(),
            LOOK_BLOBS,
            settings.rebalance_blobs,
        )
        .await?;
        let fitting = fit(movable.iter().map(|(_, size)| *size), between.bytes);
        let blobs: Vec<_> = fitting.into_iter().map(|place| movable[place].0).collect();
        if !blobs.is_empty() {
            tracing::info!(from = between.from, to = between.to, blobs = blobs.len(), "copies move");
            db::rebalance::ask(conn, &blobs).await?;
            return News::Nodes.send(conn).await;
        }
    }
    Ok(())
}
