//! What happened that concerns security.

use std::fmt::Write as _;

use clap::Subcommand;
use configuration::SecretSource;
use protocol::audit_log::AuditEntry;

use super::{Access, connect, to_json, utc};
use crate::db;

/// What can be done with the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Show the newest entries, newest first.
    List {
        /// Only what was before this entry.
        #[arg(long, value_name = "ID")]
        before: Option<u64>,
        #[command(flatten)]
        access: Access,
    },
}

/// Does it. The answer is to be printed.
///
/// # Errors
/// What is wrong, for the operator.
pub async fn audit(command: AuditCommand, database: &SecretSource) -> anyhow::Result<String> {
    let AuditCommand::List { before, access } = command;
    let entries = db::audit_log::list(&mut connect(database).await?, before).await?;
    if access.json { to_json(&entries) } else { table(&entries) }
}

fn table(entries: &[AuditEntry]) -> anyhow::Result<String> {
    let mut out =
        format!("{:>8}  {:19}  {:20}  {:24}  {:15}  ABOUT\n", "ID", "TIME (UTC)", "EVENT", "LOGIN", "FROM");
    for entry in entries {
        let at = utc(entry.at_ms)?;
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let [login, client, about] = [&entry.login, &entry.client, &entry.about].map(or_dash);
        let _ = writeln!(out, "{:>8}  {at}  {:20}  {login:24}  {client:15}  {about}", entry.id, entry.event);
    }
    Ok(out)
}
