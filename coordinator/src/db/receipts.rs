//! What receipts prove: replicas, and which vault holds which blob.

use std::collections::{BTreeMap, BTreeSet};

use protocol::id::{NodeId, StoreId};
use protocol::signature::PublicKey;
use sqlx::PgConnection;

use super::{BlobKey, DbError, NodeKey, VaultKey, stored};

/// A node whose receipts are judged.
#[derive(Debug, Clone)]
pub struct ReceiptSigner {
    /// Surrogate key.
    pub key: NodeKey,
    /// Verifies its receipts.
    pub public_key: PublicKey,
    /// The store that it has now.
    pub store: StoreId,
    /// Counts its stores.
    pub store_epoch: i32,
}

/// What is known of a blob, under its lock.
#[derive(Debug, Clone, Copy)]
pub struct LockedBlob {
    /// The present one.
    pub generation: u32,
    /// If a receipt proved it.
    pub size: Option<u32>,
    /// How often a copy of it was taken away.
    pub trims: i32,
}

/// A node holds a blob.
#[derive(Debug, Clone, Copy)]
pub struct ProvenCopy {
    /// The blob.
    pub blob: BlobKey,
    /// Its bytes.
    pub size: u32,
    /// The present generation.
    pub generation: u32,
    /// The node.
    pub node: NodeKey,
    /// The node's present store.
    pub store_epoch: i32,
}

/// The nodes of these ids. A store that changes before the receipts are recorded makes them count for nothing.
pub async fn find_signers(
    conn: &mut PgConnection,
    nodes: &[NodeId],
) -> Result<BTreeMap<NodeId, ReceiptSigner>, DbError> {
    let ids: Vec<Vec<u8>> = nodes.iter().map(|id| id.as_bytes().to_vec()).collect();
    let rows = sqlx::query!(
        "SELECT id, public_id, public_key, store, store_epoch FROM nodes WHERE public_id = ANY ($1) ORDER BY id",
        &ids
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let signer = ReceiptSigner {
                key: NodeKey(row.id),
                public_key: PublicKey::from_bytes(stored(row.public_key.try_into(), "nodes.public_key")?),
                store: stored(StoreId::from_slice(&row.store), "nodes.store")?,
                store_epoch: row.store_epoch,
            };
            Ok((stored(NodeId::from_slice(&row.public_id), "nodes.public_id")?, signer))
        })
        .collect()
}

/// Locks blobs, in the order of their ids as planning does: two requests with receipts for the same blob wait for
/// each other, so that the later one sees what the earlier one recorded. Commits may refer to the blobs meanwhile.
pub async fn lock_blobs(
    conn: &mut PgConnection,
    blobs: &[BlobKey],
) -> Result<BTreeMap<BlobKey, LockedBlob>, DbError> {
    let keys: Vec<i64> = blobs.iter().map(|key| key.0).collect();
    let rows = sqlx::query!(
        "SELECT id, generation, size, trims FROM blobs WHERE id = ANY ($1) ORDER BY sha256 FOR NO KEY UPDATE",
        &keys
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let locked = LockedBlob {
                generation: stored(row.generation.try_into(), "blobs.generation")?,
                size: row.size.map(u32::try_from).transpose().map_err(|_| DbError::Corrupt("blobs.size"))?,
                trims: row.trims,
            };
            Ok((BlobKey(row.id), locked))
        })
        .collect()
}

/// Copies as the columns of a statement.
struct Columns {
    blobs: Vec<i64>,
    nodes: Vec<i64>,
    epochs: Vec<i32>,
    sizes: Vec<i32>,
    generations: Vec<i32>,
}

impl Columns {
    fn of(copies: &[ProvenCopy]) -> Result<Self, DbError> {
        let to_i32 = |value: u32| stored(i32::try_from(value), "a receipt");
        Ok(Self {
            blobs: copies.iter().map(|copy| copy.blob.0).collect(),
            nodes: copies.iter().map(|copy| copy.node.0).collect(),
            epochs: copies.iter().map(|copy| copy.store_epoch).collect(),
            sizes: copies.iter().map(|copy| to_i32(copy.size)).collect::<Result<_, _>>()?,
            generations: copies.iter().map(|copy| to_i32(copy.generation)).collect::<Result<_, _>>()?,
        })
    }
}

/// Without those that their node is ordered to delete at their generation: whether they are still there, nobody knows.
/// The caller holds the blobs' locks, and so does whoever orders it.
async fn without_ordered(conn: &mut PgConnection, copies: &[ProvenCopy]) -> Result<Vec<ProvenCopy>, DbError> {
    let Columns { blobs, nodes, generations, .. } = Columns::of(copies)?;
    let ordered = sqlx::query!(
        "SELECT j.blob_id, j.node_id FROM delete_jobs j
         JOIN unnest($1::bigint[], $2::bigint[], $3::integer[]) AS c (blob_id, node_id, generation)
           ON c.blob_id = j.blob_id AND c.node_id = j.node_id AND c.generation <= j.generation",
        &blobs,
        &nodes,
        &generations,
    )
    .fetch_all(conn)
    .await?;
    let ordered: BTreeSet<_> = ordered.into_iter().map(|row| (row.blob_id, row.node_id)).collect();
    Ok(copies.iter().copied().filter(|copy| !ordered.contains(&(copy.blob.0, copy.node.0))).collect())
}

