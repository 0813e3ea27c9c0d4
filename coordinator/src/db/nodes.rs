//! Storage nodes.

use std::time::Duration;

use protocol::id::NodeId;
use protocol::nodes::{HeartbeatRequest, JoinRequest, Medium, NodeState, NodeStatus};
use protocol::signature::PublicKey;
use sqlx::PgConnection;

use super::{DbError, NodeKey, interval, stored, unsigned};

/// A node as others meet it.
#[derive(Debug, Clone)]
pub struct NodeRow {
    /// Surrogate key.
    pub key: NodeKey,
    /// The node.
    pub id: NodeId,
    /// Its URL.
    pub url: String,
    /// What fails together.
    pub zone: String,
    /// Its state.
    pub state: NodeState,
    /// Free bytes above the reserve.
    pub free_bytes: u64,
}

/// Who signs a node's requests, and what the node was last heard to say.
#[derive(Debug)]
pub struct NodeSigner {
    /// Surrogate key.
    pub key: NodeKey,
    /// Verifies its requests.
    pub public_key: PublicKey,
    /// Its state.
    pub state: NodeState,
}

/// How long a node has been silent.
#[derive(Debug)]
pub struct Silence {
    /// The node.
    pub key: NodeKey,
    /// The node, for the log.
    pub id: NodeId,
    /// Its state.
    pub state: NodeState,
    /// Since its last heartbeat.
    pub silent: Duration,
}

fn state_name(state: NodeState) -> &'static str {
    match state {
        NodeState::Joining => "joining",
        NodeState::Up => "up",
        NodeState::Suspect => "suspect",
        NodeState::Down => "down",
        NodeState::ReadOnly => "read_only",
    }
}

fn parse_state(name: &str) -> Result<NodeState, DbError> {
    Ok(match name {
        "joining" => NodeState::Joining,
        "up" => NodeState::Up,
        "suspect" => NodeState::Suspect,
        "down" => NodeState::Down,
        "read_only" => NodeState::ReadOnly,
        _ => return Err(DbError::Corrupt("nodes.state")),
    })
}

fn parse_id(bytes: &[u8]) -> Result<NodeId, DbError> {
    stored(NodeId::from_slice(bytes), "nodes.public_id")
}

fn to_db(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Adds a node, or lets one that is known by this key come back, perhaps elsewhere or with another store.
/// `None` if the node is known by another key.
pub async fn join(conn: &mut PgConnection, node: &JoinRequest) -> Result<Option<NodeKey>, DbError> {
    let Medium::Disk = node.medium;
    let joined = sqlx::query_scalar!(
        "INSERT INTO nodes (public_id, public_key, url, zone, machine, medium, store)
         VALUES ($1, $2, $3, $4, $5, 'disk', $6)
         ON CONFLICT (public_id) DO UPDATE
         SET url = excluded.url, zone = excluded.zone, machine = excluded.machine, store = excluded.store,
             store_epoch = nodes.store_epoch + (nodes.store <> excluded.store)::integer
         WHERE nodes.public_key = excluded.public_key
         RETURNING id",
        node.node.as_bytes(),
        node.public_key.as_bytes(),
        node.url,
        node.zone,
        node.machine,
        node.store.as_bytes(),
    );
    Ok(joined.fetch_optional(conn).await?.map(NodeKey))
}

/// Who signs this node's requests.
pub async fn find_signer(conn: &mut PgConnection, node: &NodeId) -> Result<Option<NodeSigner>, DbError> {
    let row = sqlx::query!("SELECT id, public_key, state FROM nodes WHERE public_id = $1", node.as_bytes())
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        Ok(NodeSigner {
            key: NodeKey(row.id),
            public_key: PublicKey::from_bytes(stored(row.public_key.try_into(), "nodes.public_key")?),
            state: parse_state(&row.state)?,
        })
    })
    .transpose()
}

