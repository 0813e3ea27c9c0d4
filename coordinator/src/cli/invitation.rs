//! Invitations: who may make an account.

use std::fmt::Write as _;

use anyhow::bail;
use clap::Subcommand;
use configuration::SecretSource;
use protocol::id::InvitationId;
use protocol::invitations::{Invitation, InviteRequest};
use sqlx::Connection as _;

use super::user::{Quota, Role, parse_quota};
use super::{Access, connect, size, to_json, utc};
use crate::config::{Registration, parse_origin};
use crate::db;
use crate::db::accounts::role_name;
use crate::db::audit_log::Actor;
use crate::users;

/// What can be done with invitations.
#[derive(Debug, Subcommand)]
pub enum InvitationCommand {
    /// Invite somebody: prints a link by which one account can be made, once.
    Invite {
        /// How long the link is good, like 12h or 7d.
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_expiry)]
        expires: u64,
        /// What the account may do.
        #[arg(long, default_value = "member")]
        role: Role,
        /// What it may hold in bytes, like 500G, or `none`.
        #[arg(long, value_name = "BYTES", default_value = "none", value_parser = parse_quota)]
        quota: Quota,
        /// The coordinator's public URL, as it is told.
        #[arg(long, env = "TRIPLICATE_PUBLIC_URL", default_value = "http://localhost:8080",
              value_parser = parse_origin)]
        public_url: String,
        /// Who may register, as the coordinator is told.
        #[arg(long, env = "TRIPLICATE_REGISTRATION", default_value = "invite")]
        registration: Registration,
        #[command(flatten)]
        access: Access,
    },
    /// Show the invitations that are open.
    Invitations {
        #[command(flatten)]
        access: Access,
    },
    /// Take an invitation back.
    RevokeInvitation {
        /// Its id, as `user invitations` shows it.
        invitation: InvitationId,
        #[command(flatten)]
        access: Access,
    },
}

/// Does it. The answer is to be printed.
///
/// # Errors
/// What is wrong, for the operator.
pub(super) async fn invitation(
    command: InvitationCommand,
    database: &SecretSource,
) -> anyhow::Result<String> {
    let mut conn = connect(database).await?;
    let mut tx = conn.begin().await?;
    let answer = match command {
        InvitationCommand::Invite {
            expires,
            role,
            quota: Quota(bytes),
            public_url,
            registration,
            access,
        } => {
            if registration == Registration::Closed {
                bail!("registration is closed, also to those who are invited");
            }
            let request = InviteRequest { expires_seconds: expires, role: role.into(), quota_bytes: bytes };
            let invited = users::invite(&mut tx, &request, &public_url, Actor::default()).await?;
            if access.json { to_json(&invited)? } else { format!("{}\n", invited.link) }
        }
        InvitationCommand::Invitations { access } => {
            let open = db::invitations::list(&mut tx).await?;
            if access.json { to_json(&open)? } else { table(&open)? }
        }
        InvitationCommand::RevokeInvitation { invitation, access } => {
            users::revoke_invitation(&mut tx, &invitation, Actor::default()).await?;
            let json = serde_json::json!({ "invitation": invitation });
            if access.json { to_json(&json)? } else { format!("{invitation} is taken back\n") }
        }
    };
    tx.commit().await?;
    Ok(answer)
}

fn table(open: &[Invitation]) -> anyhow::Result<String> {
    let mut out = format!("{:32}  {:8}  {:>8}  {:19}  INVITED BY\n", "ID", "ROLE", "QUOTA", "ENDS (UTC)");
    for it in open {
        let quota = it.quota_bytes.map_or("none".to_owned(), size);
        let (role, ends) = (role_name(it.role), utc(it.expires_ms)?);
        let by = it.invited_by.as_deref().unwrap_or("-");
        let _ = writeln!(out, "{}  {role:8}  {quota:>8}  {ends}  {by}", it.invitation);
    }
    Ok(out)
}

/// Hours or days, as seconds.
fn parse_expiry(text: &str) -> Result<u64, String> {
    let (digits, seconds) = match text.char_indices().next_back() {
        Some((at, 'h')) => (&text[..at], 3600),
        Some((at, 'd')) => (&text[..at], 24 * 3600),
        _ => ("", 0),
    };
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    seconds.ok_or_else(|| "expected hours or days, like 12h or 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_good_for_hours_or_days() {
        assert_eq!(parse_expiry("12h"), Ok(12 * 3600));
        assert_eq!(parse_expiry("7d"), Ok(7 * 24 * 3600));
        for bad in ["", "d", "7", "-1d", "1.5d", "7w", "99999999999999999d"] {
            assert!(parse_expiry(bad).is_err(), "{bad}");
        }
    }
}
