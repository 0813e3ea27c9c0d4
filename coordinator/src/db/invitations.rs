//! Invitations that are open, by the hashes of their tokens.

use protocol::id::InvitationId;
use protocol::invitations::{Invitation, InviteRequest};
use protocol::sessions::AccountRole;
use sqlx::PgConnection;

use super::accounts::{parse_role, role_name};
use super::{AccountKey, DbError, interval, stored, unsigned};

/// A new invitation's row.
#[derive(Debug)]
pub struct NewInvitation<'a> {
    /// Names it.
    pub id: &'a InvitationId,
    /// What is kept of its token.
    pub token_hash: &'a [u8; 32],
    /// Who invites; none for the command line.
    pub by: Option<AccountKey>,
    /// What it is to be.
    pub wanted: &'a InviteRequest,
}

/// What an invitation was for.
#[derive(Debug, Clone, Copy)]
pub struct TakenInvitation {
    /// The invitation.
    pub id: InvitationId,
    /// What the account may do.
    pub role: AccountRole,
    /// What it may hold in bytes, if there is a limit.
    pub quota_bytes: Option<u64>,
}

/// Adds an invitation, and forgets those that have expired; when it ends, in Unix milliseconds.
pub async fn insert(conn: &mut PgConnection, new: &NewInvitation<'_>) -> Result<u64, DbError> {
    sqlx::query!("DELETE FROM invitations WHERE expires_at <= now()").execute(&mut *conn).await?;
    let expires_ms = sqlx::query_scalar!(
        r#"INSERT INTO invitations (public_id, token_hash, account_id, role, quota_bytes, expires_at)
           VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
           RETURNING (extract(epoch FROM expires_at) * 1000)::bigint AS "expires_ms!""#,
        new.id.as_bytes(),
        new.token_hash,
        new.by.map(|account| account.0),
        role_name(new.wanted.role),
        super::users::quota_column(new.wanted.quota_bytes),
        interval(new.wanted.expires_seconds),
    );
    unsigned(expires_ms.fetch_one(conn).await?, "invitations.expires_at")
}

/// Those that are open, the newest first.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Invitation>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT i.public_id, a.login AS "login?", i.role, i.quota_bytes,
                  (extract(epoch FROM i.created_at) * 1000)::bigint AS "created_ms!",
                  (extract(epoch FROM i.expires_at) * 1000)::bigint AS "expires_ms!"
           FROM invitations i LEFT JOIN accounts a ON a.id = i.account_id
           WHERE i.expires_at > now() ORDER BY i.id DESC"#
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Invitation {
                invitation: stored(InvitationId::from_slice(&row.public_id), "invitations.public_id")?,
                invited_by: row.login,
                role: parse_role(&row.role)?,
                quota_bytes: super::users::quota(row.quota_bytes)?,
                created_ms: unsigned(row.created_ms, "invitations.created_at")?,
                expires_ms: unsigned(row.expires_ms, "invitations.expires_at")?,
            })
        })
        .collect()
}

/// Uses an invitation up, if it is open; of two at once, one gets it, or the other if the one's transaction fails.
pub async fn take(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
) -> Result<Option<TakenInvitation>, DbError> {
    let row = sqlx::query!(
        "DELETE FROM invitations WHERE token_hash = $1 AND expires_at > now()
         RETURNING public_id, role, quota_bytes",
        token_hash
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(TakenInvitation {
            id: stored(InvitationId::from_slice(&row.public_id), "invitations.public_id")?,
            role: parse_role(&row.role)?,
            quota_bytes: super::users::quota(row.quota_bytes)?,
        })
    })
    .transpose()
}

/// Takes an invitation back; false if none that is open has this id.
pub async fn delete(conn: &mut PgConnection, invitation: &InvitationId) -> Result<bool, DbError> {
    let deleted = sqlx::query!(
        "DELETE FROM invitations WHERE public_id = $1 AND expires_at > now()",
        invitation.as_bytes()
    );
    Ok(deleted.execute(conn).await?.rows_affected() == 1)
}
