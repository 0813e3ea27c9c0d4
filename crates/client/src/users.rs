//! Who uses the server, what they may, and what happened: for the operator. And what an account takes, for its owner.

use std::fmt::Display;

use protocol::audit_log::{AuditEntry, AuditLogResponse};
use protocol::id::{AccountId, InvitationId};
use protocol::invitations::{Invitation, InvitationsResponse, InviteRequest, InviteResponse};
use protocol::routes::coordinator as routes;
use protocol::sessions::AccountRole;
use protocol::users::{SetQuotaRequest, SetRoleRequest, UsageResponse, User, UsersResponse};

use crate::account::Account;
use crate::api::{Body, read_json};
use crate::error::Error;

impl Account {
    /// What the account takes and may take.
    pub async fn usage(&self) -> Result<UsageResponse, Error> {
        self.client().get(routes::USAGE, &[]).await
    }

    /// All accounts, those that take most first. For the operator.
    pub async fn users(&self) -> Result<Vec<User>, Error> {
        let answer: UsersResponse = self.client().get(routes::USERS, &[]).await?;
        Ok(answer.users)
    }

    /// Lets an account hold so many bytes, or as many as there are. For the operator.
    pub async fn set_quota(&self, account: AccountId, quota_bytes: Option<u64>) -> Result<(), Error> {
        self.client().command(routes::SET_QUOTA, &[&account], &SetQuotaRequest { quota_bytes }).await
    }

    /// Makes an account an operator's or a member's. For the operator, shortly after the passphrase was proven.
    pub async fn set_role(&self, account: AccountId, role: AccountRole) -> Result<(), Error> {
        self.client().command(routes::SET_ROLE, &[&account], &SetRoleRequest { role }).await
    }

    /// Invitations that are open, the newest first. For the operator.
    pub async fn invitations(&self) -> Result<Vec<Invitation>, Error> {
        let answer: InvitationsResponse = self.client().get(routes::INVITATIONS, &[]).await?;
        Ok(answer.invitations)
    }

    /// Invites somebody. For the operator, shortly after the passphrase was proven. Where an answer was lost there is an
    /// invitation more, whose link nobody has.
    pub async fn invite(&self, request: &InviteRequest) -> Result<InviteResponse, Error> {
        self.client().repeat(routes::INVITE, &[], request).await
    }

    /// Takes an invitation back. For the operator.
    pub async fn revoke_invitation(&self, invitation: InvitationId) -> Result<(), Error> {
        let values: [&dyn Display; 1] = [&invitation];
        let client = self.client();
        client.retry(|| client.send_once(routes::REVOKE_INVITATION, &values, Body::Empty)).await.map(drop)
    }

    /// What happened that concerns security, newest first: the newest page, or the one before an entry. For the
    /// operator.
    pub async fn audit_log(&self, before: Option<u64>) -> Result<Vec<AuditEntry>, Error> {
        let query = before.map_or_else(String::new, |id| format!("?before={id}"));
        let answer: AuditLogResponse =
            read_json(&self.client().get_octets(routes::AUDIT_LOG, &[], &query).await?)?;
        Ok(answer.entries)
    }
}
