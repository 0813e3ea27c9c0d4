//! The log of what concerns security.

use std::net::IpAddr;
use std::time::Duration;

use protocol::audit_log::{AuditEntry, AuditEvent};
use protocol::id::AccountId;
use protocol::limits::AUDIT_PAGE_MAX;
use sqlx::PgConnection;

use super::{AccountKey, DbError, stored, unsigned};

/// Who did something, and from where.
#[derive(Debug, Clone, Copy, Default)]
pub struct Actor {
    /// Whose session it was; none for nobody's, and for the command line.
    pub account: Option<AccountKey>,
    /// The client's address; none for the command line.
    pub client: Option<IpAddr>,
}

/// Notes what happened, in the transaction in which it happens.
pub async fn note(
    conn: &mut PgConnection,
    actor: Actor,
    event: AuditEvent,
    about: Option<&str>,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO audit_log (account_id, event, client, about) VALUES ($1, $2, $3, $4)",
        actor.account.map(|account| account.0),
        event.name(),
        actor.client.map(|client| client.to_canonical().to_string()),
        about,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The newest entries, or the newest before one.
pub async fn list(conn: &mut PgConnection, before: Option<u64>) -> Result<Vec<AuditEntry>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT l.id, (extract(epoch FROM l.happened_at) * 1000)::bigint AS "at_ms!", l.event, l.client, l.about,
                  a.public_id AS "public_id?", a.login AS "login?"
           FROM audit_log l LEFT JOIN accounts a ON a.id = l.account_id
           WHERE l.id < $1 ORDER BY l.id DESC LIMIT $2"#,
        before.map_or(i64::MAX, |id| i64::try_from(id).unwrap_or(i64::MAX)),
        stored(i64::try_from(AUDIT_PAGE_MAX), "a limit")?,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let account = row.public_id.map(|id| stored(AccountId::from_slice(&id), "accounts.public_id"));
            Ok(AuditEntry {
                id: unsigned(row.id, "audit_log.id")?,
                at_ms: unsigned(row.at_ms, "audit_log.happened_at")?,
                event: row.event,
                account: account.transpose()?,
                login: row.login,
                client: row.client,
                about: row.about,
            })
        })
        .collect()
}

/// Forgets what is older than that, and the oldest of more than so many; returns how many entries went.
pub async fn forget(conn: &mut PgConnection, keep: Duration, most: u64) -> Result<u64, DbError> {
    let gone = sqlx::query!(
        "DELETE FROM audit_log WHERE happened_at < now() - make_interval(secs => $1)
         OR id <= (SELECT id FROM audit_log ORDER BY id DESC OFFSET $2 LIMIT 1)",
        keep.as_secs_f64(),
        i64::try_from(most).unwrap_or(i64::MAX),
    );
    Ok(gone.execute(conn).await?.rows_affected())
}
