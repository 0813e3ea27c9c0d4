//! The queue of blobs with too few copies, or too many.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::id::BlobId;
use sqlx::PgConnection;

use super::blobs::PlannedBlob;
use super::{BlobKey, DbError, NodeKey, stored};

/// The priority of blobs with a copy too many; all that lack one come before.
pub const SURPLUS: i16 = 16;
/// The priority of blobs whose copy in a full zone is to move to an emptier one.
pub const MOVING: i16 = 17;

/// A blob that this coordinator works on, until the lease ends.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// The blob.
    pub blob: BlobKey,
    /// How often it was asked for; if that is more by the time that it is done, it stays in the queue.
    pub asked: i64,
    /// How often it was tried, with this time.
    pub attempts: u32,
}

/// A blob with all its copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The blob.
    pub blob: PlannedBlob,
    /// A vault holds it.
    pub needed: bool,
    /// Nodes that have it, however they are, in ascending order.
    pub nodes: Vec<NodeKey>,
}

/// What the last attempt lacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// A zone with room and without a copy.
    Zone,
    /// A copy that can be read.
    Copy,
    /// A node that did what it was asked.
    Node,
}

/// How long a blob waits for its next attempt: doubled with each, up to a limit.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// After the first attempt.
    pub first: Duration,
    /// At most.
    pub most: Duration,
}

fn keys(blobs: &[BlobKey]) -> Vec<i64> {
    blobs.iter().map(|key| key.0).collect()
}

fn count(replicas: u32) -> i64 {
    i64::from(replicas)
}

/// Queues those of the blobs that have too few copies, or too many. How many of them have too few.
///
/// Too few: fewer zones with copies that are to stay than there should be; or fewer than two with copies that can be
/// read, even if others are expected back. Rows are written in the order of the blobs' ids, as everywhere.
pub async fn ask(conn: &mut PgConnection, blobs: &[BlobKey], replicas: u32) -> Result<usize, DbError> {
    let asked = sqlx::query_scalar!(
        "INSERT INTO repairs (blob_id, priority)
         SELECT blob_id, CASE WHEN kept < $2 OR live < least($2, 2) THEN live ELSE 16 END
         FROM blob_copies
         WHERE blob_id = ANY ($1) AND (kept < $2 OR live < least($2, 2) OR serving > $2)
         ORDER BY sha256
         ON CONFLICT (blob_id) DO UPDATE
         SET asked = repairs.asked + 1, priority = least(repairs.priority, excluded.priority),
             due_at = CASE WHEN excluded.priority < repairs.priority THEN excluded.due_at ELSE repairs.due_at END
         RETURNING priority",
        &keys(blobs),
        count(replicas),
    );
    let priorities = asked.fetch_all(conn).await?;
    Ok(priorities.into_iter().filter(|priority| *priority < SURPLUS).count())
}

/// The same for blobs that a commit adds. Their transaction goes on, so only those are written that do lack copies.
pub async fn ask_added(conn: &mut PgConnection, added: &[BlobId], replicas: u32) -> Result<(), DbError> {
    let ids: Vec<Vec<u8>> = added.iter().map(|id| id.as_bytes().to_vec()).collect();
    let blobs = sqlx::query_scalar!("SELECT id FROM blobs WHERE sha256 = ANY ($1)", &ids);
    let blobs: Vec<_> = blobs.fetch_all(&mut *conn).await?.into_iter().map(BlobKey).collect();
    ask(conn, &blobs, replicas).await?;
    Ok(())
}

/// Takes up to `limit` blobs of one priority for as long as `lease`. Blobs that another coordinator takes at the same
/// time are passed over.
pub async fn claim(
    conn: &mut PgConnection,
    priority: i16,
    limit: usize,
    lease: Duration,
) -> Result<Vec<Claim>, DbError> {
    let rows = sqlx::query!(
        "UPDATE repairs SET due_at = now() + make_interval(secs => $3), attempts = attempts + 1, waiting = NULL
         WHERE blob_id IN (SELECT blob_id FROM repairs WHERE priority = $1 AND due_at <= now()
                           ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
         RETURNING blob_id, asked, attempts",
        priority,
        stored(i64::try_from(limit), "limit")?,
        lease.as_secs_f64(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let attempts = stored(row.attempts.try_into(), "repairs.attempts")?;
            Ok(Claim { blob: BlobKey(row.blob_id), asked: row.asked, attempts })
        })
        .collect()
}

/// The blobs with their copies, in the order of their ids. A blob whose size no receipt has proven has none.
pub async fn list_holdings(conn: &mut PgConnection, blobs: &[BlobKey]) -> Result<Vec<Holding>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT b.id, b.sha256, b.size AS "size!", b.generation, b.trims,
                  EXISTS (SELECT FROM blob_copies c WHERE c.blob_id = b.id) AS "needed!",
                  ARRAY(SELECT r.node_id FROM replicas r
                        JOIN nodes n ON n.id = r.node_id AND n.store_epoch = r.store_epoch
                        WHERE r.blob_id = b.id AND r.generation = b.generation ORDER BY r.node_id) AS "nodes!"
           FROM blobs b WHERE b.id = ANY ($1) AND b.size IS NOT NULL ORDER BY b.sha256"#,
        &keys(blobs)
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let blob = PlannedBlob::from_stored(BlobKey(row.id), &row.sha256, row.size, row.generation)?;
            let blob = PlannedBlob { trims: row.trims, ..blob };
            Ok(Holding { blob, needed: row.needed, nodes: row.nodes.into_iter().map(NodeKey).collect() })
        })
        .collect()
}

