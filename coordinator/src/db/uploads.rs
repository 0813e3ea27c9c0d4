//! Upload sessions: what they planned, and which grants they got.

use protocol::id::{GrantId, UploadId, VaultId};
use protocol::limits::UPLOAD_IDLE_SECONDS;
use protocol::uploads::OpenUploadRequest;
use sqlx::PgConnection;

use super::blobs::PlannedBlob;
use super::{AccountKey, BlobKey, DbError, NodeKey, UploadKey, VaultKey, changed_one, interval, stored};

/// A session in use is extended no more often than this.
const EXTEND_EVERY_SECONDS: u64 = 60;

/// An open session.
#[derive(Debug, Clone, Copy)]
pub struct UploadRow {
    /// Surrogate key.
    pub key: UploadKey,
    /// The vault it adds to.
    pub vault: VaultKey,
    /// The vault's id.
    pub vault_id: VaultId,
    /// It commits deletions alone, by its client's word.
    pub removes: bool,
}

/// A grant that a session got, for judging receipts.
#[derive(Debug)]
pub struct GrantRow {
    /// The grant.
    pub jti: GrantId,
    /// The node it is for.
    pub node: NodeKey,
    /// Issued, in Unix seconds.
    pub issued_s: u64,
    /// Expires, in Unix seconds.
    pub expires_s: u64,
    /// The group's blobs.
    pub blobs: Vec<PlannedBlob>,
}

/// A grant to remember.
#[derive(Debug)]
pub struct NewGrant {
    /// The grant.
    pub jti: GrantId,
    /// The node it is for.
    pub node: NodeKey,
}

/// Opens a session, or finds the open one of the same key; extends it either way. `fresh` becomes the id of a new one.
pub async fn open(
    conn: &mut PgConnection,
    vault: VaultKey,
    wanted: &OpenUploadRequest,
    fresh: &UploadId,
) -> Result<UploadId, DbError> {
    let idle = interval(UPLOAD_IDLE_SECONDS);
    // An expired session gives its key free: what it staged is gone with it.
    sqlx::query!("DELETE FROM uploads WHERE vault_id = $1 AND expires_at <= now()", vault.0)
        .execute(&mut *conn)
        .await?;
    let public_id = sqlx::query_scalar!(
        "INSERT INTO uploads (vault_id, public_id, idempotency_key, removes, expires_at)
         VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
         ON CONFLICT (vault_id, idempotency_key) DO UPDATE SET expires_at = excluded.expires_at
         RETURNING public_id",
        vault.0,
        fresh.as_bytes(),
        wanted.key.as_bytes(),
        wanted.removes,
        idle,
    )
    .fetch_one(conn)
    .await?;
    stored(UploadId::from_slice(&public_id), "uploads.public_id")
}

/// The account's open session of this id, extended. It cannot end before the transaction does; others may use it
/// meanwhile, so that a client's requests do not wait for each other.
pub async fn touch(
    conn: &mut PgConnection,
    account: AccountKey,
    upload: &UploadId,
) -> Result<Option<UploadRow>, DbError> {
    let row = sqlx::query!(
        r#"SELECT u.id, u.vault_id, v.public_id, u.removes, u.expires_at < now() + make_interval(secs => $3) AS "is_stale!"
           FROM uploads u JOIN vaults v ON v.id = u.vault_id
           WHERE v.account_id = $1 AND u.public_id = $2 AND u.expires_at > now()
           FOR KEY SHARE OF u"#,
        account.0,
        upload.as_bytes(),
        interval(UPLOAD_IDLE_SECONDS - EXTEND_EVERY_SECONDS),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.is_stale {
        sqlx::query!(
            "UPDATE uploads SET expires_at = now() + make_interval(secs => $2)
             WHERE id = $1 AND expires_at < now() + make_interval(secs => $3)",
            row.id,
            interval(UPLOAD_IDLE_SECONDS),
            interval(UPLOAD_IDLE_SECONDS - EXTEND_EVERY_SECONDS),
        )
        .execute(conn)
        .await?;
    }
    let vault_id = stored(VaultId::from_slice(&row.public_id), "vaults.public_id")?;
    Ok(Some(UploadRow {
        key: UploadKey(row.id),
        vault: VaultKey(row.vault_id),
        vault_id,
        removes: row.removes,
    }))
}

/// The account's open session of this id, extended, for one transaction that claims it at a time.
pub async fn claim(
    conn: &mut PgConnection,
    account: AccountKey,
    upload: &UploadId,
) -> Result<Option<UploadRow>, DbError> {
    let row = sqlx::query!(
        "UPDATE uploads u SET expires_at = now() + make_interval(secs => $3) FROM vaults v
         WHERE v.id = u.vault_id AND v.account_id = $1 AND u.public_id = $2 AND u.expires_at > now()
         RETURNING u.id, u.vault_id, v.public_id, u.removes",
        account.0,
        upload.as_bytes(),
        interval(UPLOAD_IDLE_SECONDS),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let vault_id = stored(VaultId::from_slice(&row.public_id), "vaults.public_id")?;
        Ok(UploadRow {
            key: UploadKey(row.id),
            vault: VaultKey(row.vault_id),
            vault_id,
            removes: row.removes,
        })
    })
    .transpose()
}

