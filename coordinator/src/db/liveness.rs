//! How nodes are: heartbeats, silences, and what the operator wants of them.

use std::time::Duration;

use protocol::id::{BootId, NodeId, StoreId};
use protocol::nodes::{HeartbeatRequest, NodeState};
use sqlx::PgConnection;

use super::nodes::{parse_id, parse_intent, parse_state, state_name, to_db};
use super::{DbError, NodeKey, changed_one, stored};
use crate::health::{Heard, Intent, Past};

/// A node as it was before a heartbeat.
#[derive(Debug)]
pub struct Before {
    /// What its state depends on.
    pub past: Past,
    /// What the operator wants of it.
    pub intent: Intent,
    /// It has been emptied.
    pub drained: bool,
    /// The store that it had.
    pub store: StoreId,
    /// The start of the process that was heard of last.
    pub boot: Option<BootId>,
}

/// How long a node has been silent.
#[derive(Debug)]
pub struct Silence {
    /// The node.
    pub key: NodeKey,
    /// The node, for the log.
    pub id: NodeId,
    /// How it is, whatever is wanted of it.
    pub state: NodeState,
    /// Since its last heartbeat.
    pub silent: Duration,
}

/// A node, locked until its heartbeat is taken in; copies on it may be recorded meanwhile.
pub async fn lock(conn: &mut PgConnection, node: NodeKey) -> Result<Before, DbError> {
    let row = sqlx::query!(
        r#"SELECT state, intent, drained, store, boot, flaps,
                  extract(epoch FROM clock_timestamp() - returned_at)::float8 AS returned_s,
                  coalesce(extract(epoch FROM held_until - clock_timestamp()), 0)::float8 AS "held_s!"
           FROM nodes WHERE id = $1 FOR NO KEY UPDATE"#,
        node.0
    )
    .fetch_one(conn)
    .await?;
    Ok(Before {
        past: Past {
            state: parse_state(&row.state)?,
            returned: row.returned_s.map(seconds),
            flaps: stored(row.flaps.try_into(), "nodes.flaps")?,
            held: seconds(row.held_s),
        },
        intent: parse_intent(&row.intent)?,
        drained: row.drained,
        store: stored(StoreId::from_slice(&row.store), "nodes.store")?,
        boot: row.boot.map(|boot| stored(BootId::from_slice(&boot), "nodes.boot")).transpose()?,
    })
}

/// The database's clock may be set back: what would be negative is none.
fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

/// Takes a heartbeat in. False if a later one of the same start came before it.
/// A store that is another than before begins a new epoch: none of the node's replicas counts any more.
pub async fn heartbeat(
    conn: &mut PgConnection,
    node: NodeKey,
    heartbeat: &HeartbeatRequest,
    heard: Heard,
) -> Result<bool, DbError> {
    let (flaps, hold_s) = match heard.returned {
        Some((flaps, hold)) => (Some(i32::try_from(flaps).unwrap_or(i32::MAX)), hold.as_secs_f64()),
        None => (None, 0.0),
    };
    let taken = sqlx::query!(
        "UPDATE nodes
         SET boot = $2, sequence = $3, last_heartbeat_at = clock_timestamp(), state = $4, read_only_reason = $5,
             store_epoch = store_epoch + (store <> $6)::integer, store = $6, capacity_bytes = $7, free_bytes = $8,
             used_bytes = $9, blobs = $10, in_flight_bytes = $11, sync_p99_us = $12, scrub_done_bytes = $13,
             scrub_total_bytes = $14, scrub_finished_ms = $15, scrub_damaged = $16, flaps = coalesce($17, flaps),
             returned_at = CASE WHEN $17 IS NULL THEN returned_at ELSE clock_timestamp() END,
             held_until = CASE WHEN $17 IS NULL THEN held_until
                               ELSE clock_timestamp() + make_interval(secs => $18) END,
             inventory_due_at = CASE WHEN boot IS DISTINCT FROM $2 THEN now() ELSE inventory_due_at END
         WHERE id = $1 AND (boot IS DISTINCT FROM $2 OR sequence < $3)",
        node.0,
        heartbeat.boot.as_bytes(),
        to_db(heartbeat.sequence),
        state_name(heard.state),
        heartbeat.read_only,
        heartbeat.store.as_bytes(),
        to_db(heartbeat.capacity_bytes),
        to_db(heartbeat.free_bytes),
        to_db(heartbeat.used_bytes),
        to_db(heartbeat.blobs),
        to_db(heartbeat.in_flight_bytes),
        to_db(heartbeat.sync_p99_us),
        to_db(heartbeat.scrub.done_bytes),
        to_db(heartbeat.scrub.total_bytes),
        heartbeat.scrub.finished_ms.map(to_db),
        to_db(heartbeat.scrub.damaged),
        flaps,
        hold_s,
    )
    .execute(conn)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// How long each node has been silent that was ever heard of and not removed.
pub async fn list_silences(conn: &mut PgConnection) -> Result<Vec<Silence>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT id, public_id, state,
                  extract(epoch FROM clock_timestamp() - last_heartbeat_at)::float8 AS "silent_s!"
           FROM nodes WHERE last_heartbeat_at IS NOT NULL AND intent <> 'gone'"#
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Silence {
                key: NodeKey(row.id),
                id: parse_id(&row.public_id)?,
                state: parse_state(&row.state)?,
                silent: seconds(row.silent_s),
            })
        })
        .collect()
}

/// Changes the state of a node that is still in `from` and still silent. False if it was heard of meanwhile.
pub async fn change_state(
    conn: &mut PgConnection,
    silence: &Silence,
    to: NodeState,
) -> Result<bool, DbError> {
    let changed = sqlx::query!(
        "UPDATE nodes SET state = $3
         WHERE id = $1 AND state = $2 AND last_heartbeat_at <= clock_timestamp() - make_interval(secs => $4)",
        silence.key.0,
        state_name(silence.state),
        state_name(to),
        silence.silent.as_secs_f64(),
    )
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Writes what an operator wants of a node.
pub async fn set_intent(conn: &mut PgConnection, node: NodeKey, intent: Intent) -> Result<(), DbError> {
    let name = match intent {
        Intent::Serve => "serve",
        Intent::Drain => "drain",
        Intent::Gone => "gone",
    };
    let changed = sqlx::query!(
        "UPDATE nodes SET intent = $2, drained = false, distrust = NULL WHERE id = $1",
        node.0,
        name
    );
    changed_one(&changed.execute(conn).await?, "nodes")
}

/// Drains a node because its word is not believed, unless it was removed.
pub async fn distrust(conn: &mut PgConnection, node: NodeKey, reason: &str) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE nodes SET intent = 'drain', drained = false, distrust = $2 WHERE id = $1 AND intent <> 'gone'",
        node.0,
        reason
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A node that is being drained has been emptied. False if it is not being drained, or if somebody is changing it: who
/// changes a node holds it and then begins a walk over it, so that the walk's end must not wait for the node.
pub async fn set_drained(conn: &mut PgConnection, node: NodeKey) -> Result<bool, DbError> {
    let changed = sqlx::query!(
        "UPDATE nodes SET drained = true
         WHERE id = (SELECT id FROM nodes WHERE id = $1 AND intent = 'drain' AND NOT drained
                     FOR NO KEY UPDATE SKIP LOCKED)",
        node.0
    );
    Ok(changed.execute(conn).await?.rows_affected() == 1)
}
