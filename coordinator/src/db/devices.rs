//! Devices and the keys that are wrapped for them.

use protocol::bytes::Base64;
use protocol::devices::{DeviceStatus, DeviceVaultKey};
use protocol::envelope::device_certificate::DeviceCertificate;
use protocol::id::{DeviceId, VaultId};
use protocol::signature::PublicKey;
use sqlx::PgConnection;

use super::{
    AccountKey, DbError, DeviceKey, DeviceStreamKey, VaultKey, broken_constraint, changed_one, interval,
    stored, unsigned,
};

/// A stream that was not seen for this long, in seconds, ended with its coordinator.
const STREAM_STALE_SECONDS: u64 = 45;

/// A device in force.
#[derive(Debug)]
pub struct DeviceRow {
    /// Surrogate key.
    pub key: DeviceKey,
    /// Whose it is.
    pub account: AccountKey,
    /// Verifies the account's envelopes.
    pub identity: PublicKey,
    /// Its certificate in the newest account state.
    pub certificate: DeviceCertificate,
}

impl DeviceRow {
    pub(super) fn from_stored(
        key: i64,
        account: i64,
        identity: Vec<u8>,
        certificate: &[u8],
    ) -> Result<Self, DbError> {
        let identity = PublicKey::from_bytes(stored(identity.try_into(), "accounts.identity")?);
        let certificate = stored(DeviceCertificate::verify(certificate, &identity), "devices.certificate")?;
        Ok(Self { key: DeviceKey(key), account: AccountKey(account), identity, certificate })
    }
}

/// The device of this id, unless it is revoked.
pub async fn find(conn: &mut PgConnection, device: &DeviceId) -> Result<Option<DeviceRow>, DbError> {
    let row = sqlx::query!(
        r#"SELECT d.id, d.account_id, a.identity, d.certificate AS "certificate!"
           FROM devices d JOIN accounts a ON a.id = d.account_id
           WHERE d.public_id = $1 AND d.certificate IS NOT NULL"#,
        device.as_bytes()
    );
    let row = row.fetch_optional(conn).await?;
    row.map(|row| DeviceRow::from_stored(row.id, row.account_id, row.identity, &row.certificate)).transpose()
}

/// Adds a device. `None` if the id is taken.
pub async fn insert(
    conn: &mut PgConnection,
    account: AccountKey,
    device: &DeviceId,
    certificate: &[u8],
    device_wrap: &[u8],
) -> Result<Option<DeviceKey>, DbError> {
    let inserted = sqlx::query_scalar!(
        "INSERT INTO devices (account_id, public_id, certificate, device_wrap) VALUES ($1, $2, $3, $4) RETURNING id",
        account.0,
        device.as_bytes(),
        certificate,
        device_wrap,
    );
    match inserted.fetch_one(conn).await {
        Ok(id) => Ok(Some(DeviceKey(id))),
        Err(error) if broken_constraint(&error) == Some("devices_public_id_key") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Takes a device's certificate away, and with it its sessions and keys.
pub async fn revoke(conn: &mut PgConnection, account: AccountKey, device: &DeviceId) -> Result<(), DbError> {
    let key = sqlx::query_scalar!(
        "UPDATE devices SET certificate = NULL
         WHERE account_id = $1 AND public_id = $2 AND certificate IS NOT NULL RETURNING id",
        account.0,
        device.as_bytes(),
    );
    let key = key.fetch_optional(&mut *conn).await?.ok_or(DbError::Unwritten("devices"))?;
    sqlx::query!("DELETE FROM device_sessions WHERE device_id = $1", key).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM device_keys WHERE device_id = $1", key).execute(conn).await?;
    Ok(())
}

/// All devices of an account, by the time of their enrolment.
pub async fn list(conn: &mut PgConnection, account: AccountKey) -> Result<Vec<DeviceStatus>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT d.public_id, d.device_wrap, (extract(epoch FROM d.enrolled_at) * 1000)::bigint AS "enrolled_ms!",
                  (extract(epoch FROM d.last_seen_at) * 1000)::bigint AS last_seen_ms,
                  EXISTS (SELECT FROM device_streams s WHERE s.device_id = d.id
                          AND s.seen_at > now() - make_interval(secs => $2)) AS "online!"
           FROM devices d WHERE d.account_id = $1 ORDER BY d.enrolled_at, d.id"#,
        account.0,
        interval(STREAM_STALE_SECONDS),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let last_seen = row.last_seen_ms.map(|ms| unsigned(ms, "devices.last_seen_at"));
            Ok(DeviceStatus {
                device: stored(DeviceId::from_slice(&row.public_id), "devices.public_id")?,
                enrolled_ms: unsigned(row.enrolled_ms, "devices.enrolled_at")?,
                last_seen_ms: last_seen.transpose()?,
                online: row.online,
                device_wrap: Base64(row.device_wrap),
            })
        })
        .collect()
}

