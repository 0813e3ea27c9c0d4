//! Forgets the snapshots that their sources' policies keep no longer.

use protocol::snapshots::SnapshotId;
use sqlx::PgPool;

use super::repeat;
use crate::db::retention::RetainedSource;
use crate::db::{self, DbError, SourceKey};
use crate::retention::{self, SourceKind};
use crate::state::{App, commit};

/// Sources that are read at once.
const SOURCES: i64 = 1000;

/// Applies policies until the program stops.
pub async fn run(app: &App) {
    repeat(app, app.settings.reclaim.retention_every, "retention", || step(app)).await;
}

/// All policies. False: nothing more is to be done until time has passed.
async fn step(app: &App) -> Result<bool, DbError> {
    let forgotten = apply(&app.pool).await?;
    if forgotten > 0 {
        tracing::info!(forgotten, "policies forgot snapshots");
    }
    Ok(false)
}

/// Applies the policies of all sources; returns how many snapshots were forgotten. Two at once do no harm.
///
/// # Errors
/// As the database allows; the sources before stay done.
pub async fn apply(pool: &PgPool) -> Result<u64, DbError> {
    let mut forgotten = 0;
    let mut after = SourceKey(0);
    loop {
        let sources = db::retention::list(&mut *pool.acquire().await?, after, SOURCES).await?;
        let Some(last) = sources.last() else { return Ok(forgotten) };
        after = last.key;
        for source in &sources {
            forgotten += apply_to(pool, source).await?;
        }
    }
}

async fn apply_to(pool: &PgPool, source: &RetainedSource) -> Result<u64, DbError> {
    let mut tx = pool.begin().await?;
    let snapshots = db::snapshots::list_of_source(&mut tx, source.key).await?;
    let policy = source.policy.unwrap_or_default();
    let plan = retention::plan(&policy, SourceKind::of(source), &snapshots);
    if plan.forgotten.is_empty() {
        return Ok(0);
    }
    let forgotten: Vec<_> =
        plan.forgotten.into_iter().map(|seq| SnapshotId { source: source.source, seq }).collect();
    let count = db::snapshots::forget(&mut tx, source.vault, &forgotten).await?;
    commit(tx).await?;
    Ok(count)
}
