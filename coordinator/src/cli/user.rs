//! Accounts: who there is, what they take, and what they may.

use std::fmt::Write as _;

use clap::{Subcommand, ValueEnum};
use configuration::SecretSource;
use protocol::sessions::AccountRole;
use protocol::users::User;
use sqlx::Connection as _;

use super::invitation::{InvitationCommand, invitation};
use super::{Access, connect, size, to_json, utc};
use crate::db;
use crate::db::accounts::role_name;
use crate::db::audit_log::Actor;
use crate::db::users::Which;
use crate::users::{self, quota_word};

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Show all accounts, those that take most first.
    List {
        #[command(flatten)]
        access: Access,
    },
    /// Let an account hold so many bytes, one copy counted, or as many as there are.
    SetQuota {
        /// The account's login.
        login: String,
        /// Bytes, like 500G, or `none`.
        #[arg(value_parser = parse_quota)]
        quota: Quota,
        #[command(flatten)]
        access: Access,
    },
    /// Make an account an operator's or a member's.
    SetRole {
        /// The account's login.
        login: String,
        /// What it may do from now on.
        role: Role,
        #[command(flatten)]
        access: Access,
    },
    #[command(flatten)]
    Invitation(InvitationCommand),
}

/// Bytes; none is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota(pub(super) Option<u64>);

/// What an account may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Role {
    /// Also runs the server.
    Operator,
    /// Uses it.
    Member,
}

impl From<Role> for AccountRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Operator => Self::Operator,
            Role::Member => Self::Member,
        }
    }
}

/// Does it. The answer is to be printed.
///
/// # Errors
/// What is wrong, for the operator.
pub async fn user(command: UserCommand, database: &SecretSource) -> anyhow::Result<String> {
    match command {
        UserCommand::List { access } => {
            let users = db::users::list(&mut connect(database).await?).await?;
            if access.json { to_json(&users) } else { table(&users) }
        }
        UserCommand::SetQuota { login, quota: Quota(bytes), access } => {
            let mut conn = connect(database).await?;
            let mut tx = conn.begin().await?;
            users::set_quota(&mut tx, Which::Login(&login), bytes, Actor::default()).await?;
            tx.commit().await?;
            let json = serde_json::json!({ "login": login, "quota_bytes": bytes });
            let done = format!("the quota of {login} is {}\n", quota_word(bytes));
            if access.json { to_json(&json) } else { Ok(done) }
        }
        UserCommand::SetRole { login, role, access } => {
            let role = AccountRole::from(role);
            let mut conn = connect(database).await?;
            let mut tx = conn.begin().await?;
            users::set_role(&mut tx, Which::Login(&login), role, Actor::default()).await?;
            tx.commit().await?;
            let json = serde_json::json!({ "login": login, "role": role });
            if access.json { to_json(&json) } else { Ok(format!("{login} is a {} now\n", role_name(role))) }
        }
        UserCommand::Invitation(command) => invitation(command, database).await,
    }
}

fn table(users: &[User]) -> anyhow::Result<String> {
    let mut out = format!("{:>8}  {:>8}  {:8}  {:19}  LOGIN\n", "USED", "QUOTA", "ROLE", "SIGNED IN (UTC)");
    for user in users {
        let quota = user.quota_bytes.map_or("none".to_owned(), size);
        let signed_in = user.signed_in_ms.map(utc).transpose()?.unwrap_or_else(|| "-".to_owned());
        let (used, role) = (size(user.used_bytes), role_name(user.role));
        let _ = writeln!(out, "{used:>8}  {quota:>8}  {role:8}  {signed_in:19}  {}", user.login);
    }
    Ok(out)
}

/// A number with K, M, G or T behind it, or `none`.
pub(super) fn parse_quota(text: &str) -> Result<Quota, String> {
    if text == "none" {
        return Ok(Quota(None));
    }
    let (digits, shift) = match text.char_indices().next_back() {
        Some((at, 'K')) => (&text[..at], 10),
        Some((at, 'M')) => (&text[..at], 20),
        Some((at, 'G')) => (&text[..at], 30),
        Some((at, 'T')) => (&text[..at], 40),
        _ => (text, 0),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    let bytes = bytes.filter(|bytes| i64::try_from(*bytes).is_ok());
    bytes.map(|bytes| Quota(Some(bytes))).ok_or_else(|| "expected bytes, like 500G, or none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_bytes_or_none() {
        let parsed = |text| parse_quota(text).ok().map(|Quota(bytes)| bytes);
        assert_eq!(parsed("none"), Some(None));
        assert_eq!(parsed("0"), Some(Some(0)));
        assert_eq!(parsed("7K"), Some(Some(7 << 10)));
        assert_eq!(parsed("500G"), Some(Some(500 << 30)));
        for bad in ["", "G", "-1", "1.5G", "1g", "9223372036854775808", "99999999T"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