/// Remembers a nonce. False if it was used before.
pub async fn insert_nonce(conn: &mut PgConnection, node: NodeKey, nonce: &[u8; 16]) -> Result<bool, DbError> {
    let inserted = sqlx::query!(
        "INSERT INTO node_nonces (node_id, nonce) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        node.0,
        nonce
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Forgets nonces of requests that are too old to be replayed.
pub async fn delete_old_nonces(conn: &mut PgConnection, seconds: u64) -> Result<(), DbError> {
    sqlx::query!(
        "DELETE FROM node_nonces WHERE seen_at < now() - make_interval(secs => $1)",
        interval(seconds)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a heartbeat in. False if a later one of the same start came before it.
/// A store that is another than before begins a new epoch: none of the node's replicas counts any more.
pub async fn heartbeat(
    conn: &mut PgConnection,
    node: NodeKey,
    heartbeat: &HeartbeatRequest,
    state: NodeState,
) -> Result<bool, DbError> {
    let taken = sqlx::query!(
        "UPDATE nodes
         SET boot = $2, sequence = $3, last_heartbeat_at = clock_timestamp(), state = $4, read_only_reason = $5,
             store_epoch = store_epoch + (store <> $6)::integer, store = $6, capacity_bytes = $7, free_bytes = $8,
             used_bytes = $9, blobs = $10, in_flight_bytes = $11, sync_p99_us = $12
         WHERE id = $1 AND (boot IS DISTINCT FROM $2 OR sequence < $3)",
        node.0,
        heartbeat.boot.as_bytes(),
        to_db(heartbeat.sequence),
        state_name(state),
        heartbeat.read_only,
        heartbeat.store.as_bytes(),
        to_db(heartbeat.capacity_bytes),
        to_db(heartbeat.free_bytes),
        to_db(heartbeat.used_bytes),
        to_db(heartbeat.blobs),
        to_db(heartbeat.in_flight_bytes),
        to_db(heartbeat.sync_p99_us),
    )
    .execute(conn)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// How long each node has been silent that was ever heard of.
pub async fn list_silences(conn: &mut PgConnection) -> Result<Vec<Silence>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT id, public_id, state,
                  greatest(extract(epoch FROM clock_timestamp() - last_heartbeat_at), 0)::float8 AS "silent_s!"
           FROM nodes WHERE last_heartbeat_at IS NOT NULL"#
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Silence {
                key: NodeKey(row.id),
                id: parse_id(&row.public_id)?,
                state: parse_state(&row.state)?,
                silent: stored(Duration::try_from_secs_f64(row.silent_s), "nodes.last_heartbeat_at")?,
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

/// All nodes, as others meet them.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<NodeRow>, DbError> {
    let rows = sqlx::query!("SELECT id, public_id, url, zone, state, free_bytes FROM nodes ORDER BY id")
        .fetch_all(conn)
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(NodeRow {
                key: NodeKey(row.id),
                id: parse_id(&row.public_id)?,
                url: row.url,
                zone: row.zone,
                state: parse_state(&row.state)?,
                free_bytes: unsigned(row.free_bytes, "nodes.free_bytes")?,
            })
        })
        .collect()
}

/// All nodes, for people: in order of zone and URL.
pub async fn list_statuses(conn: &mut PgConnection) -> Result<Vec<NodeStatus>, DbError> {
    let rows = sqlx::query!(
        "SELECT public_id, url, zone, machine, state, read_only_reason, capacity_bytes, free_bytes, used_bytes, blobs,
                sync_p99_us, extract(epoch FROM clock_timestamp() - last_heartbeat_at)::bigint AS silent_s
         FROM nodes ORDER BY zone, url, id"
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(NodeStatus {
                node: parse_id(&row.public_id)?,
                url: row.url,
                zone: row.zone,
                machine: row.machine,
                medium: Medium::Disk,
                state: parse_state(&row.state)?,
                read_only_reason: row.read_only_reason,
                capacity_bytes: unsigned(row.capacity_bytes, "nodes.capacity_bytes")?,
                free_bytes: unsigned(row.free_bytes, "nodes.free_bytes")?,
                used_bytes: unsigned(row.used_bytes, "nodes.used_bytes")?,
                blobs: unsigned(row.blobs, "nodes.blobs")?,
                sync_p99_us: unsigned(row.sync_p99_us, "nodes.sync_p99_us")?,
                silent_seconds: row.silent_s.map(|seconds| u64::try_from(seconds).unwrap_or(0)),
            })
        })
        .collect()
}

/// How many zones the cluster has: those of all nodes that were ever heard of, so that the promise does not shrink
/// because nodes are away.
pub async fn count_zones(conn: &mut PgConnection) -> Result<usize, DbError> {
    let count =
        sqlx::query_scalar!(r#"SELECT count(DISTINCT zone) AS "count!" FROM nodes WHERE state <> 'joining'"#);
    stored(usize::try_from(count.fetch_one(conn).await?), "nodes.zone")
}
