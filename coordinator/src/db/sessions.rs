//! Web sessions, by the hash of their token.

use protocol::id::AccountId;
use protocol::limits::{SESSION_IDLE_SECONDS, SESSION_SECONDS};
use protocol::sessions::SessionResponse;
use protocol::signature::PublicKey;
use sqlx::PgConnection;

use super::{AccountKey, DbError, accounts::parse_role, changed_one, interval, stored};

/// A session in force.
#[derive(Debug)]
pub struct SessionRow {
    /// Whose it is.
    pub account: AccountKey,
    /// Who that is, for people.
    pub who: SessionResponse,
    /// Verifies the account's envelopes.
    pub identity: PublicKey,
    /// The passphrase was proven in it within the time asked for.
    pub is_stepped_up: bool,
}

/// Starts a session, and forgets this account's old ones.
pub async fn insert(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    account: AccountKey,
) -> Result<(), DbError> {
    sqlx::query!(
        "DELETE FROM sessions WHERE account_id = $1
         AND (created_at < now() - make_interval(secs => $2) OR last_used_at < now() - make_interval(secs => $3))",
        account.0,
        interval(SESSION_SECONDS),
        interval(SESSION_IDLE_SECONDS),
    )
    .execute(&mut *conn)
    .await?;
    let inserted =
        sqlx::query!("INSERT INTO sessions (token_hash, account_id) VALUES ($1, $2)", token_hash, account.0)
            .execute(conn)
            .await?;
    changed_one(&inserted, "sessions")
}

/// The session of a token, if it is in force; counts as a use. A proof of the passphrase counts for `step_up_s`.
pub async fn find(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    step_up_s: u64,
) -> Result<Option<SessionRow>, DbError> {
    let row = sqlx::query!(
        r#"SELECT a.id, a.public_id, a.login, a.role, a.identity,
                  s.last_used_at < now() - interval '1 minute' AS "stale!",
                  s.proven_at > now() - make_interval(secs => $4) AS "stepped_up!"
           FROM sessions s JOIN accounts a ON a.id = s.account_id
           WHERE s.token_hash = $1 AND s.created_at > now() - make_interval(secs => $2)
             AND s.last_used_at > now() - make_interval(secs => $3)"#,
        token_hash,
        interval(SESSION_SECONDS),
        interval(SESSION_IDLE_SECONDS),
        interval(step_up_s),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.stale {
        // At most one write a minute and session. It may have been ended meanwhile, which is no fault.
        sqlx::query!("UPDATE sessions SET last_used_at = now() WHERE token_hash = $1", token_hash)
            .execute(conn)
            .await?;
    }
    Ok(Some(SessionRow {
        account: AccountKey(row.id),
        who: SessionResponse {
            account: stored(AccountId::from_slice(&row.public_id), "accounts.public_id")?,
            login: row.login,
            role: parse_role(&row.role)?,
        },
        identity: PublicKey::from_bytes(stored(row.identity.try_into(), "accounts.identity")?),
        is_stepped_up: row.stepped_up,
    }))
}

/// The passphrase was proven in the session just now.
pub async fn step_up(conn: &mut PgConnection, token_hash: &[u8; 32]) -> Result<(), DbError> {
    // The session may have ended meanwhile, which is no fault.
    sqlx::query!("UPDATE sessions SET proven_at = now() WHERE token_hash = $1", token_hash)
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends a session.
pub async fn delete(conn: &mut PgConnection, token_hash: &[u8; 32]) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM sessions WHERE token_hash = $1", token_hash).execute(conn).await?;
    Ok(())
}
