//! Sealed messages on their way.

use protocol::bytes::Base64;
use protocol::id::{DeviceId, VaultId};
use protocol::limits::{MESSAGE_SECONDS, MESSAGES_MAX};
use protocol::messages::{Direction, Message};
use sqlx::PgConnection;

use super::{AccountKey, DbError, DeviceKey, VaultKey, interval, stored, unsigned};

/// Keeps a message for passing on, and forgets old ones; its number. `None` if too many of the device's are kept.
pub async fn insert(
    conn: &mut PgConnection,
    device: DeviceKey,
    vault: VaultKey,
    message: &Message,
) -> Result<Option<i64>, DbError> {
    sqlx::query!(
        "DELETE FROM messages WHERE sent_at < now() - make_interval(secs => $1)",
        interval(MESSAGE_SECONDS)
    )
    .execute(&mut *conn)
    .await?;
    let id = sqlx::query_scalar!(
        "INSERT INTO messages (device_id, vault_id, to_device, counter, sealed)
         SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM messages WHERE device_id = $1) < $6
         RETURNING id",
        device.0,
        vault.0,
        message.direction == Direction::ToDevice,
        stored(i64::try_from(message.counter), "messages.counter")?,
        &message.sealed.0,
        i64::try_from(MESSAGES_MAX).expect("a small number"),
    );
    Ok(id.fetch_optional(conn).await?)
}

/// A message, and whose device it is to or from; unless it is gone.
pub async fn find(conn: &mut PgConnection, id: i64) -> Result<Option<(AccountKey, Message)>, DbError> {
    let row = sqlx::query!(
        "SELECT d.account_id, d.public_id AS device, v.public_id AS vault, m.to_device, m.counter, m.sealed
         FROM messages m JOIN devices d ON d.id = m.device_id JOIN vaults v ON v.id = m.vault_id
         WHERE m.id = $1",
        id
    );
    let row = row.fetch_optional(conn).await?;
    row.map(|row| {
        let message = Message {
            vault: stored(VaultId::from_slice(&row.vault), "vaults.public_id")?,
            device: stored(DeviceId::from_slice(&row.device), "devices.public_id")?,
            direction: if row.to_device { Direction::ToDevice } else { Direction::FromDevice },
            counter: unsigned(row.counter, "messages.counter")?,
            sealed: Base64(row.sealed),
        };
        Ok((AccountKey(row.account_id), message))
    })
    .transpose()
}
