//! What an operator wants of nodes, and how the cluster is: the same for the command line and for the web app.

use std::time::Duration;

use protocol::audit_log::AuditEvent;
use protocol::id::NodeId;
use protocol::nodes::{ClusterStatus, RemovalResponse};
use sqlx::PgConnection;

use crate::copies::Copies;
use crate::db::audit_log::Actor;
use crate::db::nodes::NodeRow;
use crate::db::repair_progress::Queue;
use crate::db::{self, DbError};
use crate::events::News;
use crate::health::{Intent, Timings, is_alarming};
use crate::rebalance::{fills, spread_percent};

/// Why an operator's wish is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No such node, or it was removed.
    #[error("no storage node has this id")]
    UnknownNode,
    /// The only copies of some blobs would go with it.
    #[error("{0} blobs have no other copy that can be read; drain the node and wait until it is drained")]
    LastCopies(u64),
    /// The database refused, failed or is away.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The node is to be emptied, or is to keep blobs again.
///
/// # Errors
/// [`Refused`].
pub async fn change(
    conn: &mut PgConnection,
    node: &NodeId,
    intent: Intent,
    actor: Actor,
) -> Result<(), Refused> {
    let node = find(conn, node).await?;
    let event = if intent == Intent::Drain { AuditEvent::NodeDrained } else { AuditEvent::NodeUndrained };
    db::audit_log::note(conn, actor, event, Some(&node.id.to_string())).await?;
    write(conn, &node, intent).await
}

/// What goes if the node is removed now.
///
/// # Errors
/// [`Refused`].
pub async fn preview_removal(conn: &mut PgConnection, node: &NodeId) -> Result<RemovalResponse, Refused> {
    let node = find(conn, node).await?;
    Ok(db::copies::preview_removal(conn, node.key).await?)
}

/// Removes the node for good. With `force`, also if the only copies of some blobs go with it.
///
/// # Errors
/// [`Refused`].
pub async fn remove(
    conn: &mut PgConnection,
    node: &NodeId,
    force: bool,
    actor: Actor,
) -> Result<(), Refused> {
    let node = find(conn, node).await?;
    if !force {
        let RemovalResponse { lost, .. } = db::copies::preview_removal(conn, node.key).await?;
        if lost > 0 {
            return Err(Refused::LastCopies(lost));
        }
    }
    let event = if force { AuditEvent::NodeForcedOut } else { AuditEvent::NodeRemoved };
    db::audit_log::note(conn, actor, event, Some(&node.id.to_string())).await?;
    write(conn, &node, Intent::Gone).await
}

async fn find(conn: &mut PgConnection, id: &NodeId) -> Result<NodeRow, Refused> {
    let nodes = db::nodes::list(conn).await?;
    let node = nodes.into_iter().find(|node| node.id == *id && node.intent != Intent::Gone);
    node.ok_or(Refused::UnknownNode)
}

async fn write(conn: &mut PgConnection, node: &NodeRow, intent: Intent) -> Result<(), Refused> {
    db::liveness::set_intent(conn, node.key, intent).await?;
    db::sweeps::begin(conn, Some(node.key)).await?;
    db::repairs::wake(conn).await?;
    Ok(News::Nodes.send(conn).await?)
}

/// How the cluster is. `wanted` is the operator's own number of copies.
///
/// # Errors
/// [`DbError`].
pub async fn status(
    conn: &mut PgConnection,
    wanted: Option<u32>,
    timings: Timings,
) -> Result<ClusterStatus, DbError> {
    let copies = Copies::for_zones(db::nodes::count_zones(conn).await?, wanted);
    let queue = db::repair_progress::count_queue(conn, copies.write_zones).await?;
    let silences = db::liveness::list_silences(conn).await?;
    let silences: Vec<_> = silences.into_iter().map(|silence| silence.silent).collect();
    Ok(ClusterStatus {
        replicas: copies.replicas,
        write_zones: copies.write_zones,
        lacking: queue.lacking,
        at_risk: queue.at_risk,
        unreadable: queue.unreadable,
        without_zone: queue.without_zone,
        surplus: queue.surplus,
        moving: queue.moving,
        spread_percent: spread_percent(&fills(&db::nodes::list(conn).await?)),
        is_held_back: is_alarming(&silences, timings),
        eta_seconds: eta(&queue).map(|eta| eta.as_secs()),
    })
}

/// How long the blobs that lack copies take, at the rate of the last minutes; none if nothing was repaired then.
fn eta(queue: &Queue) -> Option<Duration> {
    if queue.lacking == 0 || queue.repaired == 0 {
        return None;
    }
    let blobs = u32::try_from(queue.lacking).unwrap_or(u32::MAX);
    Some(queue.repaired_within.saturating_mul(blobs) / u32::try_from(queue.repaired).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_the_rate_of_the_last_minutes_says() {
        let queue = |lacking, repaired, within| Queue {
            lacking,
            repaired,
            repaired_within: Duration::from_secs(within),
            ..Queue::default()
        };
        assert_eq!(eta(&queue(1000, 100, 60)), Some(Duration::from_mins(10)));
        assert_eq!(eta(&queue(1000, 0, 0)), None);
        assert_eq!(eta(&queue(0, 100, 60)), None);
    }
}