/// Stores a vault's keys for the account's device in force; newer ones replace older ones, which they contain.
pub async fn put_key(
    conn: &mut PgConnection,
    account: AccountKey,
    device: &DeviceId,
    vault: VaultKey,
    epoch: i32,
    wrap: &[u8],
) -> Result<(), DbError> {
    let written = sqlx::query!(
        "INSERT INTO device_keys (device_id, vault_id, epoch, wrap)
         SELECT id, $3, $4, $5 FROM devices WHERE account_id = $1 AND public_id = $2 AND certificate IS NOT NULL
         ON CONFLICT (device_id, vault_id) DO UPDATE SET epoch = excluded.epoch, wrap = excluded.wrap
         WHERE device_keys.epoch < excluded.epoch",
        account.0,
        device.as_bytes(),
        vault.0,
        epoch,
        wrap,
    )
    .execute(conn)
    .await?;
    changed_one(&written, "device_keys")
}

/// The newest keys of each of a device's vaults, by vault.
pub async fn list_keys(conn: &mut PgConnection, device: DeviceKey) -> Result<Vec<DeviceVaultKey>, DbError> {
    let rows = sqlx::query!(
        "SELECT v.public_id, k.epoch, k.wrap FROM device_keys k JOIN vaults v ON v.id = k.vault_id
         WHERE k.device_id = $1 ORDER BY v.public_id",
        device.0
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(DeviceVaultKey {
                vault: stored(VaultId::from_slice(&row.public_id), "vaults.public_id")?,
                epoch: stored(row.epoch.try_into(), "device_keys.epoch")?,
                wrap: Base64(row.wrap),
            })
        })
        .collect()
}

/// The device called.
pub async fn touch(conn: &mut PgConnection, device: DeviceKey) -> Result<(), DbError> {
    let touched = sqlx::query!("UPDATE devices SET last_seen_at = now() WHERE id = $1", device.0);
    changed_one(&touched.execute(conn).await?, "devices")
}

/// The device listens for events from now on. Forgets its streams that ended with their coordinator.
pub async fn open_stream(conn: &mut PgConnection, device: DeviceKey) -> Result<DeviceStreamKey, DbError> {
    sqlx::query!(
        "DELETE FROM device_streams WHERE device_id = $1 AND seen_at < now() - make_interval(secs => $2)",
        device.0,
        interval(STREAM_STALE_SECONDS),
    )
    .execute(&mut *conn)
    .await?;
    touch(conn, device).await?;
    let id = sqlx::query_scalar!("INSERT INTO device_streams (device_id) VALUES ($1) RETURNING id", device.0);
    Ok(DeviceStreamKey(id.fetch_one(conn).await?))
}

/// The stream is still open: the device is seen. False if it is to end, because the device was revoked.
pub async fn keep_stream(conn: &mut PgConnection, stream: DeviceStreamKey) -> Result<bool, DbError> {
    let seen = sqlx::query!(
        "WITH kept AS (UPDATE device_streams SET seen_at = now() WHERE id = $1 RETURNING device_id)
         UPDATE devices SET last_seen_at = now() FROM kept WHERE id = kept.device_id AND certificate IS NOT NULL",
        stream.0
    );
    Ok(seen.execute(conn).await?.rows_affected() == 1)
}

/// The stream ended.
pub async fn close_stream(conn: &mut PgConnection, stream: DeviceStreamKey) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM device_streams WHERE id = $1", stream.0).execute(conn).await?;
    Ok(())
}
