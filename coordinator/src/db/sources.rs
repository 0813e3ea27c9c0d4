//! Sources of snapshots, and how durable they are.

use std::collections::BTreeMap;

use protocol::id::{DeviceId, SourceId};
use protocol::sources::{CopiesCount, NewestSnapshot, SourceStatus};
use sqlx::PgConnection;

use super::{DbError, SourceKey, VaultKey, changed_one, stored, unsigned};

/// A source.
#[derive(Debug)]
pub struct SourceRow {
    /// Surrogate key.
    pub key: SourceKey,
    /// Who wrote its first snapshot; `None` is the identity.
    pub device: Option<DeviceId>,
    /// It has a snapshot that is not partial.
    pub complete: bool,
}

/// The vault's source of this id.
pub async fn find(
    conn: &mut PgConnection,
    vault: VaultKey,
    source: &SourceId,
) -> Result<Option<SourceRow>, DbError> {
    let row = sqlx::query!(
        "SELECT id, device, complete FROM sources WHERE vault_id = $1 AND public_id = $2",
        vault.0,
        source.as_bytes()
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let device = row.device.map(|device| stored(DeviceId::from_slice(&device), "sources.device"));
        Ok(SourceRow { key: SourceKey(row.id), device: device.transpose()?, complete: row.complete })
    })
    .transpose()
}

/// Adds a source, bound to its writer. The caller holds the vault's head.
pub async fn insert(
    conn: &mut PgConnection,
    vault: VaultKey,
    source: &SourceId,
    device: Option<DeviceId>,
    complete: bool,
) -> Result<SourceKey, DbError> {
    let id = sqlx::query_scalar!(
        "INSERT INTO sources (vault_id, public_id, device, complete) VALUES ($1, $2, $3, $4) RETURNING id",
        vault.0,
        source.as_bytes(),
        device.as_ref().map(|device| device.as_bytes().as_slice()),
        complete,
    );
    Ok(SourceKey(id.fetch_one(conn).await?))
}

/// The source has its first snapshot that is not partial.
pub async fn set_complete(conn: &mut PgConnection, source: SourceKey) -> Result<(), DbError> {
    let written =
        sqlx::query!("UPDATE sources SET complete = true WHERE id = $1", source.0).execute(conn).await?;
    changed_one(&written, "sources")
}

/// How the vault's sources are, in order of id.
pub async fn list_statuses(conn: &mut PgConnection, vault: VaultKey) -> Result<Vec<SourceStatus>, DbError> {
    let mut copies = count_copies(conn, vault).await?;
    let rows = sqlx::query!(
        r#"SELECT s.id, s.public_id, count(c.seq) AS "snapshots!", max(c.seq) AS "newest_seq!",
                  (extract(epoch FROM max(c.received_at)) * 1000)::bigint AS "newest_received_ms!"
           FROM sources s JOIN commits c ON c.source_id = s.id
           WHERE s.vault_id = $1 GROUP BY s.id ORDER BY s.public_id"#,
        vault.0
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let (copies, stored_bytes) = copies.remove(&SourceKey(row.id)).unwrap_or_default();
            Ok(SourceStatus {
                source: stored(SourceId::from_slice(&row.public_id), "sources.public_id")?,
                since_ms: unsigned(row.newest_received_ms, "commits.received_at")?,
                newest: Some(NewestSnapshot {
                    seq: unsigned(row.newest_seq, "commits.seq")?,
                    received_ms: unsigned(row.newest_received_ms, "commits.received_at")?,
                }),
                proven_ms: None,
                overdue: false,
                closed: false,
                snapshots: unsigned(row.snapshots, "commits")?,
                blobs: copies.iter().map(|count| count.blobs).sum(),
                stored_bytes,
                copies,
            })
        })
        .collect()
}

/// By source: how many blobs have how many living copies, and the bytes of all.
async fn count_copies(
    conn: &mut PgConnection,
    vault: VaultKey,
) -> Result<BTreeMap<SourceKey, (Vec<CopiesCount>, u64)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT source_id AS "source_id!", zones AS "zones!", count(*) AS "blobs!",
                  coalesce(sum(size), 0)::bigint AS "bytes!"
           FROM (SELECT r.source_id, b.size,
                        (SELECT count(DISTINCT l.zone) FROM live_replicas l WHERE l.blob_id = b.id) AS zones
                 FROM sources s JOIN refs r ON r.source_id = s.id JOIN blobs b ON b.id = r.blob_id
                 WHERE s.vault_id = $1) counted
           GROUP BY source_id, zones ORDER BY source_id, zones"#,
        vault.0
    )
    .fetch_all(conn)
    .await?;
    let mut out: BTreeMap<SourceKey, (Vec<CopiesCount>, u64)> = BTreeMap::new();
    for row in rows {
        let (copies, bytes) = out.entry(SourceKey(row.source_id)).or_default();
        let count = CopiesCount {
            copies: stored(row.zones.try_into(), "live_replicas")?,
            blobs: unsigned(row.blobs, "refs")?,
        };
        copies.push(count);
        *bytes += unsigned(row.bytes, "blobs.size")?;
    }
    Ok(out)
}

/// All nodes that are up run on one machine.
pub async fn single_machine(conn: &mut PgConnection) -> Result<bool, DbError> {
    let machines = sqlx::query_scalar!(
        r#"SELECT count(DISTINCT machine) AS "machines!" FROM nodes WHERE state IN ('up', 'read_only')"#
    );
    Ok(machines.fetch_one(conn).await? == 1)
}
