//! Copies that move from full zones to emptier ones.

use sqlx::PgConnection;

use super::{BlobKey, DbError, stored};

/// Locks the decision about what moves. False if another coordinator has it.
pub async fn try_lock(conn: &mut PgConnection) -> Result<bool, DbError> {
    let locked = sqlx::query!("SELECT only_row FROM rebalancing FOR UPDATE SKIP LOCKED");
    Ok(locked.fetch_optional(conn).await?.is_some())
}

/// Does any blob lack copies?
pub async fn is_repairing(conn: &mut PgConnection) -> Result<bool, DbError> {
    let lacking =
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM repairs WHERE priority < 16) AS "lacking!""#);
    Ok(lacking.fetch_one(conn).await?)
}

/// Gives up what nobody has begun to move; how many blobs that are.
pub async fn cancel(conn: &mut PgConnection) -> Result<u64, DbError> {
    let cancelled = sqlx::query!(
        "DELETE FROM repairs WHERE blob_id IN (
             SELECT blob_id FROM repairs WHERE priority = 17 AND due_at <= now() FOR UPDATE SKIP LOCKED)"
    );
    Ok(cancelled.execute(conn).await?.rows_affected())
}

/// Are copies on their way, or to be deleted where they were? What waits for an open upload to end is not waited for.
pub async fn is_moving(conn: &mut PgConnection) -> Result<bool, DbError> {
    let moving = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM repairs WHERE priority = 17)
               OR EXISTS (SELECT FROM repairs WHERE priority = 16 AND waiting IS NULL)
               OR EXISTS (SELECT FROM delete_jobs j JOIN nodes n ON n.id = j.node_id
                          WHERE n.intent = 'serve' AND n.state IN ('up', 'read_only')
                            AND NOT EXISTS (SELECT FROM upload_blobs u WHERE u.blob_id = j.blob_id)) AS "moving!""#
    );
    Ok(moving.fetch_one(conn).await?)
}

/// Copies were seen on their way.
pub async fn note_moving(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query!("UPDATE rebalancing SET moving_at = clock_timestamp()").execute(conn).await?;
    Ok(())
}

/// Has every node that takes part told how full it is since copies were last on their way?
pub async fn is_told(conn: &mut PgConnection) -> Result<bool, DbError> {
    let told = sqlx::query_scalar!(
        r#"SELECT NOT EXISTS (SELECT FROM nodes n, rebalancing r
                              WHERE n.intent = 'serve' AND n.state IN ('up', 'read_only')
                                AND n.last_heartbeat_at <= r.moving_at) AS "told!""#
    );
    Ok(told.fetch_one(conn).await?)
}

/// Blobs that may move between these zones, with their sizes: at most `limit`, of the `looked_at` that follow a random
/// id, and, where there are not so many, of the first ones. A copy that an upload may be about to be told of stays.
pub async fn list_movable(
    conn: &mut PgConnection,
    from: &str,
    to: &str,
    chance: &[u8; 32],
    looked_at: i64,
    limit: u32,
) -> Result<Vec<(BlobKey, u32)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT b.id AS "id!", b.size AS "size!"
           FROM ((SELECT * FROM blobs WHERE sha256 >= $3 ORDER BY sha256 LIMIT $4)
                 UNION ALL
                 (SELECT * FROM blobs WHERE sha256 < $3 ORDER BY sha256 LIMIT $4)) AS b
           WHERE b.state = 'live' AND b.size IS NOT NULL
             AND EXISTS (SELECT FROM live_replicas l WHERE l.blob_id = b.id AND l.serves AND l.zone = $1)
             AND NOT EXISTS (SELECT FROM replicas r JOIN nodes n ON n.id = r.node_id
                             WHERE r.blob_id = b.id AND n.zone = $2)
             AND NOT EXISTS (SELECT FROM delete_jobs j JOIN nodes n ON n.id = j.node_id
                             WHERE j.blob_id = b.id AND n.zone = $2)
             AND NOT EXISTS (SELECT FROM upload_blobs u WHERE u.blob_id = b.id)
             AND NOT EXISTS (SELECT FROM repairs q WHERE q.blob_id = b.id)
             AND EXISTS (SELECT FROM vault_blobs h WHERE h.blob_id = b.id)
           LIMIT $5"#,
        from,
        to,
        chance,
        looked_at,
        i64::from(limit),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok((BlobKey(row.id), stored(row.size.try_into(), "blobs.size")?))).collect()
}

/// Queues blobs to be moved.
pub async fn ask(conn: &mut PgConnection, blobs: &[BlobKey]) -> Result<(), DbError> {
    let blobs: Vec<i64> = blobs.iter().map(|blob| blob.0).collect();
    sqlx::query!(
        "INSERT INTO repairs (blob_id, priority)
         SELECT id, 17 FROM blobs WHERE id = ANY ($1) ORDER BY sha256 ON CONFLICT DO NOTHING",
        &blobs
    )
    .execute(conn)
    .await?;
    Ok(())
}
