//! Accounts, invitations and the log, for the operator; and one's own use.

use protocol::audit_log::AuditEntry;
use protocol::invitations::{Invitation, InviteRequest, InviteResponse};
use protocol::users::{UsageResponse, User};

use super::desk::Desk;
use super::failure;
use crate::failure::Failure;
use crate::message::{AuditLog, InvitePerson, RevokeInvitation, SetQuota, SetRole};

pub(super) async fn usage(desk: &Desk) -> Result<UsageResponse, Failure> {
    desk.opened()?.account.usage().await.map_err(|error| failure::told(&error))
}

pub(super) async fn list(desk: &Desk) -> Result<Vec<User>, Failure> {
    desk.opened()?.account.users().await.map_err(|error| failure::told(&error))
}

pub(super) async fn set_quota(desk: &Desk, ask: SetQuota) -> Result<(), Failure> {
    let account = desk.opened()?.account;
    account.set_quota(ask.account, ask.quota_bytes).await.map_err(|error| failure::told(&error))
}

pub(super) async fn set_role(desk: &Desk, ask: SetRole) -> Result<(), Failure> {
    let account = desk.opened()?.account;
    account.set_role(ask.account, ask.role).await.map_err(|error| failure::told(&error))
}

pub(super) async fn invitations(desk: &Desk) -> Result<Vec<Invitation>, Failure> {
    desk.opened()?.account.invitations().await.map_err(|error| failure::told(&error))
}

pub(super) async fn invite(desk: &Desk, ask: InvitePerson) -> Result<InviteResponse, Failure> {
    let account = desk.opened()?.account;
    let InvitePerson { expires_seconds, role, quota_bytes } = ask;
    let request = InviteRequest { expires_seconds, role, quota_bytes };
    account.invite(&request).await.map_err(|error| failure::told(&error))
}

pub(super) async fn revoke_invitation(desk: &Desk, ask: RevokeInvitation) -> Result<(), Failure> {
    let account = desk.opened()?.account;
    account.revoke_invitation(ask.invitation).await.map_err(|error| failure::told(&error))
}

pub(super) async fn audit_log(desk: &Desk, ask: AuditLog) -> Result<Vec<AuditEntry>, Failure> {
    desk.opened()?.account.audit_log(ask.before).await.map_err(|error| failure::told(&error))
}