/// Ends a session.
pub async fn delete(conn: &mut PgConnection, upload: UploadKey) -> Result<(), DbError> {
    let deleted = sqlx::query!("DELETE FROM uploads WHERE id = $1", upload.0).execute(conn).await?;
    changed_one(&deleted, "uploads")
}

/// Remembers a group and its grants.
pub async fn insert_group(
    conn: &mut PgConnection,
    upload: UploadKey,
    blobs: &[PlannedBlob],
    grants: &[NewGrant],
    issued_s: u64,
    expires_s: u64,
) -> Result<(), DbError> {
    let keys: Vec<i64> = blobs.iter().map(|blob| blob.key.0).collect();
    let sha256s: Vec<Vec<u8>> = blobs.iter().map(|blob| blob.blob.id.as_bytes().to_vec()).collect();
    let sizes = blobs
        .iter()
        .map(|blob| stored(i32::try_from(blob.blob.size), "size"))
        .collect::<Result<Vec<_>, _>>()?;
    let generations = blobs
        .iter()
        .map(|blob| stored(i32::try_from(blob.blob.generation), "generation"))
        .collect::<Result<Vec<_>, _>>()?;
    let group = sqlx::query_scalar!(
        "INSERT INTO upload_groups (upload_id, blob_ids, sha256s, sizes, generations)
         VALUES ($1, $2, $3, $4, $5) RETURNING id",
        upload.0,
        &keys,
        &sha256s,
        &sizes,
        &generations,
    )
    .fetch_one(&mut *conn)
    .await?;
    let jtis: Vec<Vec<u8>> = grants.iter().map(|grant| grant.jti.as_bytes().to_vec()).collect();
    let nodes: Vec<i64> = grants.iter().map(|grant| grant.node.0).collect();
    sqlx::query!(
        "INSERT INTO upload_grants (jti, group_id, node_id, issued_s, expires_s)
         SELECT jti, $1, node_id, $4, $5 FROM unnest($2::bytea[], $3::bigint[]) AS g (jti, node_id)",
        group,
        &jtis,
        &nodes,
        stored(i64::try_from(issued_s), "issued_s")?,
        stored(i64::try_from(expires_s), "expires_s")?,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Those of the grants that this session got.
pub async fn find_grants(
    conn: &mut PgConnection,
    upload: UploadKey,
    jtis: &[GrantId],
) -> Result<Vec<GrantRow>, DbError> {
    let jtis: Vec<Vec<u8>> = jtis.iter().map(|jti| jti.as_bytes().to_vec()).collect();
    let rows = sqlx::query!(
        "SELECT g.jti, g.node_id, g.issued_s, g.expires_s, p.blob_ids, p.sha256s, p.sizes, p.generations
         FROM upload_grants g JOIN upload_groups p ON p.id = g.group_id
         WHERE g.jti = ANY ($2) AND p.upload_id = $1",
        upload.0,
        &jtis,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let blobs =
                row.blob_ids.into_iter().zip(&row.sha256s).zip(row.sizes.iter().zip(&row.generations));
            Ok(GrantRow {
                jti: stored(GrantId::from_slice(&row.jti), "upload_grants.jti")?,
                node: NodeKey(row.node_id),
                issued_s: super::unsigned(row.issued_s, "upload_grants.issued_s")?,
                expires_s: super::unsigned(row.expires_s, "upload_grants.expires_s")?,
                blobs: blobs
                    .map(|((key, sha256), (size, generation))| {
                        PlannedBlob::from_stored(BlobKey(key), sha256, *size, *generation)
                    })
                    .collect::<Result<_, _>>()?,
            })
        })
        .collect()
}
