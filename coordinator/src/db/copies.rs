//! Copies that nodes lose, or that are taken from them.

use protocol::id::BlobId;
use protocol::nodes::RemovalResponse;
use sqlx::PgConnection;

use super::{BlobKey, DbError, NodeKey, roots, stored, unsigned};

/// A node does not have these blobs, up to these generations, any more: its copies count no longer, nor do its receipts
/// on the way to holding them. The blobs whose copies those were.
pub async fn lose(
    conn: &mut PgConnection,
    node: NodeKey,
    lost: &[(BlobId, u32)],
) -> Result<Vec<BlobKey>, DbError> {
    let ids: Vec<Vec<u8>> = lost.iter().map(|(id, _)| id.as_bytes().to_vec()).collect();
    let generations = lost.iter().map(|(_, generation)| stored(i32::try_from(*generation), "a generation"));
    let generations = generations.collect::<Result<Vec<_>, _>>()?;
    sqlx::query!("SELECT id FROM blobs WHERE sha256 = ANY ($1) ORDER BY sha256 FOR NO KEY UPDATE", &ids)
        .fetch_all(&mut *conn)
        .await?;
    sqlx::query!(
        "DELETE FROM vault_receipts v USING unnest($2::bytea[], $3::integer[]) AS l (sha256, generation)
         JOIN blobs b ON b.sha256 = l.sha256
         WHERE v.node_id = $1 AND v.blob_id = b.id AND v.generation <= l.generation",
        node.0,
        &ids,
        &generations,
    )
    .execute(&mut *conn)
    .await?;
    let blobs = sqlx::query_scalar!(
        "DELETE FROM replicas r USING unnest($2::bytea[], $3::integer[]) AS l (sha256, generation)
         JOIN blobs b ON b.sha256 = l.sha256
         WHERE r.node_id = $1 AND r.blob_id = b.id AND r.generation <= l.generation
         RETURNING r.blob_id",
        node.0,
        &ids,
        &generations,
    );
    Ok(blobs.fetch_all(conn).await?.into_iter().map(BlobKey).collect())
}

/// Takes a node's copies of blobs away that have enough others, in as many zones, on the nodes `kept`; the caller has
/// seen those prove that they have them. The node is ordered to delete them, and until it has, nothing that it proves
/// about them counts. Blobs of open uploads stay: a receipt of this node may be on its way, and so nobody plans one
/// meanwhile. The blobs' rows are locked before that is judged, so that nobody takes another copy of theirs away at the
/// same time. Returns the blobs whose copy is gone.
pub async fn give_up(
    conn: &mut PgConnection,
    node: NodeKey,
    blobs: &[BlobKey],
    kept: &[NodeKey],
    replicas: u32,
) -> Result<Vec<BlobKey>, DbError> {
    let blobs: Vec<i64> = blobs.iter().map(|key| key.0).collect();
    let kept: Vec<i64> = kept.iter().map(|key| key.0).collect();
    roots::lock_for_judging(conn).await?;
    sqlx::query!("SELECT id FROM blobs WHERE id = ANY ($1) ORDER BY sha256 FOR NO KEY UPDATE", &blobs)
        .fetch_all(&mut *conn)
        .await?;
    let given_up = sqlx::query_scalar!(
        "DELETE FROM replicas r
         WHERE r.node_id = $1 AND r.blob_id = ANY ($2)
           AND NOT EXISTS (SELECT FROM upload_blobs u WHERE u.blob_id = r.blob_id)
           AND (SELECT count(DISTINCT l.zone) FROM live_replicas l
                WHERE l.blob_id = r.blob_id AND l.serves AND l.node_id <> $1 AND l.node_id = ANY ($3)) >= $4
         RETURNING r.blob_id",
        node.0,
        &blobs,
        &kept,
        i64::from(replicas),
    )
    .fetch_all(&mut *conn)
    .await?;
    sqlx::query!("UPDATE blobs SET trims = trims + 1 WHERE id = ANY ($1)", &given_up)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "INSERT INTO delete_jobs (node_id, blob_id, generation)
         SELECT $1, id, generation FROM blobs WHERE id = ANY ($2)
         ON CONFLICT (node_id, blob_id) DO UPDATE SET generation = excluded.generation, due_at = now()",
        node.0,
        &given_up
    )
    .execute(conn)
    .await?;
    Ok(given_up.into_iter().map(BlobKey).collect())
}

/// What goes with a node, of the blobs that a vault holds.
pub async fn preview_removal(conn: &mut PgConnection, node: NodeKey) -> Result<RemovalResponse, DbError> {
    let row = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE others = 0) AS "lost!", count(*) FILTER (WHERE others = 1) AS "single!"
           FROM (SELECT (SELECT count(DISTINCT l.zone) FROM live_replicas l
                         WHERE l.blob_id = r.blob_id AND l.node_id <> $1) AS others
                 FROM replicas r
                 JOIN nodes n ON n.id = r.node_id AND n.store_epoch = r.store_epoch
                 JOIN blobs b ON b.id = r.blob_id AND b.generation = r.generation
                             AND b.state IN ('live', 'condemned')
                 WHERE r.node_id = $1
                   AND EXISTS (SELECT FROM vault_blobs h WHERE h.blob_id = r.blob_id)) AS of_node"#,
        node.0
    )
    .fetch_one(conn)
    .await?;
    Ok(RemovalResponse { lost: unsigned(row.lost, "replicas")?, single: unsigned(row.single, "replicas")? })
}
