//! Looks at garbage collection, lets go what waits, and runs a cycle.

use anyhow::Context as _;
use clap::Subcommand;
use configuration::SecretSource;
use protocol::audit_log::AuditEvent;
use serde::Serialize;
use sqlx::postgres::{PgPool, PgPoolOptions};

use super::{Access, to_json};
use crate::db;
use crate::db::audit_log::Actor;
use crate::db::collection::Standings;
use crate::garbage::{Cycle, Reclaim};
use crate::jobs::garbage;

/// Connections that a command needs: a cycle holds one for its lock.
const CONNECTIONS: u32 = 2;

/// Where garbage collection stands.
#[derive(Debug, Serialize)]
struct Status {
    blobs: Standings,
    /// Copies that nodes are still to delete.
    delete_jobs: u64,
    held: Option<Held>,
    last_cycle: Option<LastCycle>,
}

#[derive(Debug, Serialize)]
struct Held {
    blobs: u64,
    since_ms: u64,
    approved: bool,
}

#[derive(Debug, Serialize)]
struct LastCycle {
    finished_ms: u64,
    did: serde_json::Value,
}

/// What can be done about garbage collection.
#[derive(Debug, Subcommand)]
pub enum GcCommand {
    /// Show how many blobs stand where, what the newest cycle did, and what waits for approval.
    Status {
        #[command(flatten)]
        access: Access,
    },
    /// Let the next cycle condemn what waits.
    Approve {
        #[command(flatten)]
        access: Access,
    },
    /// Run one cycle now. Nodes are told to delete by the coordinator that serves.
    Run {
        #[command(flatten)]
        reclaim: Reclaim,
        #[command(flatten)]
        access: Access,
    },
}

/// Does it. The answer is to be printed.
///
/// # Errors
/// What kept it from being done.
pub async fn gc(command: GcCommand, database: &SecretSource) -> anyhow::Result<String> {
    let url = database.require("database_url")?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect(url.expose())
        .await
        .context("cannot connect to the database")?;
    let answer = match &command {
        GcCommand::Status { access } => {
            let status = status(&pool).await?;
            if access.json { to_json(&status)? } else { describe(&status) }
        }
        GcCommand::Approve { access } => {
            let mut tx = pool.begin().await?;
            let approved = db::collection::approve(&mut tx).await?;
            if let Some(blobs) = approved {
                let about = Some(blobs.to_string());
                let event = AuditEvent::GarbageApproved;
                db::audit_log::note(&mut tx, Actor::default(), event, about.as_deref()).await?;
            }
            tx.commit().await?;
            match approved {
                _ if access.json => to_json(&serde_json::json!({ "approved_blobs": approved }))?,
                Some(blobs) => format!("the next cycle may condemn {blobs} blobs\n"),
                None => "nothing waits for approval\n".to_owned(),
            }
        }
        GcCommand::Run { reclaim, access } => {
            let cycle = garbage::collect(&pool, reclaim).await?;
            match cycle {
                _ if access.json => to_json(&cycle)?,
                Some(cycle) => describe_cycle(&cycle),
                None => "another cycle is running\n".to_owned(),
            }
        }
    };
    pool.close().await;
    Ok(answer)
}

async fn status(pool: &PgPool) -> anyhow::Result<Status> {
    let mut conn = pool.acquire().await?;
    let held = db::collection::find_held(&mut conn).await?;
    let last = db::collection::find_last_cycle(&mut conn).await?;
    Ok(Status {
        blobs: db::collection::count_standings(&mut conn).await?,
        delete_jobs: db::delete_jobs::count(&mut conn).await?,
        held: held.blobs.zip(held.since_ms).map(|(blobs, since_ms)| Held {
            blobs,
            since_ms,
            approved: held.approved.is_some(),
        }),
        last_cycle: match last {
            Some(last) => Some(LastCycle {
                finished_ms: last.finished_ms,
                did: serde_json::from_str(&last.report).context("what the newest cycle did")?,
            }),
            None => None,
        },
    })
}

fn describe(status: &Status) -> String {
    let Standings { live, condemned, deleting, deleted } = status.blobs;
    let held = match &status.held {
        None => "nothing waits for approval".to_owned(),
        Some(held) if held.approved => format!("{} blobs are approved for the next cycle", held.blobs),
        Some(held) => format!(
            "{} blobs wait for approval: so many came to be unneeded at once; `gc approve` lets them go",
            held.blobs
        ),
    };
    format!(
        "{live} blobs are live, {condemned} condemned, {deleting} being deleted, {deleted} deleted\n\
         {} copies are still to be deleted by nodes\n{held}\n",
        status.delete_jobs
    )
}

fn describe_cycle(cycle: &Cycle) -> String {
    let Cycle { condemned, held, given_up, deleted, .. } = cycle;
    format!("{condemned} blobs condemned, {held} held back, {given_up} given up, {deleted} deleted\n")
}
