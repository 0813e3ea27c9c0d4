//! Which snapshots are kept. A forgotten one stays in the log; its intervals go in the next cycle of garbage collection.

use std::time::Duration;

use protocol::id::SourceId;
use protocol::snapshots::{KeptSnapshot, KeptSnapshots, SnapshotId};
use sqlx::PgConnection;

use super::{DbError, SourceKey, VaultKey, stored, unsigned};
use crate::retention::Snapshot;

/// Why snapshots are not forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unforgettable {
    /// The vault's log has no such snapshot.
    Unknown,
    /// It is the newest of a source that takes more.
    Newest,
}

/// The kept snapshots of a vault.
pub async fn list_kept(conn: &mut PgConnection, vault: VaultKey) -> Result<Vec<KeptSnapshots>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT s.public_id, array_agg(c.seq ORDER BY c.seq) AS "seqs!",
                  array_agg((extract(epoch FROM c.received_at) * 1000)::bigint ORDER BY c.seq) AS "received_ms!"
           FROM sources s JOIN commits c ON c.source_id = s.id AND c.kind = 1 AND NOT c.forgotten
           WHERE s.vault_id = $1 GROUP BY s.id ORDER BY s.public_id"#,
        vault.0
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let kept = row.seqs.into_iter().zip(row.received_ms).map(|(seq, received_ms)| {
                Ok(KeptSnapshot {
                    seq: unsigned(seq, "commits.seq")?,
                    received_ms: unsigned(received_ms, "commits.received_at")?,
                })
            });
            Ok(KeptSnapshots {
                source: stored(SourceId::from_slice(&row.public_id), "sources.public_id")?,
                kept: kept.collect::<Result<_, DbError>>()?,
            })
        })
        .collect()
}

/// The kept snapshots of a source, oldest first, with how old they are on the database's clock.
pub async fn list_of_source(conn: &mut PgConnection, source: SourceKey) -> Result<Vec<Snapshot>, DbError> {
    // The seventh byte of an envelope has the flags, of which 2 says that it is partial.
    let rows = sqlx::query!(
        r#"SELECT seq, (extract(epoch FROM received_at) * 1000)::bigint AS "received_ms!",
                  extract(epoch FROM now() - received_at)::float8 AS "age!",
                  get_byte(envelope, 6) & 2 <> 0 AS "partial!"
           FROM commits WHERE source_id = $1 AND kind = 1 AND NOT forgotten ORDER BY seq"#,
        source.0
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Snapshot {
                seq: unsigned(row.seq, "commits.seq")?,
                received_ms: unsigned(row.received_ms, "commits.received_at")?,
                age: Duration::try_from_secs_f64(row.age).unwrap_or_default(),
                partial: row.partial,
            })
        })
        .collect()
}

/// Why these snapshots may not be forgotten, if so. The caller holds the vault's head.
pub async fn find_unforgettable(
    conn: &mut PgConnection,
    vault: VaultKey,
    snapshots: &[SnapshotId],
) -> Result<Option<Unforgettable>, DbError> {
    let (sources, seqs) = columns(snapshots);
    let row = sqlx::query!(
        r#"SELECT coalesce(bool_or(c.seq IS NULL), false) AS "unknown!",
                  coalesce(bool_or(NOT s.closed AND NOT EXISTS (
                      SELECT FROM commits n WHERE n.source_id = s.id AND n.kind = 1 AND n.seq > c.seq)), false)
                      AS "newest!"
           FROM unnest($2::bytea[], $3::bigint[]) AS w (source, seq)
           LEFT JOIN sources s ON s.vault_id = $1 AND s.public_id = w.source
           LEFT JOIN commits c ON c.source_id = s.id AND c.seq = w.seq AND c.kind = 1"#,
        vault.0,
        &sources,
        &seqs,
    )
    .fetch_one(conn)
    .await?;
    Ok(match (row.unknown, row.newest) {
        (true, _) => Some(Unforgettable::Unknown),
        (false, true) => Some(Unforgettable::Newest),
        (false, false) => None,
    })
}

/// Forgets snapshots of a vault; returns how many were kept until now. The caller has seen that none of them is the
/// newest of an open source, which it can never become again.
pub async fn forget(
    conn: &mut PgConnection,
    vault: VaultKey,
    snapshots: &[SnapshotId],
) -> Result<u64, DbError> {
    let (sources, seqs) = columns(snapshots);
    let forgotten = sqlx::query_scalar!(
        r#"UPDATE commits c SET forgotten = true
           FROM unnest($2::bytea[], $3::bigint[]) AS w (source, seq)
           JOIN sources s ON s.vault_id = $1 AND s.public_id = w.source
           WHERE c.vault_id = $1 AND c.source_id = s.id AND c.seq = w.seq AND c.kind = 1 AND NOT c.forgotten
           RETURNING s.id"#,
        vault.0,
        &sources,
        &seqs,
    )
    .fetch_all(&mut *conn)
    .await?;
    sqlx::query!("UPDATE sources SET forgets = forgets + 1 WHERE id = ANY ($1)", &forgotten)
        .execute(conn)
        .await?;
    Ok(forgotten.len() as u64)
}

fn columns(snapshots: &[SnapshotId]) -> (Vec<Vec<u8>>, Vec<i64>) {
    let sources = snapshots.iter().map(|it| it.source.as_bytes().to_vec()).collect();
    // A number beyond the column's is one that no snapshot has.
    let seqs = snapshots.iter().map(|it| i64::try_from(it.seq).unwrap_or(i64::MAX)).collect();
    (sources, seqs)
}
