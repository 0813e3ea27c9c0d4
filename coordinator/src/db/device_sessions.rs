//! Device sessions, by the hash of their token, and the nonces of the requests that begin them.

use protocol::limits::{DEVICE_SESSION_SECONDS, NONCE_SECONDS};
use sqlx::PgConnection;

use super::devices::DeviceRow;
use super::{DbError, DeviceKey, changed_one, interval};

/// Starts a session, and forgets this device's old ones.
pub async fn insert(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    device: DeviceKey,
) -> Result<(), DbError> {
    sqlx::query!(
        "DELETE FROM device_sessions WHERE device_id = $1 AND created_at < now() - make_interval(secs => $2)",
        device.0,
        interval(DEVICE_SESSION_SECONDS),
    )
    .execute(&mut *conn)
    .await?;
    let inserted = sqlx::query!(
        "INSERT INTO device_sessions (token_hash, device_id) VALUES ($1, $2)",
        token_hash,
        device.0
    );
    changed_one(&inserted.execute(conn).await?, "device_sessions")
}

/// The device of a token, if the session and the device's certificate are in force.
pub async fn find(conn: &mut PgConnection, token_hash: &[u8; 32]) -> Result<Option<DeviceRow>, DbError> {
    let row = sqlx::query!(
        r#"SELECT d.id, d.account_id, a.identity, d.certificate AS "certificate!"
           FROM device_sessions s JOIN devices d ON d.id = s.device_id JOIN accounts a ON a.id = d.account_id
           WHERE s.token_hash = $1 AND s.created_at > now() - make_interval(secs => $2)
             AND d.certificate IS NOT NULL"#,
        token_hash,
        interval(DEVICE_SESSION_SECONDS),
    );
    let row = row.fetch_optional(conn).await?;
    row.map(|row| DeviceRow::from_stored(row.id, row.account_id, row.identity, &row.certificate)).transpose()
}

/// Remembers a nonce, and forgets those of requests that are too old to be replayed. False if it was used before.
pub async fn use_nonce(
    conn: &mut PgConnection,
    device: DeviceKey,
    nonce: &[u8; 16],
) -> Result<bool, DbError> {
    let inserted = sqlx::query!(
        "INSERT INTO device_nonces (device_id, nonce) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        device.0,
        nonce
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "DELETE FROM device_nonces WHERE seen_at < now() - make_interval(secs => $1)",
        interval(NONCE_SECONDS)
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
