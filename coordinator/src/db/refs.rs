//! Staged lists of references, and the reference intervals that commits make of them.

use protocol::id::BlobId;
use protocol::refs::Reference;
use sqlx::PgConnection;

use super::{DbError, SourceKey, UploadKey, VaultKey, broken_constraint, stored};
use crate::copies::Copies;

/// Where a commit's references go, and by what they are judged.
#[derive(Debug, Clone, Copy)]
pub struct Applying {
    /// The vault that must hold what is added.
    pub vault: VaultKey,
    /// The source whose intervals change.
    pub source: SourceKey,
    /// The session whose roots new references must be.
    pub upload: UploadKey,
    /// The commit's number.
    pub seq: i64,
    /// Zones in which added blobs must live, and copies that they should have.
    pub copies: Copies,
}

/// What became of a page.
#[derive(Debug)]
pub enum Applied {
    /// Counts have changed.
    Done,
    /// A count would fall below 0; the transaction is of no more use.
    BelowZero,
}

/// Stages a page; the same page again replaces it, and page 0 also drops those behind it.
pub async fn stage(
    conn: &mut PgConnection,
    upload: UploadKey,
    page: i32,
    refs: &[u8],
) -> Result<(), DbError> {
    let staged = sqlx::query!(
        "WITH begun_anew AS (DELETE FROM staged_refs WHERE upload_id = $1 AND page > 0 AND $2 = 0)
         INSERT INTO staged_refs (upload_id, page, refs) VALUES ($1, $2, $3)
         ON CONFLICT (upload_id, page) DO UPDATE SET refs = excluded.refs",
        upload.0,
        page,
        refs
    )
    .execute(conn)
    .await?;
    super::changed_one(&staged, "staged_refs")
}

/// How many references are staged.
pub async fn count_staged(conn: &mut PgConnection, upload: UploadKey) -> Result<u64, DbError> {
    let count = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(octet_length(refs) / 36), 0)::bigint AS "count!" FROM staged_refs WHERE upload_id = $1"#,
        upload.0
    );
    super::unsigned(count.fetch_one(conn).await?, "staged_refs")
}

/// The first staged page behind `after`, with its number.
pub async fn next_page(
    conn: &mut PgConnection,
    upload: UploadKey,
    after: i32,
) -> Result<Option<(i32, Vec<u8>)>, DbError> {
    let row = sqlx::query!(
        "SELECT page, refs FROM staged_refs WHERE upload_id = $1 AND page > $2 ORDER BY page LIMIT 1",
        upload.0,
        after
    );
    Ok(row.fetch_optional(conn).await?.map(|row| (row.page, row.refs)))
}

/// Those added blobs of a page that may not be: not held by the vault, without living copies in enough zones, or,
/// where the source does not refer to them yet, not planned in this session.
pub async fn list_missing(
    conn: &mut PgConnection,
    to: Applying,
    page: &[Reference],
) -> Result<Vec<BlobId>, DbError> {
    let added: Vec<Vec<u8>> =
        page.iter().filter(|r| r.delta > 0).map(|r| r.blob.as_bytes().to_vec()).collect();
    let missing = sqlx::query_scalar!(
        r#"SELECT a.sha256 AS "sha256!" FROM unnest($1::bytea[]) AS a (sha256)
           LEFT JOIN blobs b ON b.sha256 = a.sha256
           WHERE b.id IS NULL
              OR NOT EXISTS (SELECT FROM vault_blobs h WHERE h.vault_id = $2 AND h.blob_id = b.id)
              OR NOT (EXISTS (SELECT FROM refs r WHERE r.source_id = $3 AND r.blob_id = b.id)
                      OR EXISTS (SELECT FROM upload_blobs u WHERE u.upload_id = $4 AND u.blob_id = b.id))
              OR (SELECT count(DISTINCT zone) FROM live_replicas WHERE blob_id = b.id) < $5
           ORDER BY 1"#,
        &added,
        to.vault.0,
        to.source.0,
        to.upload.0,
        i64::from(to.copies.write_zones),
    )
    .fetch_all(conn)
    .await?;
    missing.iter().map(|sha256| stored(BlobId::from_slice(sha256), "blobs.sha256")).collect()
}

/// A baseline counts from nothing; what it does not list is closed at the end.
pub async fn reset_counts(conn: &mut PgConnection, source: SourceKey) -> Result<(), DbError> {
    sqlx::query!("UPDATE refs SET count = 0 WHERE source_id = $1", source.0).execute(conn).await?;
    Ok(())
}

/// Adds a page's changes to the counts; a blob that the source did not refer to gets an open interval. It locks no blob:
/// the session's root stands until the commit puts the interval in its place.
pub async fn apply(conn: &mut PgConnection, to: Applying, page: &[Reference]) -> Result<Applied, DbError> {
    let sha256s: Vec<Vec<u8>> = page.iter().map(|r| r.blob.as_bytes().to_vec()).collect();
    let deltas: Vec<i32> = page.iter().map(|r| r.delta).collect();
    let updated = sqlx::query!(
        "UPDATE refs SET count = refs.count + c.delta
         FROM unnest($2::bytea[], $3::integer[]) AS c (sha256, delta) JOIN blobs b ON b.sha256 = c.sha256
         WHERE refs.source_id = $1 AND refs.blob_id = b.id",
        to.source.0,
        &sha256s,
        &deltas,
    )
    .execute(&mut *conn)
    .await;
    let updated = match updated {
        Ok(updated) => updated.rows_affected(),
        Err(error) if broken_constraint(&error) == Some("refs_count_not_negative") => {
            return Ok(Applied::BelowZero);
        }
        Err(error) => return Err(error.into()),
    };
    let inserted = sqlx::query!(
        "INSERT INTO refs (source_id, blob_id, count, since_seq)
         SELECT $1, b.id, c.delta, $4
         FROM unnest($2::bytea[], $3::integer[]) AS c (sha256, delta) JOIN blobs b ON b.sha256 = c.sha256
         WHERE c.delta > 0
         ON CONFLICT (source_id, blob_id) DO NOTHING",
        to.source.0,
        &sha256s,
        &deltas,
        to.seq,
    )
    .execute(conn)
    .await?;
    // What was neither there nor added takes from a count of 0.
    let all = updated + inserted.rows_affected() == page.len() as u64;
    Ok(if all { Applied::Done } else { Applied::BelowZero })
}

/// Bytes of the blobs that the source refers to by this commit, and did not before.
pub async fn count_added_bytes(conn: &mut PgConnection, to: Applying) -> Result<u64, DbError> {
    let bytes = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(b.size), 0)::bigint AS "bytes!"
           FROM refs r JOIN blobs b ON b.id = r.blob_id WHERE r.source_id = $1 AND r.since_seq = $2"#,
        to.source.0,
        to.seq,
    );
    super::unsigned(bytes.fetch_one(conn).await?, "blobs.size")
}

/// Closes the intervals whose counts came to 0.
pub async fn close_unreferenced(conn: &mut PgConnection, source: SourceKey, seq: i64) -> Result<(), DbError> {
    sqlx::query!(
        "WITH closed AS (
             DELETE FROM refs WHERE source_id = $1 AND count = 0 RETURNING blob_id, since_seq
         )
         INSERT INTO ref_history (source_id, blob_id, from_seq, to_seq)
         SELECT $1, blob_id, since_seq, $2 FROM closed",
        source.0,
        seq
    )
    .execute(conn)
    .await?;
    Ok(())
}
