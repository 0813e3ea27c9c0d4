//! Reference intervals that no kept snapshot needs any more. A snapshot that was forgotten never comes back, and a
//! closed interval never grows: what is not needed once is not needed ever.

use sqlx::PgConnection;

use super::{DbError, SourceKey, unsigned};

/// A source some of whose snapshots were forgotten since its intervals were last looked through.
#[derive(Debug, Clone, Copy)]
pub struct Unpruned {
    /// The source.
    pub source: SourceKey,
    /// How often that happened until now.
    pub forgets: i64,
}

/// Where a look through the intervals of a source stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    blob: i64,
    from_seq: i64,
}

/// What a part of a look through came to.
#[derive(Debug, Clone, Copy)]
pub struct Pruned {
    /// Where to go on; none at the end.
    pub next: Option<Place>,
    /// Intervals that went.
    pub removed: u64,
}

/// Sources to look through.
pub async fn list_unpruned(conn: &mut PgConnection) -> Result<Vec<Unpruned>, DbError> {
    let rows = sqlx::query!("SELECT id, forgets FROM sources WHERE pruned_forgets < forgets ORDER BY id");
    let rows = rows.fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| Unpruned { source: SourceKey(row.id), forgets: row.forgets }).collect())
}

/// Removes those of the next `max` closed intervals that cover no kept snapshot.
pub async fn prune_closed(
    conn: &mut PgConnection,
    source: SourceKey,
    after: Place,
    max: i64,
) -> Result<Pruned, DbError> {
    let row = sqlx::query!(
        r#"WITH page AS (
               SELECT blob_id, from_seq, to_seq FROM ref_history
               WHERE source_id = $1 AND (blob_id, from_seq) > ($2, $3) ORDER BY blob_id, from_seq LIMIT $4
           ), removed AS (
               DELETE FROM ref_history h USING page p
               WHERE h.source_id = $1 AND h.blob_id = p.blob_id AND h.from_seq = p.from_seq
                 AND NOT EXISTS (SELECT FROM commits c WHERE c.source_id = $1 AND c.kind = 1 AND NOT c.forgotten
                                                         AND c.seq >= p.from_seq AND c.seq < p.to_seq)
               RETURNING h.blob_id
           )
           SELECT (SELECT count(*) FROM removed) AS "removed!", last.blob_id AS "blob_id?", last.from_seq AS "from_seq?"
           FROM (SELECT) one
           LEFT JOIN (SELECT blob_id, from_seq FROM page ORDER BY blob_id DESC, from_seq DESC LIMIT 1) last ON true"#,
        source.0,
        after.blob,
        after.from_seq,
        max,
    )
    .fetch_one(conn)
    .await?;
    let next = row.blob_id.zip(row.from_seq).map(|(blob, from_seq)| Place { blob, from_seq });
    Ok(Pruned { next, removed: unsigned(row.removed, "ref_history")? })
}

/// Removes those of the next `max` open intervals of a closed source that cover no kept snapshot. Those of an open
/// source are its newest snapshot's, which is always kept.
pub async fn prune_open(
    conn: &mut PgConnection,
    source: SourceKey,
    after: Place,
    max: i64,
) -> Result<Pruned, DbError> {
    let row = sqlx::query!(
        r#"WITH page AS (
               SELECT r.blob_id, r.since_seq FROM refs r JOIN sources s ON s.id = r.source_id AND s.closed
               WHERE r.source_id = $1 AND r.blob_id > $2 ORDER BY r.blob_id LIMIT $3
           ), removed AS (
               DELETE FROM refs r USING page p
               WHERE r.source_id = $1 AND r.blob_id = p.blob_id
                 AND NOT EXISTS (SELECT FROM commits c WHERE c.source_id = $1 AND c.kind = 1 AND NOT c.forgotten
                                                         AND c.seq >= p.since_seq)
               RETURNING r.blob_id
           )
           SELECT (SELECT count(*) FROM removed) AS "removed!", (SELECT max(blob_id) FROM page) AS last"#,
        source.0,
        after.blob,
        max,
    )
    .fetch_one(conn)
    .await?;
    let next = row.last.map(|blob| Place { blob, from_seq: 0 });
    Ok(Pruned { next, removed: unsigned(row.removed, "refs")? })
}

/// The source was looked through, as of so many times that snapshots of it had been forgotten.
pub async fn set_pruned(conn: &mut PgConnection, unpruned: Unpruned) -> Result<(), DbError> {
    let written = sqlx::query!(
        "UPDATE sources SET pruned_forgets = $2 WHERE id = $1",
        unpruned.source.0,
        unpruned.forgets
    );
    super::changed_one(&written.execute(conn).await?, "sources")
}
