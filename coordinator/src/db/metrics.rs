//! What only metrics ask for. Each query is bounded, by a number or by time.

use protocol::id::SourceId;
use protocol::limits::COUNTED_BLOBS_MAX;
use sqlx::PgConnection;

use super::{DbError, stored, unsigned};

/// Sources that are told at most, those without a snapshot for longest first.
const SOURCES_MAX: i64 = 10_000;

/// An open source.
#[derive(Debug)]
pub struct SourceTimes {
    /// The source.
    pub source: SourceId,
    /// When its newest snapshot was received, or it was made, in Unix milliseconds.
    pub newest_ms: u64,
    /// A device writes it, and is to do so again and again.
    pub by_device: bool,
    /// When a sample of it was last read back, in Unix milliseconds.
    pub proven_ms: Option<u64>,
}

/// Bytes of blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// Of all that are kept, one copy counted.
    pub stored: u64,
    /// Of those in the newest snapshots, as often as they are referred to.
    pub referenced: u64,
    /// The same, each once.
    pub referenced_once: u64,
}

/// Metrics are not worth more of the database's time: what takes longer in this transaction fails.
pub async fn bound(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query!("SET LOCAL statement_timeout = '20s'").execute(conn).await?;
    Ok(())
}

/// All open sources.
pub async fn list_sources(conn: &mut PgConnection) -> Result<Vec<SourceTimes>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT s.public_id, (extract(epoch FROM s.proven_at) * 1000)::bigint AS proven_ms,
                  s.device IS NOT NULL OR coalesce(n.by_device, false) AS "by_device!",
                  (extract(epoch FROM coalesce(n.received_at, s.since)) * 1000)::bigint AS "newest_ms!"
           FROM sources s LEFT JOIN LATERAL (
               SELECT received_at, device IS NOT NULL AS by_device FROM commits WHERE source_id = s.id AND kind = 1 ORDER BY seq DESC LIMIT 1
           ) n ON true
           WHERE NOT s.closed ORDER BY coalesce(n.received_at, s.since) LIMIT $1"#,
        SOURCES_MAX
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(SourceTimes {
                source: stored(SourceId::from_slice(&row.public_id), "sources.public_id")?,
                newest_ms: unsigned(row.newest_ms, "commits.received_at")?,
                by_device: row.by_device,
                proven_ms: row.proven_ms.map(|ms| unsigned(ms, "sources.proven_at")).transpose()?,
            })
        })
        .collect()
}

/// Copies that nodes are still to delete, counted to [`COUNTED_BLOBS_MAX`].
pub async fn count_deletions(conn: &mut PgConnection) -> Result<u64, DbError> {
    let most = stored(i64::try_from(COUNTED_BLOBS_MAX), "a limit")?;
    let counted = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT FROM delete_jobs LIMIT $1) jobs"#,
        most
    );
    unsigned(counted.fetch_one(conn).await?, "delete_jobs")
}

/// Sums over all blobs and references.
pub async fn sum_bytes(conn: &mut PgConnection) -> Result<Sums, DbError> {
    let row = sqlx::query!(
        r#"SELECT (SELECT coalesce(sum(size), 0)::bigint FROM blobs WHERE state IN ('live', 'condemned')) AS "stored!",
                  coalesce(sum(r.count * b.size), 0)::bigint AS "referenced!",
                  coalesce(sum(b.size), 0)::bigint AS "once!"
           FROM (SELECT blob_id, sum(count) AS count FROM refs GROUP BY blob_id) r JOIN blobs b ON b.id = r.blob_id"#
    )
    .fetch_one(conn)
    .await?;
    Ok(Sums {
        stored: unsigned(row.stored, "blobs.size")?,
        referenced: unsigned(row.referenced, "refs.count")?,
        referenced_once: unsigned(row.once, "blobs.size")?,
    })
}
