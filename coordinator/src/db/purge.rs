//! Deleting blobs for good: out of all that was, where nothing that is needs them.

use protocol::id::BlobId;
use sqlx::PgConnection;

use super::{DbError, UploadKey, VaultKey};

/// Why blobs are not purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpurgeable {
    /// The vault does not hold it.
    NotHeld,
    /// The newest snapshot of a source that takes more needs it.
    Needed,
    /// An upload under way may need it.
    Uploading,
}

/// Why these blobs may not be purged from a vault, if so. The caller holds the vault's head.
pub async fn find_unpurgeable(
    conn: &mut PgConnection,
    vault: VaultKey,
    blobs: &[BlobId],
) -> Result<Option<Unpurgeable>, DbError> {
    let row = sqlx::query!(
        r#"SELECT coalesce(bool_or(h.blob_id IS NULL), false) AS "not_held!",
                  coalesce(bool_or(EXISTS (
                      SELECT FROM refs r JOIN sources s ON s.id = r.source_id
                      WHERE r.blob_id = b.id AND s.vault_id = $1 AND NOT s.closed)), false) AS "needed!",
                  coalesce(bool_or(EXISTS (
                      SELECT FROM upload_blobs r JOIN uploads u ON u.id = r.upload_id
                      WHERE r.blob_id = b.id AND u.vault_id = $1 AND u.expires_at > now())), false) AS "uploading!"
           FROM unnest($2::bytea[]) AS w (sha256)
           LEFT JOIN blobs b ON b.sha256 = w.sha256
           LEFT JOIN vault_blobs h ON h.vault_id = $1 AND h.blob_id = b.id"#,
        vault.0,
        &as_bytes(blobs),
    )
    .fetch_one(conn)
    .await?;
    Ok(match (row.not_held, row.needed, row.uploading) {
        (true, ..) => Some(Unpurgeable::NotHeld),
        (_, true, _) => Some(Unpurgeable::Needed),
        (.., true) => Some(Unpurgeable::Uploading),
        (false, false, false) => None,
    })
}

/// Removes the intervals of these blobs in the vault: the closed ones, and those of closed sources. The caller holds
/// the vault's head.
pub async fn purge(conn: &mut PgConnection, vault: VaultKey, blobs: &[BlobId]) -> Result<(), DbError> {
    let sha256s = as_bytes(blobs);
    sqlx::query!(
        "DELETE FROM ref_history r USING sources s, blobs b
         WHERE s.id = r.source_id AND s.vault_id = $1 AND b.id = r.blob_id AND b.sha256 = ANY ($2)",
        vault.0,
        &sha256s,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "DELETE FROM refs r USING sources s, blobs b
         WHERE s.id = r.source_id AND s.vault_id = $1 AND s.closed AND b.id = r.blob_id AND b.sha256 = ANY ($2)",
        vault.0,
        &sha256s,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Stages a page of blobs; the same page again replaces it, and page 0 also drops those behind it.
pub async fn stage(
    conn: &mut PgConnection,
    upload: UploadKey,
    page: i32,
    blobs: &[u8],
) -> Result<(), DbError> {
    let staged = sqlx::query!(
        "WITH begun_anew AS (DELETE FROM staged_purges WHERE upload_id = $1 AND page > 0 AND $2 = 0)
         INSERT INTO staged_purges (upload_id, page, blobs) VALUES ($1, $2, $3)
         ON CONFLICT (upload_id, page) DO UPDATE SET blobs = excluded.blobs",
        upload.0,
        page,
        blobs
    )
    .execute(conn)
    .await?;
    super::changed_one(&staged, "staged_purges")
}

/// How many blobs are staged.
pub async fn count_staged(conn: &mut PgConnection, upload: UploadKey) -> Result<u64, DbError> {
    let count = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(octet_length(blobs) / 32), 0)::bigint AS "count!" FROM staged_purges
           WHERE upload_id = $1"#,
        upload.0
    );
    super::unsigned(count.fetch_one(conn).await?, "staged_purges")
}

/// The first staged page behind `after`, with its number.
pub async fn next_page(
    conn: &mut PgConnection,
    upload: UploadKey,
    after: i32,
) -> Result<Option<(i32, Vec<u8>)>, DbError> {
    let row = sqlx::query!(
        "SELECT page, blobs FROM staged_purges WHERE upload_id = $1 AND page > $2 ORDER BY page LIMIT 1",
        upload.0,
        after
    );
    Ok(row.fetch_optional(conn).await?.map(|row| (row.page, row.blobs)))
}

fn as_bytes(blobs: &[BlobId]) -> Vec<Vec<u8>> {
    blobs.iter().map(|id| id.as_bytes().to_vec()).collect()
}
