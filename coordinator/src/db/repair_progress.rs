//! How much is to be repaired, and how fast that goes.

use std::time::Duration;

use protocol::limits::COUNTED_BLOBS_MAX;
use sqlx::PgConnection;

use super::repairs::SURPLUS;
use super::{DbError, stored, unsigned};

/// How long the queue is, and how fast it was worked on lately.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Blobs that lack copies.
    pub lacking: u64,
    /// Of these: in fewer zones than a commit needs.
    pub at_risk: u64,
    /// Of these: without a copy that can be read.
    pub unreadable: u64,
    /// Of those that lack copies: for want of a zone with room.
    pub without_zone: u64,
    /// Blobs with a copy too many.
    pub surplus: u64,
    /// Blobs that are to move to an emptier zone.
    pub moving: u64,
    /// Copies that were made lately.
    pub repaired: u64,
    /// Within so long.
    pub repaired_within: Duration,
}

/// Counts what was repaired in this minute, and forgets what was long ago.
pub async fn count_repaired(conn: &mut PgConnection, blobs: u64) -> Result<(), DbError> {
    sqlx::query!(
        "WITH forgotten AS (DELETE FROM repair_minutes WHERE minute < now() - interval '1 hour')
         INSERT INTO repair_minutes (minute, blobs) VALUES (date_trunc('minute', now()), $1)
         ON CONFLICT (minute) DO UPDATE SET blobs = repair_minutes.blobs + excluded.blobs",
        stored(i64::try_from(blobs), "a count")?
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How long the queue is; `write_zones` below which a blob is at risk. No more than [`COUNTED_BLOBS_MAX`] of a kind are
/// counted: this is asked after every heartbeat, and after a node died the queue may hold many millions.
pub async fn count_queue(conn: &mut PgConnection, write_zones: u32) -> Result<Queue, DbError> {
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM (SELECT FROM repairs WHERE priority < 16 LIMIT $2) q) AS "lacking!",
                  (SELECT count(*) FROM (SELECT FROM repairs WHERE priority < $1 LIMIT $2) q) AS "at_risk!",
                  (SELECT count(*) FROM (SELECT FROM repairs WHERE priority = 0 LIMIT $2) q) AS "unreadable!",
                  (SELECT count(*) FROM (SELECT FROM repairs WHERE waiting = 'zone' LIMIT $2) q) AS "without_zone!",
                  (SELECT count(*) FROM (SELECT FROM repairs WHERE priority = 16 LIMIT $2) q) AS "surplus!",
                  (SELECT count(*) FROM (SELECT FROM repairs WHERE priority = 17 LIMIT $2) q) AS "moving!""#,
        i16::try_from(write_zones).unwrap_or(SURPLUS),
        stored(i64::try_from(COUNTED_BLOBS_MAX), "a limit")?,
    )
    .fetch_one(&mut *conn)
    .await?;
    let rate = sqlx::query!(
        r#"SELECT coalesce(sum(blobs), 0)::bigint AS "blobs!",
                  coalesce(extract(epoch FROM now() - min(minute)), 0)::float8 AS "seconds!"
           FROM repair_minutes WHERE minute > now() - interval '10 minutes'"#
    )
    .fetch_one(conn)
    .await?;
    Ok(Queue {
        lacking: unsigned(row.lacking, "repairs")?,
        at_risk: unsigned(row.at_risk, "repairs")?,
        unreadable: unsigned(row.unreadable, "repairs")?,
        without_zone: unsigned(row.without_zone, "repairs")?,
        surplus: unsigned(row.surplus, "repairs")?,
        moving: unsigned(row.moving, "repairs")?,
        repaired: unsigned(rate.blobs, "repair_minutes")?,
        repaired_within: stored(Duration::try_from_secs_f64(rate.seconds), "repair_minutes")?,
    })
}
