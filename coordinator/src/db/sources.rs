//! Sources of snapshots, and how durable they are.

use std::collections::BTreeMap;

use protocol::id::{DeviceId, SourceId};
use protocol::sources::{CopiesCount, NewestSnapshot, SourceStatus};
use sqlx::PgConnection;

use super::{DbError, SourceKey, VaultKey, changed_one, interval, stored, unsigned};

/// Who may write a source, beside the identity and full devices, who always may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// The first device that writes it.
    Nobody,
    /// No other.
    Owner,
    /// This device.
    Device(DeviceId),
}

/// A source.
#[derive(Debug)]
pub struct SourceRow {
    /// Surrogate key.
    pub key: SourceKey,
    /// Who may write it.
    pub binding: Binding,
    /// It has a snapshot that is not partial.
    pub complete: bool,
    /// It takes no more commits.
    pub closed: bool,
}

/// The vault's source of this id.
pub async fn find(
    conn: &mut PgConnection,
    vault: VaultKey,
    source: &SourceId,
) -> Result<Option<SourceRow>, DbError> {
    let row = sqlx::query!(
        "SELECT id, owners, device, complete, closed FROM sources WHERE vault_id = $1 AND public_id = $2",
        vault.0,
        source.as_bytes()
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let binding = match row.device {
            Some(device) => Binding::Device(stored(DeviceId::from_slice(&device), "sources.device")?),
            None if row.owners => Binding::Owner,
            None => Binding::Nobody,
        };
        Ok(SourceRow { key: SourceKey(row.id), binding, complete: row.complete, closed: row.closed })
    })
    .transpose()
}

/// Adds a source that is nobody's yet and has no snapshot. The caller holds the vault's head.
pub async fn insert(
    conn: &mut PgConnection,
    vault: VaultKey,
    source: &SourceId,
) -> Result<SourceRow, DbError> {
    let id = sqlx::query_scalar!(
        "INSERT INTO sources (vault_id, public_id, owners, complete) VALUES ($1, $2, false, false) RETURNING id",
        vault.0,
        source.as_bytes(),
    );
    let key = SourceKey(id.fetch_one(conn).await?);
    Ok(SourceRow { key, binding: Binding::Nobody, complete: false, closed: false })
}

/// Writes what a commit changed of a source. The caller holds the vault's head.
pub async fn update(conn: &mut PgConnection, source: &SourceRow) -> Result<(), DbError> {
    let device = match &source.binding {
        Binding::Device(device) => Some(device.as_bytes().as_slice()),
        Binding::Nobody | Binding::Owner => None,
    };
    let written = sqlx::query!(
        "UPDATE sources SET owners = $2, device = $3, complete = $4, closed = $5 WHERE id = $1",
        source.key.0,
        source.binding == Binding::Owner,
        device,
        source.complete,
        source.closed,
    );
    changed_one(&written.execute(conn).await?, "sources")
}

/// A sample of the source was read back.
pub async fn prove(conn: &mut PgConnection, source: SourceKey) -> Result<(), DbError> {
    let written = sqlx::query!("UPDATE sources SET proven_at = now() WHERE id = $1", source.0);
    changed_one(&written.execute(conn).await?, "sources")
}

/// How the vault's sources are, in order of id. A device's open source is overdue without a snapshot for so long: one
/// that is bound to a device, or whose newest snapshot a device signed.
pub async fn list_statuses(
    conn: &mut PgConnection,
    vault: VaultKey,
    overdue_seconds: u64,
) -> Result<Vec<SourceStatus>, DbError> {
    let mut copies = count_copies(conn, vault).await?;
    let rows = sqlx::query!(
        r#"SELECT s.id, s.public_id, s.closed, (extract(epoch FROM s.since) * 1000)::bigint AS "since_ms!",
                  (extract(epoch FROM s.proven_at) * 1000)::bigint AS proven_ms,
                  n.snapshots AS "snapshots!", n.seq AS newest_seq,
                  (extract(epoch FROM n.received_at) * 1000)::bigint AS newest_received_ms,
                  NOT s.closed AND (s.device IS NOT NULL OR n.by_device)
                      AND coalesce(n.received_at, s.since) < now() - make_interval(secs => $2) AS "overdue!"
           FROM sources s,
                LATERAL (SELECT count(*) FILTER (WHERE NOT forgotten) AS snapshots, max(seq) AS seq, max(received_at) AS received_at,
                                coalesce((SELECT device IS NOT NULL FROM commits WHERE source_id = s.id AND kind = 1
                                          ORDER BY seq DESC LIMIT 1), false) AS by_device
                         FROM commits WHERE source_id = s.id AND kind = 1) n
           WHERE s.vault_id = $1 ORDER BY s.public_id"#,
        vault.0,
        interval(overdue_seconds),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let (copies, stored_bytes) = copies.remove(&SourceKey(row.id)).unwrap_or_default();
            let newest = row.newest_seq.zip(row.newest_received_ms).map(|(seq, received_ms)| {
                Ok::<_, DbError>(NewestSnapshot {
                    seq: unsigned(seq, "commits.seq")?,
                    received_ms: unsigned(received_ms, "commits.received_at")?,
                })
            });
            Ok(SourceStatus {
                source: stored(SourceId::from_slice(&row.public_id), "sources.public_id")?,
                since_ms: unsigned(row.since_ms, "sources.since")?,
                newest: newest.transpose()?,
                proven_ms: row.proven_ms.map(|ms| unsigned(ms, "sources.proven_at")).transpose()?,
                overdue: row.overdue,
                closed: row.closed,
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
        r#"SELECT count(DISTINCT machine) AS "machines!" FROM nodes
           WHERE state IN ('up', 'read_only') AND intent <> 'gone'"#
    );
    Ok(machines.fetch_one(conn).await? == 1)
}
