//! The operator's commands. They work on the database directly, so that they need no sign-in and no running server.

mod audit;
mod gc;
mod invitation;
mod user;

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use configuration::SecretSource;
use protocol::id::NodeId;
use protocol::limits::COUNTED_BLOBS_MAX;
use protocol::nodes::{ClusterStatus, NodeStatus};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Postgres, Transaction};
use time::OffsetDateTime;

use crate::db;
use crate::db::audit_log::Actor;
use crate::health::{Intent, Timings};
use crate::operator;
use crate::secrets::Secrets;
pub use audit::{AuditCommand, audit};
pub use gc::{GcCommand, gc};
pub use user::{UserCommand, user};

/// How to answer.
#[derive(Debug, Clone, Copy, Args)]
pub struct Access {
    /// Answer as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What can be done with storage nodes.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Show all storage nodes.
    List {
        #[command(flatten)]
        access: Access,
    },
    /// Empty a storage node: it gets nothing new, and what it has is copied elsewhere while it serves it.
    Drain {
        #[command(flatten)]
        node: Named,
        #[command(flatten)]
        access: Access,
    },
    /// Let a storage node keep blobs again.
    Undrain {
        #[command(flatten)]
        node: Named,
        #[command(flatten)]
        access: Access,
    },
    /// Remove a storage node for good.
    Remove {
        #[command(flatten)]
        node: Named,
        /// Also if the only copies of some blobs go with it: they are lost then.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        access: Access,
    },
    /// Print the token by which storage nodes join.
    JoinToken {
        /// The coordinator's folder of secrets.
        #[arg(long, env = "TRIPLICATE_DATA")]
        data: PathBuf,
        /// Answer as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Names a storage node.
#[derive(Debug, Clone, Args)]
pub struct Named {
    /// Its id, or the beginning of it, as `node list` shows it; or its URL.
    #[arg(value_name = "NODE")]
    pub name: String,
}

/// What can be done with the cluster.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Show how many blobs lack copies, and how long it takes to make them.
    Status {
        /// Copies of each blob, as the coordinator is told.
        #[arg(long, env = "TRIPLICATE_REPLICAS", value_parser = clap::value_parser!(u32).range(1..=8))]
        replicas: Option<u32>,
        #[command(flatten)]
        timings: Timings,
        #[command(flatten)]
        access: Access,
    },
}

/// Does it. The answer is to be printed.
///
/// # Errors
/// What is wrong, for the operator.
pub async fn node(command: NodeCommand, database: &SecretSource) -> anyhow::Result<String> {
    match command {
        NodeCommand::List { access } => {
            let nodes = db::nodes::list_statuses(&mut connect(database).await?).await?;
            if access.json { to_json(&nodes) } else { Ok(table(&nodes)) }
        }
        NodeCommand::Drain { node, access } => change(&node, access, database, Intent::Drain).await,
        NodeCommand::Undrain { node, access } => change(&node, access, database, Intent::Serve).await,
        NodeCommand::Remove { node, force, access } => {
            let mut conn = connect(database).await?;
            let mut tx = conn.begin().await?;
            let id = find(&mut tx, &node).await?;
            operator::remove(&mut tx, &id, force, Actor::default()).await?;
            finish(tx, access, id, "removed").await
        }
        NodeCommand::JoinToken { data, json } => {
            let token = Secrets::open(&data)?.join_token()?;
            if json { to_json(&serde_json::json!({ "join_token": token })) } else { Ok(format!("{token}\n")) }
        }
    }
}

/// Does it. The answer is to be printed.
///
/// # Errors
/// What is wrong, for the operator.
pub async fn cluster(command: ClusterCommand, database: &SecretSource) -> anyhow::Result<String> {
    let ClusterCommand::Status { replicas, timings, access } = command;
    let status = operator::status(&mut connect(database).await?, replicas, timings).await?;
    if access.json { to_json(&status) } else { Ok(sentences(&status)) }
}

async fn connect(database: &SecretSource) -> anyhow::Result<PgConnection> {
    let url = database.require("database_url")?;
    PgConnection::connect(url.expose()).await.context("cannot connect to the database")
}

async fn change(
    node: &Named,
    access: Access,
    database: &SecretSource,
    intent: Intent,
) -> anyhow::Result<String> {
    let mut conn = connect(database).await?;
    let mut tx = conn.begin().await?;
    let id = find(&mut tx, node).await?;
    operator::change(&mut tx, &id, intent, Actor::default()).await?;
    let done = if intent == Intent::Drain { "is being drained" } else { "keeps blobs again" };
    finish(tx, access, id, done).await
}

async fn finish(
    tx: Transaction<'_, Postgres>,
    access: Access,
    node: NodeId,
    done: &str,
) -> anyhow::Result<String> {
    tx.commit().await?;
    if access.json { to_json(&serde_json::json!({ "node": node })) } else { Ok(format!("{node} {done}\n")) }
}

/// The one node that is named so.
async fn find(conn: &mut PgConnection, named: &Named) -> anyhow::Result<NodeId> {
    let mut nodes = db::nodes::list(conn).await?;
    nodes.retain(|node| node.intent != Intent::Gone);
    nodes.retain(|node| node.id.to_string().starts_with(&named.name) || node.url == named.name);
    match &nodes[..] {
        [node] => Ok(node.id),
        [] => bail!("no storage node is named {}; `node list` shows all", named.name),
        _ => bail!("{} storage nodes are named {}; give more of the id", nodes.len(), named.name),
    }
}

fn to_json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

fn table(nodes: &[NodeStatus]) -> String {
    let mut out = format!("{:32}  {:10}  {:16}  {:>8}  {:>8}  URL\n", "ID", "STATE", "ZONE", "USED", "FREE");
    for node in nodes {
        let [used, free] = [node.used_bytes, node.free_bytes].map(size);
        let state = serde_json::to_value(node.state).expect("a state is a word");
        let state = state.as_str().unwrap_or_default();
        let _ = writeln!(
            out,
            "{:32}  {state:10}  {:16}  {used:>8}  {free:>8}  {}",
            node.node, node.zone, node.url
        );
        if let Some(reason) = &node.reason {
            let _ = writeln!(out, "{:32}  {reason}", "");
        }
    }
    out
}

/// Bytes in the largest unit of which there is at least one, like `4.1K`.
#[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
fn size(bytes: u64) -> String {
    let unit = bytes.checked_ilog2().unwrap_or(0) / 10;
    match ["", "K", "M", "G", "T"].get(unit as usize) {
        Some(&"") => bytes.to_string(),
        Some(letter) => format!("{:.1}{letter}", bytes as f64 / (1_u64 << (10 * unit)) as f64),
        None => format!("{:.1}T", bytes as f64 / (1_u64 << 40) as f64),
    }
}

/// Unix milliseconds as a date and a time to the second, in UTC.
fn utc(at_ms: u64) -> anyhow::Result<String> {
    let at = OffsetDateTime::from_unix_timestamp((at_ms / 1000).cast_signed()).context("a time")?;
    let (date, (hour, minute, second)) = (at.date(), at.time().as_hms());
    Ok(format!("{date} {hour:02}:{minute:02}:{second:02}"))
}

/// A number that was not counted further than to a limit.
fn counted(number: u64) -> String {
    if number < COUNTED_BLOBS_MAX { number.to_string() } else { format!("{number} or more") }
}

fn sentences(status: &ClusterStatus) -> String {
    let mut out = format!("{} copies of each blob; at risk below {}\n", status.replicas, status.write_zones);
    let mut say = |line: String| {
        let _ = writeln!(out, "{line}");
    };
    if status.lacking == 0 {
        say("no blob is known to lack a copy".into());
    } else {
        let [lacking, at_risk] = [status.lacking, status.at_risk].map(counted);
        say(format!("{lacking} blobs lack copies, {at_risk} of them are at risk"));
    }
    if status.unreadable > 0 {
        let unreadable = counted(status.unreadable);
        say(format!("{unreadable} blobs have no copy that can be read at the moment"));
    }
    if status.without_zone > 0 {
        say(format!("{} of them wait for a zone with room", counted(status.without_zone)));
    }
    if status.is_held_back {
        say("many nodes fell silent together: only last copies are repaired for now".into());
    }
    if let Some(seconds) = status.eta_seconds {
        let word = if status.lacking < COUNTED_BLOBS_MAX { "about" } else { "more than" };
        say(format!("{word} {} minutes to go", seconds.div_ceil(60)));
    }
    if status.surplus > 0 {
        say(format!("{} blobs have a copy too many", counted(status.surplus)));
    }
    if status.moving > 0 {
        say(format!("{} blobs move to emptier zones", counted(status.moving)));
    }
    if status.spread_percent > 0 {
        say(format!("the fullest zone is {} % fuller than the emptiest", status.spread_percent));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_the_unit_that_fits() {
        let sizes = [0, 1023, 1024, 4160, 3 << 29, 1 << 40, u64::MAX].map(size);
        assert_eq!(sizes, ["0", "1023", "1.0K", "4.1K", "1.5G", "1.0T", "16777216.0T"]);
    }
}