/// Locks the rows of those claims that nobody else took since, in the order of the blobs' ids.
async fn lock_own(conn: &mut PgConnection, claims: &[Claim]) -> Result<Vec<Claim>, DbError> {
    let blobs: Vec<i64> = claims.iter().map(|claim| claim.blob.0).collect();
    let rows = sqlx::query!(
        "SELECT q.blob_id, q.attempts FROM repairs q JOIN blobs b ON b.id = q.blob_id
         WHERE q.blob_id = ANY ($1) ORDER BY b.sha256 FOR UPDATE OF q",
        &blobs
    )
    .fetch_all(conn)
    .await?;
    let now: BTreeMap<_, _> = rows.into_iter().map(|row| (row.blob_id, i64::from(row.attempts))).collect();
    let is_own = |claim: &&Claim| now.get(&claim.blob.0) == Some(&i64::from(claim.attempts));
    Ok(claims.iter().filter(is_own).copied().collect())
}

/// Ends the work on blobs. Those that are as they should be leave the queue, unless somebody asked for them anew. The
/// others wait for their next attempt; not at all if nothing was lacking. How many left. What somebody else took because
/// its lease had ended is theirs.
pub async fn settle(
    conn: &mut PgConnection,
    claims: &[Claim],
    replicas: u32,
    waiting: Option<Waiting>,
    backoff: Backoff,
) -> Result<u64, DbError> {
    let claims = lock_own(conn, claims).await?;
    let blobs: Vec<i64> = claims.iter().map(|claim| claim.blob.0).collect();
    let asked: Vec<i64> = claims.iter().map(|claim| claim.asked).collect();
    let left = sqlx::query!(
        "DELETE FROM repairs q USING unnest($1::bigint[], $2::bigint[]) AS c (blob_id, asked)
         WHERE q.blob_id = c.blob_id AND q.asked = c.asked
           AND NOT EXISTS (SELECT FROM blob_copies b WHERE b.blob_id = q.blob_id
                           AND (b.kept < $3 OR b.live < least($3, 2) OR b.serving > $3))",
        &blobs,
        &asked,
        count(replicas),
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    let name = waiting.map(|waiting| match waiting {
        Waiting::Zone => "zone",
        Waiting::Copy => "copy",
        Waiting::Node => "node",
    });
    sqlx::query!(
        "UPDATE repairs q
         SET waiting = $3, attempts = CASE WHEN $3::text IS NULL THEN 0 ELSE q.attempts END,
             priority = coalesce((SELECT CASE WHEN b.kept < $2 OR b.live < least($2, 2) THEN b.live ELSE 16 END
                                  FROM blob_copies b WHERE b.blob_id = q.blob_id), q.priority),
             due_at = CASE WHEN $3::text IS NULL THEN now()
                           ELSE now() + make_interval(secs => least($5, $4 * 2 ^ least(q.attempts - 1, 30))) END
         WHERE q.blob_id = ANY ($1)",
        &blobs,
        count(replicas),
        name,
        backoff.first.as_secs_f64(),
        backoff.most.as_secs_f64(),
    )
    .execute(&mut *conn)
    .await?;
    Ok(left)
}

/// What waits is tried again now, because a node came, came back or has room again.
pub async fn wake(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE repairs SET due_at = now(), attempts = 0, waiting = NULL
         WHERE blob_id IN (SELECT blob_id FROM repairs WHERE waiting IS NOT NULL FOR UPDATE SKIP LOCKED)"
    )
    .execute(conn)
    .await?;
    Ok(())
}
