//! What an operator wants of accounts, and whom they invite: the same for the command line and for the web app.

use protocol::audit_log::AuditEvent;
use protocol::id::InvitationId;
use protocol::invitations::{InviteRequest, InviteResponse};
use protocol::limits::{INVITATION_SECONDS_MAX, INVITATIONS_MAX};
use protocol::sessions::AccountRole;
use sqlx::PgConnection;

use crate::db::accounts::role_name;
use crate::db::audit_log::Actor;
use crate::db::invitations::NewInvitation;
use crate::db::users::{Account, Which};
use crate::db::{self, DbError};
use crate::random;

/// Why an operator's wish is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No such account.
    #[error("no account has the login or id {0}")]
    UnknownAccount(String),
    /// Nobody would be an operator any more.
    #[error("{0} is the only operator; make another account one first")]
    LastOperator(String),
    /// No such invitation, or it is open no more.
    #[error("no open invitation has this id")]
    UnknownInvitation,
    /// The invitation would end too late, or at once.
    #[error("an invitation is good for a second to a year")]
    Expiry,
    /// So many are open.
    #[error("too many invitations are open; revoke some")]
    TooManyInvitations,
    /// The database refused, failed or is away.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Lets an account hold so many bytes, one copy counted, or as many as there are.
///
/// # Errors
/// [`Refused`].
pub async fn set_quota(
    conn: &mut PgConnection,
    which: Which<'_>,
    quota_bytes: Option<u64>,
    actor: Actor,
) -> Result<(), Refused> {
    let account = find(conn, which).await?;
    db::users::set_quota(conn, account.key, quota_bytes).await?;
    let about = format!("{} {}", account.login, quota_word(quota_bytes));
    Ok(db::audit_log::note(conn, actor, AuditEvent::QuotaChanged, Some(&about)).await?)
}

/// Makes an account an operator's or a member's. There is always an operator.
///
/// # Errors
/// [`Refused`].
pub async fn set_role(
    conn: &mut PgConnection,
    which: Which<'_>,
    role: AccountRole,
    actor: Actor,
) -> Result<(), Refused> {
    let account = find(conn, which).await?;
    if !db::users::set_role(conn, account.key, role).await? {
        return Err(Refused::LastOperator(account.login));
    }
    let about = format!("{} {}", account.login, role_name(role));
    Ok(db::audit_log::note(conn, actor, AuditEvent::RoleChanged, Some(&about)).await?)
}

/// Invites somebody. The link is told once: what is kept does not give it back.
///
/// # Errors
/// [`Refused`].
pub async fn invite(
    conn: &mut PgConnection,
    request: &InviteRequest,
    public_url: &str,
    actor: Actor,
) -> Result<InviteResponse, Refused> {
    if !(1..=INVITATION_SECONDS_MAX).contains(&request.expires_seconds) {
        return Err(Refused::Expiry);
    }
    if db::invitations::list(conn).await?.len() >= INVITATIONS_MAX {
        return Err(Refused::TooManyInvitations);
    }
    let invitation = random::id(InvitationId::from_bytes);
    let token = random::token();
    let new = NewInvitation {
        id: &invitation,
        token_hash: &random::token_hash(&token),
        by: actor.account,
        wanted: request,
    };
    let expires_ms = db::invitations::insert(conn, &new).await?;
    let about = format!("{invitation} {}", role_name(request.role));
    db::audit_log::note(conn, actor, AuditEvent::InvitationMade, Some(&about)).await?;
    // Behind the #, so that no server sees it in a URL.
    let link = format!("{public_url}/invitation#{token}");
    Ok(InviteResponse { invitation, link, expires_ms })
}

/// Takes an invitation back.
///
/// # Errors
/// [`Refused`].
pub async fn revoke_invitation(
    conn: &mut PgConnection,
    invitation: &InvitationId,
    actor: Actor,
) -> Result<(), Refused> {
    if !db::invitations::delete(conn, invitation).await? {
        return Err(Refused::UnknownInvitation);
    }
    let about = invitation.to_string();
    Ok(db::audit_log::note(conn, actor, AuditEvent::InvitationRevoked, Some(&about)).await?)
}

/// A quota for people and the log.
pub fn quota_word(quota_bytes: Option<u64>) -> String {
    quota_bytes.map_or_else(|| "none".to_owned(), |bytes| bytes.to_string())
}

async fn find(conn: &mut PgConnection, which: Which<'_>) -> Result<Account, Refused> {
    db::users::find(conn, which).await?.ok_or_else(|| {
        Refused::UnknownAccount(match which {
            Which::Login(login) => login.to_owned(),
            Which::Id(id) => id.to_string(),
        })
    })
}