/// Records copies, but for those that their node is to delete; the others. The caller holds the blobs' locks, and no
/// (blob, node) pair stands in `copies` twice.
pub async fn record_copies(
    conn: &mut PgConnection,
    copies: &[ProvenCopy],
) -> Result<Vec<ProvenCopy>, DbError> {
    let copies = without_ordered(conn, copies).await?;
    let Columns { blobs, nodes, epochs, sizes, generations } = Columns::of(&copies)?;
    sqlx::query!(
        "UPDATE blobs SET size = c.size FROM unnest($1::bigint[], $2::integer[]) AS c (id, size)
         WHERE blobs.id = c.id AND blobs.size IS NULL",
        &blobs,
        &sizes,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO replicas (blob_id, node_id, generation, store_epoch)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::integer[])
         ON CONFLICT (blob_id, node_id) DO UPDATE
         SET generation = excluded.generation, store_epoch = excluded.store_epoch",
        &blobs,
        &nodes,
        &generations,
        &epochs,
    )
    .execute(conn)
    .await?;
    Ok(copies)
}

/// Records copies, and lets the vault hold what now has copies in enough zones. As [`record_copies`].
pub async fn record(
    conn: &mut PgConnection,
    vault: VaultKey,
    copies: &[ProvenCopy],
    write_zones: u32,
) -> Result<(), DbError> {
    let copies = record_copies(conn, copies).await?;
    let proven = list_proven(conn, vault, &copies, write_zones).await?;
    hold(conn, vault, &proven).await?;
    let others: Vec<_> = copies.iter().filter(|copy| !proven.contains(&copy.blob)).copied().collect();
    if others.is_empty() { Ok(()) } else { remember(conn, vault, &others).await }
}

/// Blobs with receipts of enough zones, remembered or these, each for the present generation in the node's present
/// store.
async fn list_proven(
    conn: &mut PgConnection,
    vault: VaultKey,
    copies: &[ProvenCopy],
    write_zones: u32,
) -> Result<BTreeSet<BlobKey>, DbError> {
    let Columns { blobs, nodes, epochs, generations, .. } = Columns::of(copies)?;
    let proven = sqlx::query_scalar!(
        r#"SELECT e.blob_id AS "blob_id!"
           FROM (SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::integer[], $5::integer[])
                          AS c (blob_id, node_id, generation, store_epoch)
                 UNION ALL
                 SELECT blob_id, node_id, generation, store_epoch FROM vault_receipts
                 WHERE vault_id = $1 AND blob_id = ANY ($2)) AS e
           JOIN blobs b ON b.id = e.blob_id AND b.generation = e.generation
           JOIN nodes n ON n.id = e.node_id AND n.store_epoch = e.store_epoch
           GROUP BY e.blob_id HAVING count(DISTINCT n.zone) >= $6"#,
        vault.0,
        &blobs,
        &nodes,
        &generations,
        &epochs,
        i64::from(write_zones),
    );
    Ok(proven.fetch_all(conn).await?.into_iter().map(BlobKey).collect())
}

/// The vault holds these blobs; receipts for them need not be remembered any more.
async fn hold(conn: &mut PgConnection, vault: VaultKey, proven: &BTreeSet<BlobKey>) -> Result<(), DbError> {
    let proven: Vec<i64> = proven.iter().map(|key| key.0).collect();
    sqlx::query!(
        "WITH held AS (
             INSERT INTO vault_blobs (vault_id, blob_id) SELECT $1, b FROM unnest($2::bigint[]) AS b
             ON CONFLICT DO NOTHING RETURNING blob_id
         )
         INSERT INTO vault_usage (vault_id, bytes)
         SELECT $1, sum(b.size) FROM held JOIN blobs b ON b.id = held.blob_id HAVING count(*) > 0
         ON CONFLICT (vault_id) DO UPDATE SET bytes = vault_usage.bytes + excluded.bytes",
        vault.0,
        &proven,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM vault_receipts WHERE vault_id = $1 AND blob_id = ANY ($2)", vault.0, &proven)
        .execute(conn)
        .await?;
    Ok(())
}

/// Keeps receipts of too few zones, until those of others come.
async fn remember(conn: &mut PgConnection, vault: VaultKey, copies: &[ProvenCopy]) -> Result<(), DbError> {
    let Columns { blobs, nodes, epochs, generations, .. } = Columns::of(copies)?;
    sqlx::query!(
        "INSERT INTO vault_receipts (vault_id, blob_id, node_id, generation, store_epoch)
         SELECT $1, c.* FROM unnest($2::bigint[], $3::bigint[], $4::integer[], $5::integer[])
                        AS c (blob_id, node_id, generation, store_epoch)
         WHERE NOT EXISTS (SELECT FROM vault_blobs h WHERE h.vault_id = $1 AND h.blob_id = c.blob_id)
         ON CONFLICT (vault_id, blob_id, node_id) DO UPDATE
         SET generation = excluded.generation, store_epoch = excluded.store_epoch",
        vault.0,
        &blobs,
        &nodes,
        &generations,
        &epochs,
    )
    .execute(conn)
    .await?;
    Ok(())
}
