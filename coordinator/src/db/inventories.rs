//! What nodes should have, to be compared with what they have, and samples of it to be proven.

use std::ops::RangeInclusive;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use protocol::blob_list::StoredBlob;
use protocol::id::BlobId;
use protocol::maintenance::{INVENTORY_PARTS, inventory_digest};
use sqlx::PgConnection;

use super::blobs::PlannedBlob;
use super::{BlobKey, DbError, NodeKey, stored};

/// A blob that a node has, as far as the database knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownBlob {
    /// As it is now.
    pub blob: PlannedBlob,
    /// It is wanted at its generation.
    pub is_live: bool,
}

/// One part of what a node should have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Of all its blobs together.
    pub digest: [u8; 32],
    /// How many those are.
    pub blobs: u64,
}

/// What is looked at again and again of each node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// What it has is compared with what it should have.
    Inventory,
    /// It proves that it has a sample of that.
    Audit,
}

/// Takes a node whose check is due; unless somebody says otherwise, it is due again after `again`.
pub async fn claim(
    conn: &mut PgConnection,
    check: Check,
    again: Duration,
) -> Result<Option<NodeKey>, DbError> {
    let node = sqlx::query_scalar!(
        "UPDATE nodes
         SET inventory_due_at = CASE WHEN $1 THEN now() + make_interval(secs => $2) ELSE inventory_due_at END,
             audit_due_at = CASE WHEN $1 THEN audit_due_at ELSE now() + make_interval(secs => $2) END
         WHERE id = (SELECT n.id FROM nodes n,
                            LATERAL (SELECT CASE WHEN $1 THEN n.inventory_due_at ELSE n.audit_due_at END AS at) due
                     WHERE due.at <= now() AND n.intent <> 'gone' AND n.state IN ('up', 'read_only')
                     ORDER BY due.at LIMIT 1 FOR NO KEY UPDATE OF n SKIP LOCKED)
         RETURNING id",
        check == Check::Inventory,
        again.as_secs_f64()
    );
    Ok(node.fetch_optional(conn).await?.map(NodeKey))
}

/// A node is to be compared again after this time.
pub async fn set_due(conn: &mut PgConnection, node: NodeKey, after: Duration) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE nodes SET inventory_due_at = now() + make_interval(secs => $2) WHERE id = $1",
        node.0,
        after.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The parts of what the node should have, read as a stream: a node may have many millions.
pub async fn list_parts(conn: &mut PgConnection, node: NodeKey) -> Result<Vec<Part>, DbError> {
    let mut parts = vec![Part::default(); INVENTORY_PARTS];
    let mut rows = sqlx::query!(
        "SELECT b.sha256, r.generation FROM replicas r
         JOIN nodes n ON n.id = r.node_id AND n.store_epoch = r.store_epoch
         JOIN blobs b ON b.id = r.blob_id
         WHERE r.node_id = $1",
        node.0
    )
    .fetch(conn);
    while let Some(row) = rows.try_next().await? {
        let (id, generation) = known(&row.sha256, row.generation)?;
        let part = &mut parts[usize::from(id.as_bytes()[0])];
        part.blobs += 1;
        for (sum, byte) in part.digest.iter_mut().zip(inventory_digest(&id, generation)) {
            *sum ^= byte;
        }
    }
    Ok(parts)
}

/// What the node should have in some parts: ids with generations, in ascending order.
pub async fn list_range(
    conn: &mut PgConnection,
    node: NodeKey,
    parts: RangeInclusive<u8>,
) -> Result<Vec<(BlobId, u32)>, DbError> {
    let mut first = vec![0; 32];
    let mut last = vec![0xff; 32];
    (first[0], last[0]) = (*parts.start(), *parts.end());
    let rows = sqlx::query!(
        "SELECT b.sha256, r.generation FROM replicas r
         JOIN nodes n ON n.id = r.node_id AND n.store_epoch = r.store_epoch
         JOIN blobs b ON b.id = r.blob_id
         WHERE r.node_id = $1 AND b.sha256 BETWEEN $2 AND $3 ORDER BY b.sha256",
        node.0,
        &first,
        &last
    )
    .fetch(conn);
    rows.map(|row| {
        let row = row?;
        known(&row.sha256, row.generation)
    })
    .try_collect()
    .await
}

fn known(sha256: &[u8], generation: i32) -> Result<(BlobId, u32), DbError> {
    let id = stored(BlobId::from_slice(sha256), "blobs.sha256")?;
    Ok((id, stored(generation.try_into(), "replicas.generation")?))
}

/// Those of the blobs that the database knows and that have the size that it knows, in the order of their ids.
pub async fn list_known(conn: &mut PgConnection, found: &[StoredBlob]) -> Result<Vec<KnownBlob>, DbError> {
    let ids: Vec<Vec<u8>> = found.iter().map(|blob| blob.id.as_bytes().to_vec()).collect();
    let sizes = found.iter().map(|blob| stored(i32::try_from(blob.size), "a size"));
    let sizes = sizes.collect::<Result<Vec<_>, _>>()?;
    let rows = sqlx::query!(
        r#"SELECT b.id, b.sha256, f.size AS "size!", b.generation, b.trims, b.state IN ('live', 'condemned') AS "is_live!"
           FROM unnest($1::bytea[], $2::integer[]) AS f (sha256, size)
           JOIN blobs b ON b.sha256 = f.sha256 AND coalesce(b.size, f.size) = f.size ORDER BY b.sha256"#,
        &ids,
        &sizes
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let blob = PlannedBlob::from_stored(BlobKey(row.id), &row.sha256, row.size, row.generation)?;
            let blob = PlannedBlob { trims: row.trims, ..blob };
            Ok(KnownBlob { blob, is_live: row.is_live })
        })
        .collect()
}

/// Blobs that the node should have, by chance: those that follow a random id.
pub async fn sample(
    conn: &mut PgConnection,
    node: NodeKey,
    chance: &[u8; 32],
    count: u32,
) -> Result<Vec<BlobKey>, DbError> {
    let keys = sqlx::query_scalar!(
        r#"(SELECT b.id AS "id!" FROM blobs b JOIN replicas r ON r.blob_id = b.id AND r.generation = b.generation
            JOIN nodes n ON n.id = r.node_id AND n.store_epoch = r.store_epoch
            WHERE r.node_id = $1 AND b.sha256 >= $2 ORDER BY b.sha256 LIMIT $3)
           UNION
           (SELECT b.id FROM blobs b JOIN replicas r ON r.blob_id = b.id AND r.generation = b.generation
            JOIN nodes n ON n.id = r.node_id AND n.store_epoch = r.store_epoch
            WHERE r.node_id = $1 AND b.sha256 < $2 ORDER BY b.sha256 LIMIT $3)
           LIMIT $3"#,
        node.0,
        chance,
        i64::from(count)
    );
    Ok(keys.fetch_all(conn).await?.into_iter().map(BlobKey).collect())
}
