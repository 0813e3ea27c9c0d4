//! Walks in search of blobs with too few or too many copies. Where a walk is stands in the database, so that another
//! coordinator, or this one after a restart, goes on from there.

use std::time::Duration;

use sqlx::PgConnection;

use super::{BlobKey, DbError, NodeKey, changed_one};

/// A walk, locked until the end of the transaction.
#[derive(Debug, Clone, Copy)]
pub struct Sweep {
    /// Whose copies; none for all blobs.
    pub node: Option<NodeKey>,
    /// The last blob that was looked at.
    pub after: BlobKey,
    /// It found blobs with too few copies.
    pub found: bool,
}

/// Begins a walk, or begins it anew.
pub async fn begin(conn: &mut PgConnection, node: Option<NodeKey>) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO sweeps (node_id) VALUES ($1)
         ON CONFLICT ON CONSTRAINT sweeps_node_key DO UPDATE SET after_blob = 0, found = false, due_at = now()",
        node.map(|node| node.0)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Looks again at the nodes that are being drained and have nothing left to be copied, as far as is known.
pub async fn begin_for_drains(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO sweeps (node_id)
         SELECT n.id FROM nodes n
         WHERE n.intent = 'drain' AND NOT n.drained
           AND NOT EXISTS (SELECT FROM repairs q JOIN replicas r ON r.blob_id = q.blob_id AND r.node_id = n.id
                           WHERE q.priority < 16)
         ON CONFLICT DO NOTHING"
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A walk that is due and that nobody else is on; those after single nodes first.
pub async fn claim(conn: &mut PgConnection) -> Result<Option<Sweep>, DbError> {
    let row = sqlx::query!(
        "SELECT node_id, after_blob, found FROM sweeps WHERE due_at <= now()
         ORDER BY node_id IS NULL, due_at LIMIT 1 FOR UPDATE SKIP LOCKED"
    );
    Ok(row.fetch_optional(conn).await?.map(|row| Sweep {
        node: row.node_id.map(NodeKey),
        after: BlobKey(row.after_blob),
        found: row.found,
    }))
}

/// The next blobs of a walk.
pub async fn next_blobs(conn: &mut PgConnection, sweep: &Sweep, limit: i64) -> Result<Vec<BlobKey>, DbError> {
    let keys = if let Some(node) = sweep.node {
        let of_node = sqlx::query_scalar!(
            "SELECT blob_id FROM replicas WHERE node_id = $1 AND blob_id > $2 ORDER BY blob_id LIMIT $3",
            node.0,
            sweep.after.0,
            limit
        );
        of_node.fetch_all(conn).await?
    } else {
        let of_all = sqlx::query_scalar!(
            "SELECT id FROM blobs WHERE id > $1 ORDER BY id LIMIT $2",
            sweep.after.0,
            limit
        );
        of_all.fetch_all(conn).await?
    };
    Ok(keys.into_iter().map(BlobKey).collect())
}

/// Goes on behind this blob.
pub async fn advance(
    conn: &mut PgConnection,
    sweep: &Sweep,
    to: BlobKey,
    found: bool,
) -> Result<(), DbError> {
    let advanced = sqlx::query!(
        "UPDATE sweeps SET after_blob = $2, found = found OR $3 WHERE node_id IS NOT DISTINCT FROM $1",
        sweep.node.map(|node| node.0),
        to.0,
        found
    );
    changed_one(&advanced.execute(conn).await?, "sweeps")
}

/// Ends a walk: one over all blobs begins again after a while.
pub async fn end(conn: &mut PgConnection, sweep: &Sweep, again: Duration) -> Result<(), DbError> {
    let ended = match sweep.node {
        Some(node) => sqlx::query!("DELETE FROM sweeps WHERE node_id = $1", node.0).execute(conn).await?,
        None => {
            sqlx::query!(
                "UPDATE sweeps SET after_blob = 0, found = false, due_at = now() + make_interval(secs => $1)
                 WHERE node_id IS NULL",
                again.as_secs_f64()
            )
            .execute(conn)
            .await?
        }
    };
    changed_one(&ended, "sweeps")
}

/// Forgets what a node had in stores that are gone: it counts for nothing, and never will again.
pub async fn delete_stale(conn: &mut PgConnection, blobs: &[BlobKey], node: NodeKey) -> Result<(), DbError> {
    let keys: Vec<i64> = blobs.iter().map(|key| key.0).collect();
    sqlx::query!(
        "DELETE FROM replicas r USING nodes n
         WHERE r.node_id = $1 AND r.blob_id = ANY ($2) AND n.id = r.node_id AND r.store_epoch < n.store_epoch",
        node.0,
        &keys
    )
    .execute(conn)
    .await?;
    Ok(())
}
