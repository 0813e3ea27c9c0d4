//! What nodes are still to delete.

use std::time::Duration;

use protocol::blob_list::StoredBlob;
use protocol::id::BlobId;
use protocol::limits::{BLOB_BYTES_MIN, GROUP_BLOBS_MAX};
use sqlx::PgConnection;

use super::{BlobKey, DbError, NodeKey, stored};

/// An order for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteJob {
    /// The blob.
    pub key: BlobKey,
    /// As the node is told: up to which generation. Its size plays no part in a deletion, and is the least where no
    /// receipt ever told it.
    pub blob: StoredBlob,
}

/// Nodes that have orders which are due, and which may be reached.
pub async fn list_due_nodes(conn: &mut PgConnection) -> Result<Vec<NodeKey>, DbError> {
    let nodes = sqlx::query_scalar!(
        "SELECT id FROM nodes n
         WHERE state IN ('up', 'suspect', 'read_only') AND intent <> 'gone'
           AND EXISTS (SELECT FROM delete_jobs j WHERE j.node_id = n.id AND j.due_at <= now())
         ORDER BY id"
    );
    Ok(nodes.fetch_all(conn).await?.into_iter().map(NodeKey).collect())
}

/// Takes orders of a node that are due, as many as one request carries. Nobody else takes them for so long; if they
/// are not done by then, they are due again.
pub async fn take(
    conn: &mut PgConnection,
    node: NodeKey,
    retry: Duration,
) -> Result<Vec<DeleteJob>, DbError> {
    let max = i64::try_from(GROUP_BLOBS_MAX).expect("a few hundred");
    let rows = sqlx::query!(
        r#"UPDATE delete_jobs j SET due_at = now() + make_interval(secs => $2) FROM blobs b
           WHERE b.id = j.blob_id AND j.node_id = $1 AND j.blob_id IN (
               SELECT blob_id FROM delete_jobs WHERE node_id = $1 AND due_at <= now()
               ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
           RETURNING b.id, b.sha256, b.size, j.generation"#,
        node.0,
        retry.as_secs_f64(),
        max,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let size = row.size.map_or(Ok(BLOB_BYTES_MIN), |size| stored(size.try_into(), "blobs.size"))?;
            let blob = StoredBlob {
                id: stored(BlobId::from_slice(&row.sha256), "blobs.sha256")?,
                size,
                generation: stored(row.generation.try_into(), "delete_jobs.generation")?,
            };
            Ok(DeleteJob { key: BlobKey(row.id), blob })
        })
        .collect()
}

/// The node did what it was told; how many orders that ends. One that was renewed meanwhile, for a higher generation,
/// stays. So does one for a blob's present generation while an upload has the blob: what the upload sent to the node
/// came before the deletion or after it, and its receipt does not tell which.
pub async fn finish(conn: &mut PgConnection, node: NodeKey, jobs: &[DeleteJob]) -> Result<u64, DbError> {
    let keys: Vec<i64> = jobs.iter().map(|job| job.key.0).collect();
    let generations: Vec<i32> = jobs
        .iter()
        .map(|job| stored(i32::try_from(job.blob.generation), "generation"))
        .collect::<Result<_, _>>()?;
    sqlx::query!(
        "DELETE FROM replicas r USING unnest($2::bigint[], $3::integer[]) AS d (blob_id, generation)
         WHERE r.node_id = $1 AND r.blob_id = d.blob_id AND r.generation <= d.generation",
        node.0,
        &keys,
        &generations,
    )
    .execute(&mut *conn)
    .await?;
    let finished = sqlx::query!(
        "DELETE FROM delete_jobs j USING unnest($2::bigint[], $3::integer[]) AS d (blob_id, generation)
         JOIN blobs b ON b.id = d.blob_id
         WHERE j.node_id = $1 AND j.blob_id = d.blob_id AND j.generation <= d.generation
           AND (j.generation < b.generation
                OR NOT EXISTS (SELECT FROM upload_blobs u WHERE u.blob_id = j.blob_id))",
        node.0,
        &keys,
        &generations,
    );
    Ok(finished.execute(conn).await?.rows_affected())
}

/// Drops the orders of nodes that were removed for good; returns how many.
pub async fn drop_of_gone_nodes(conn: &mut PgConnection) -> Result<u64, DbError> {
    let dropped =
        sqlx::query!("DELETE FROM delete_jobs j USING nodes n WHERE n.id = j.node_id AND n.intent = 'gone'");
    Ok(dropped.execute(conn).await?.rows_affected())
}

/// How many there are.
pub async fn count(conn: &mut PgConnection) -> Result<u64, DbError> {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM delete_jobs"#);
    super::unsigned(count.fetch_one(conn).await?, "delete_jobs")
}
