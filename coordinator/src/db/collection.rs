//! Where garbage collection stands: what waits for an operator, and what the newest cycle did.

use sqlx::PgConnection;

use super::{DbError, stored, unsigned};

/// What waits for an operator, and what was let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Blobs that a cycle did not dare to condemn.
    pub blobs: Option<u64>,
    /// Since when, in Unix milliseconds.
    pub since_ms: Option<u64>,
    /// As many as the operator then approved, until a cycle uses it.
    pub approved: Option<u64>,
}

/// The newest whole cycle.
#[derive(Debug, Clone)]
pub struct LastCycle {
    /// When it ended, in Unix milliseconds.
    pub finished_ms: u64,
    /// What it did, as JSON.
    pub report: String,
}

/// Blobs by where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Standings {
    /// Needed, or not yet found to be needed no more.
    pub live: u64,
    /// Needed by nothing when it was last looked; readable.
    pub condemned: u64,
    /// Nodes are still to delete them.
    pub deleting: u64,
    /// Every node has; the row goes on counting generations for a while.
    pub deleted: u64,
}

/// What waits for an operator.
pub async fn find_held(conn: &mut PgConnection) -> Result<Held, DbError> {
    let row = sqlx::query!(
        "SELECT held_blobs, (extract(epoch FROM held_at) * 1000)::bigint AS held_ms, approved_blobs
         FROM garbage_collection"
    )
    .fetch_one(conn)
    .await?;
    let count = |value: Option<i64>| value.map(|value| unsigned(value, "garbage_collection")).transpose();
    Ok(Held {
        blobs: count(row.held_blobs)?,
        since_ms: count(row.held_ms)?,
        approved: count(row.approved_blobs)?,
    })
}

/// So many blobs wait for an operator; what was approved before is not enough for them.
pub async fn hold(conn: &mut PgConnection, blobs: u64) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE garbage_collection SET held_blobs = $1, held_at = coalesce(held_at, now()), approved_blobs = NULL",
        stored(i64::try_from(blobs), "garbage_collection")?
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Nothing waits for an operator any more, and an approval is used up.
pub async fn let_go(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query!("UPDATE garbage_collection SET held_blobs = NULL, held_at = NULL, approved_blobs = NULL")
        .execute(conn)
        .await?;
    Ok(())
}

/// The operator lets go what waits; returns how many blobs that are, if any wait.
pub async fn approve(conn: &mut PgConnection) -> Result<Option<u64>, DbError> {
    let approved = sqlx::query_scalar!(
        r#"UPDATE garbage_collection SET approved_blobs = held_blobs WHERE held_blobs IS NOT NULL
           RETURNING approved_blobs AS "approved!""#
    );
    approved.fetch_optional(conn).await?.map(|blobs| unsigned(blobs, "garbage_collection")).transpose()
}

/// Notes what a whole cycle did.
pub async fn note_cycle(conn: &mut PgConnection, report: &str) -> Result<(), DbError> {
    sqlx::query!("UPDATE garbage_collection SET last_cycle = $1, finished_at = now()", report)
        .execute(conn)
        .await?;
    Ok(())
}

/// The newest whole cycle, if there was one.
pub async fn find_last_cycle(conn: &mut PgConnection) -> Result<Option<LastCycle>, DbError> {
    let row = sqlx::query!(
        "SELECT last_cycle, (extract(epoch FROM finished_at) * 1000)::bigint AS finished_ms FROM garbage_collection"
    )
    .fetch_one(conn)
    .await?;
    row.last_cycle
        .zip(row.finished_ms)
        .map(|(report, ms)| Ok(LastCycle { report, finished_ms: unsigned(ms, "garbage_collection")? }))
        .transpose()
}

/// How many blobs stand where.
pub async fn count_standings(conn: &mut PgConnection) -> Result<Standings, DbError> {
    let row = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE state = 'live') AS "live!",
                  count(*) FILTER (WHERE state = 'condemned') AS "condemned!",
                  count(*) FILTER (WHERE state = 'deleting') AS "deleting!",
                  count(*) FILTER (WHERE state = 'deleted') AS "deleted!"
           FROM blobs"#
    )
    .fetch_one(conn)
    .await?;
    let count = |value| unsigned(value, "blobs");
    Ok(Standings {
        live: count(row.live)?,
        condemned: count(row.condemned)?,
        deleting: count(row.deleting)?,
        deleted: count(row.deleted)?,
    })
}
