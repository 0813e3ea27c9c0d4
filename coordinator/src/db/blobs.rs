//! Blobs of the cluster, which vault holds them, and where their copies are.

use std::collections::BTreeMap;

use protocol::blob_list::{SizedBlob, StoredBlob};
use protocol::id::BlobId;
use sqlx::PgConnection;

use super::{BlobKey, DbError, NodeKey, UploadKey, VaultKey, roots, stored};

/// A blob with its surrogate key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedBlob {
    /// Surrogate key.
    pub key: BlobKey,
    /// As nodes store it.
    pub blob: StoredBlob,
    /// How often a copy of it had been taken away, where that was looked at: what a node proves after it may be gone
    /// after the next time.
    pub trims: i32,
}

impl PlannedBlob {
    pub(super) fn from_stored(
        key: BlobKey,
        sha256: &[u8],
        size: i32,
        generation: i32,
    ) -> Result<Self, DbError> {
        Ok(Self { key, blob: stored_blob(sha256, size, generation)?, trims: 0 })
    }
}

fn stored_blob(sha256: &[u8], size: i32, generation: i32) -> Result<StoredBlob, DbError> {
    Ok(StoredBlob {
        id: stored(BlobId::from_slice(sha256), "blobs.sha256")?,
        size: stored(size.try_into(), "blobs.size")?,
        generation: stored(generation.try_into(), "blobs.generation")?,
    })
}

/// A blob that a vault may read, with the nodes that have it.
#[derive(Debug)]
pub struct LocatedBlob {
    /// As nodes store it.
    pub blob: StoredBlob,
    /// In ascending order.
    pub nodes: Vec<NodeKey>,
}

fn as_bytes(ids: impl Iterator<Item = BlobId>) -> Vec<Vec<u8>> {
    ids.map(|id| id.as_bytes().to_vec()).collect()
}

/// Adds the blobs that are new, makes those live again that were on their way out, and records all as the session's. In
/// the order asked for.
///
/// What was being deleted has another generation by now, so that no node that is still to delete the old one takes
/// the new one away; and no vault holds it.
///
/// What is live already is not locked: see [`super::roots`].
pub async fn plan(
    conn: &mut PgConnection,
    upload: UploadKey,
    wanted: &[SizedBlob],
) -> Result<Vec<PlannedBlob>, DbError> {
    roots::lock_for_adding(conn).await?;
    let mut live = find_live(conn, wanted.iter().map(|blob| blob.id)).await?;
    let others: Vec<BlobId> = wanted.iter().map(|blob| blob.id).filter(|id| !live.contains_key(id)).collect();
    if !others.is_empty() {
        add_or_revive(conn, &others).await?;
        live.extend(find_live(conn, others.into_iter()).await?);
    }
    let planned = wanted.iter().map(|blob| {
        let (key, generation) = *live.get(&blob.id).ok_or(DbError::Corrupt("blobs.sha256"))?;
        // The client's size, not the stored one: what another vault stored is not told.
        let blob = StoredBlob { id: blob.id, size: blob.size, generation };
        Ok(PlannedBlob { key, blob, trims: 0 })
    });
    let planned = planned.collect::<Result<Vec<_>, DbError>>()?;
    let keys: Vec<i64> = planned.iter().map(|blob| blob.key.0).collect();
    sqlx::query!(
        "INSERT INTO upload_blobs (upload_id, blob_id) SELECT $1, b FROM unnest($2::bigint[]) AS b
         ON CONFLICT DO NOTHING",
        upload.0,
        &keys,
    )
    .execute(conn)
    .await?;
    Ok(planned)
}

/// Those of the blobs that are live, with their generations.
async fn find_live(
    conn: &mut PgConnection,
    ids: impl Iterator<Item = BlobId>,
) -> Result<BTreeMap<BlobId, (BlobKey, u32)>, DbError> {
    let rows = sqlx::query!(
        "SELECT id, sha256, generation FROM blobs WHERE sha256 = ANY ($1) AND state = 'live'",
        &as_bytes(ids)
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let id = stored(BlobId::from_slice(&row.sha256), "blobs.sha256")?;
            Ok((id, (BlobKey(row.id), stored(row.generation.try_into(), "blobs.generation")?)))
        })
        .collect()
}

/// One statement, so that no row is removed between being found and being locked; in the order of the blobs' ids, so
/// that two planners never wait for each other.
async fn add_or_revive(conn: &mut PgConnection, ids: &[BlobId]) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO blobs (sha256) SELECT s FROM unnest($1::bytea[]) AS s ORDER BY s
         ON CONFLICT (sha256) DO UPDATE SET state = 'live', state_since = NULL WHERE blobs.state <> 'live'",
        &as_bytes(ids.iter().copied())
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Those of the blobs that the vault holds, with living copies in enough zones.
pub async fn list_durable(
    conn: &mut PgConnection,
    vault: VaultKey,
    blobs: &[BlobKey],
    write_zones: u32,
) -> Result<Vec<BlobKey>, DbError> {
    let keys: Vec<i64> = blobs.iter().map(|key| key.0).collect();
    let durable = sqlx::query_scalar!(
        "SELECT h.blob_id FROM vault_blobs h
         WHERE h.vault_id = $1 AND h.blob_id = ANY ($2)
           AND (SELECT count(DISTINCT zone) FROM live_replicas WHERE blob_id = h.blob_id) >= $3",
        vault.0,
        &keys,
        i64::from(write_zones),
    );
    Ok(durable.fetch_all(conn).await?.into_iter().map(BlobKey).collect())
}

/// Those of the blobs that the vault holds and that its snapshots or open sessions need, with their living copies.
///
/// A limit keeps the planner from turning a look for one blob into a join with all that the vault holds, which it takes
/// for little until the tables are analyzed: then a restore of a new vault would be quadratic in its blobs.
pub async fn locate(
    conn: &mut PgConnection,
    vault: VaultKey,
    ids: &[BlobId],
) -> Result<Vec<LocatedBlob>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT b.sha256, b.size AS "size!", b.generation,
                  ARRAY(SELECT node_id FROM live_replicas WHERE blob_id = b.id ORDER BY node_id) AS "nodes!"
           FROM unnest($2::bytea[]) WITH ORDINALITY AS w (sha256, place)
           JOIN blobs b ON b.sha256 = w.sha256
           CROSS JOIN LATERAL (
               SELECT 1 FROM vault_blobs h WHERE h.vault_id = $1 AND h.blob_id = b.id LIMIT 1
           ) AS held
           CROSS JOIN LATERAL (
               SELECT 1 FROM refs r JOIN sources s ON s.id = r.source_id
               WHERE s.vault_id = $1 AND r.blob_id = b.id
               UNION ALL
               SELECT 1 FROM ref_history r JOIN sources s ON s.id = r.source_id
               WHERE s.vault_id = $1 AND r.blob_id = b.id
               UNION ALL
               SELECT 1 FROM upload_blobs r JOIN uploads u ON u.id = r.upload_id
               WHERE u.vault_id = $1 AND r.blob_id = b.id AND u.expires_at > now()
               LIMIT 1
           ) AS needed
           ORDER BY w.place"#,
        vault.0,
        &as_bytes(ids.iter().copied()),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let blob = stored_blob(&row.sha256, row.size, row.generation)?;
            Ok(LocatedBlob { blob, nodes: row.nodes.into_iter().map(NodeKey).collect() })
        })
        .collect()
}
