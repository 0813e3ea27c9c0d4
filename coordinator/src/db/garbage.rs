//! Blobs on their way out: live, condemned, deleting, deleted, gone.
//!
//! A blob's roots are the intervals that refer to it and the upload sessions that planned it. Nobody plans a blob while
//! one is condemned, see [`super::roots`]; whoever plans one that is condemned already locks it and makes it live; and a
//! commit refers only to what its session planned or its source refers to. So a step that takes a blob's standing away
//! locks it first and looks for roots in a **second** statement, which sees everything that was committed before it got
//! the lock. One statement that does both looks with eyes from before it waited, and gives up what was planned meanwhile.

use std::time::Duration;

use sqlx::PgConnection;

use super::{BlobKey, DbError, roots};

/// Identifies the lock that one cycle at a time holds.
const CYCLE_LOCK: i64 = 0x7472_6970_6c67_6331;

/// Takes the lock of the cycle, which the transaction holds until its end. False while another cycle runs. The
/// transaction stands idle for as long as the cycle takes, and holds up nothing but other cycles.
pub async fn try_lock_cycle(conn: &mut PgConnection) -> Result<bool, DbError> {
    sqlx::query_scalar!("SELECT set_config('idle_in_transaction_session_timeout', '0', true)")
        .fetch_one(&mut *conn)
        .await?;
    let locked = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "locked!""#, CYCLE_LOCK);
    Ok(locked.fetch_one(conn).await?)
}

/// Ends upload sessions that expired; returns how many. One in use at this moment is not expired: whoever uses it has
/// locked it and moves its end ahead.
pub async fn end_expired_uploads(conn: &mut PgConnection, max: i64) -> Result<u64, DbError> {
    let ended = sqlx::query!(
        "DELETE FROM uploads WHERE id IN (
             SELECT id FROM uploads WHERE expires_at <= now() ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)",
        max
    );
    Ok(ended.execute(conn).await?.rows_affected())
}

/// How many blobs are live.
pub async fn count_live(conn: &mut PgConnection) -> Result<u64, DbError> {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM blobs WHERE state = 'live'"#);
    super::unsigned(count.fetch_one(conn).await?, "blobs")
}

/// Live blobs without roots at this moment, locking none.
pub async fn list_unreferenced(conn: &mut PgConnection) -> Result<Vec<BlobKey>, DbError> {
    let keys = sqlx::query_scalar!(
        "SELECT id FROM blobs b
         WHERE state = 'live'
           AND NOT EXISTS (SELECT FROM refs r WHERE r.blob_id = b.id)
           AND NOT EXISTS (SELECT FROM ref_history r WHERE r.blob_id = b.id)
           AND NOT EXISTS (SELECT FROM upload_blobs r WHERE r.blob_id = b.id)
         ORDER BY id"
    );
    Ok(keys.fetch_all(conn).await?.into_iter().map(BlobKey).collect())
}

/// Locks those of the blobs that are live and that nobody else has locked. Nobody plans any until the transaction ends.
pub async fn lock_live(conn: &mut PgConnection, blobs: &[BlobKey]) -> Result<Vec<BlobKey>, DbError> {
    let keys: Vec<i64> = blobs.iter().map(|key| key.0).collect();
    roots::lock_for_judging(conn).await?;
    let locked = sqlx::query_scalar!(
        "SELECT id FROM blobs WHERE id = ANY ($1) AND state = 'live' ORDER BY id FOR UPDATE SKIP LOCKED",
        &keys
    );
    Ok(locked.fetch_all(conn).await?.into_iter().map(BlobKey).collect())
}

/// Condemns those of the locked blobs that have no root; returns how many. They stay where they are, and a plan takes
/// them back.
pub async fn condemn(conn: &mut PgConnection, locked: &[BlobKey]) -> Result<u64, DbError> {
    let keys: Vec<i64> = locked.iter().map(|key| key.0).collect();
    let condemned = sqlx::query!(
        "UPDATE blobs b SET state = 'condemned', state_since = now()
         WHERE id = ANY ($1)
           AND NOT EXISTS (SELECT FROM refs r WHERE r.blob_id = b.id)
           AND NOT EXISTS (SELECT FROM ref_history r WHERE r.blob_id = b.id)
           AND NOT EXISTS (SELECT FROM upload_blobs r WHERE r.blob_id = b.id)",
        &keys
    );
    Ok(condemned.execute(conn).await?.rows_affected())
}

/// Locks blobs that have been condemned for so long, in the order of their keys behind `after`.
pub async fn lock_condemned(
    conn: &mut PgConnection,
    after: BlobKey,
    grace: Duration,
    max: i64,
) -> Result<Vec<BlobKey>, DbError> {
    let locked = sqlx::query_scalar!(
        "SELECT id FROM blobs
         WHERE state = 'condemned' AND id > $1 AND state_since <= now() - make_interval(secs => $2)
         ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED",
        after.0,
        grace.as_secs_f64(),
        max,
    );
    Ok(locked.fetch_all(conn).await?.into_iter().map(BlobKey).collect())
}

/// Gives those of the locked blobs up that have no root: a new generation, an order to delete the old ones for every
/// node, and no vault holds them any more. Returns how many.
///
/// Every node gets the order, not only those whose receipts were counted: a client that sent a blob and died before it
/// handed the receipt in left a copy that nobody knows of. To delete what is not there costs a node nothing.
pub async fn give_up(conn: &mut PgConnection, locked: &[BlobKey]) -> Result<u64, DbError> {
    let keys: Vec<i64> = locked.iter().map(|key| key.0).collect();
    let given_up = sqlx::query_scalar!(
        "UPDATE blobs b SET state = 'deleting', generation = generation + 1, state_since = now()
         WHERE id = ANY ($1)
           AND NOT EXISTS (SELECT FROM refs r WHERE r.blob_id = b.id)
           AND NOT EXISTS (SELECT FROM ref_history r WHERE r.blob_id = b.id)
           AND NOT EXISTS (SELECT FROM upload_blobs r WHERE r.blob_id = b.id)
         RETURNING id",
        &keys
    )
    .fetch_all(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO delete_jobs (node_id, blob_id, generation)
         SELECT n.id, b.id, b.generation - 1 FROM blobs b, nodes n
         WHERE b.id = ANY ($1) AND n.state <> 'joining' AND n.intent <> 'gone'
         ON CONFLICT (node_id, blob_id) DO UPDATE SET generation = excluded.generation, due_at = now()",
        &given_up
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "WITH gone AS (DELETE FROM vault_blobs WHERE blob_id = ANY ($1) RETURNING vault_id, blob_id)
         UPDATE vault_usage u SET bytes = u.bytes - g.bytes
         FROM (SELECT gone.vault_id, sum(b.size) AS bytes FROM gone JOIN blobs b ON b.id = gone.blob_id
               GROUP BY gone.vault_id) g
         WHERE u.vault_id = g.vault_id",
        &given_up
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM vault_receipts WHERE blob_id = ANY ($1)", &given_up).execute(conn).await?;
    Ok(given_up.len() as u64)
}

/// Locks blobs that are being deleted, in the order of their keys behind `after`.
pub async fn lock_deleting(
    conn: &mut PgConnection,
    after: BlobKey,
    max: i64,
) -> Result<Vec<BlobKey>, DbError> {
    let locked = sqlx::query_scalar!(
        "SELECT id FROM blobs WHERE state = 'deleting' AND id > $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED",
        after.0,
        max,
    );
    Ok(locked.fetch_all(conn).await?.into_iter().map(BlobKey).collect())
}

/// Those of the locked blobs that every node has deleted are; returns how many. Their rows stay, so that a plan goes
/// on counting generations.
pub async fn finish(conn: &mut PgConnection, locked: &[BlobKey]) -> Result<u64, DbError> {
    let keys: Vec<i64> = locked.iter().map(|key| key.0).collect();
    let deleted = sqlx::query!(
        "UPDATE blobs b SET state = 'deleted', state_since = now()
         WHERE id = ANY ($1) AND NOT EXISTS (SELECT FROM delete_jobs j WHERE j.blob_id = b.id)",
        &keys
    );
    Ok(deleted.execute(conn).await?.rows_affected())
}

/// Removes the rows of blobs that have been deleted for so long; returns how many. No key of another table keeps them:
/// those that something refers to stay, which there are none of.
pub async fn remove(conn: &mut PgConnection, remember: Duration, max: i64) -> Result<u64, DbError> {
    let keys = sqlx::query_scalar!(
        "SELECT id FROM blobs b WHERE state = 'deleted' AND state_since <= now() - make_interval(secs => $1)
           AND NOT EXISTS (SELECT FROM refs r WHERE r.blob_id = b.id)
           AND NOT EXISTS (SELECT FROM ref_history r WHERE r.blob_id = b.id)
           AND NOT EXISTS (SELECT FROM upload_blobs r WHERE r.blob_id = b.id)
           AND NOT EXISTS (SELECT FROM vault_blobs r WHERE r.blob_id = b.id)
           AND NOT EXISTS (SELECT FROM vault_receipts r WHERE r.blob_id = b.id)
         ORDER BY id LIMIT $2 FOR UPDATE OF b SKIP LOCKED",
        remember.as_secs_f64(),
        max,
    )
    .fetch_all(&mut *conn)
    .await?;
    // Of nodes that are gone for good.
    sqlx::query!("DELETE FROM replicas WHERE blob_id = ANY ($1)", &keys).execute(&mut *conn).await?;
    let removed = sqlx::query!("DELETE FROM blobs WHERE id = ANY ($1)", &keys).execute(conn).await?;
    Ok(removed.rows_affected())
}
