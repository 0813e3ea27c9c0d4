//! Storage nodes.

use protocol::id::{NodeId, StoreId};
use protocol::nodes::{JoinRequest, Medium, NodeState, NodeStatus, Scrub};
use protocol::signature::PublicKey;
use sqlx::PgConnection;

use super::{DbError, NodeKey, interval, stored, unsigned};
use crate::health::{Intent, shown};

/// A node as others meet it.
#[derive(Debug, Clone)]
pub struct NodeRow {
    /// Surrogate key.
    pub key: NodeKey,
    /// The node.
    pub id: NodeId,
    /// Verifies its receipts.
    pub public_key: PublicKey,
    /// The store that it has now.
    pub store: StoreId,
    /// Counts its stores.
    pub store_epoch: i32,
    /// Its URL.
    pub url: String,
    /// What fails together.
    pub zone: String,
    /// Its state, as people and nodes are told it.
    pub state: NodeState,
    /// How it is, whatever is wanted of it.
    pub liveness: NodeState,
    /// What the operator wants of it.
    pub intent: Intent,
    /// Size of its medium in bytes.
    pub capacity_bytes: u64,
    /// Bytes that blobs take.
    pub used_bytes: u64,
    /// Free bytes above the reserve.
    pub free_bytes: u64,
}

impl NodeRow {
    /// Can copies on it be read?
    pub fn is_live(&self) -> bool {
        let heard = matches!(self.liveness, NodeState::Up | NodeState::Suspect | NodeState::ReadOnly);
        heard && self.intent != Intent::Gone
    }

    /// Are copies on it to stay? A node that is down is expected back until it is out.
    pub fn is_kept(&self) -> bool {
        self.intent == Intent::Serve && (self.is_live() || self.liveness == NodeState::Down)
    }
}

/// Who signs a node's requests.
#[derive(Debug)]
pub struct NodeSigner {
    /// Surrogate key.
    pub key: NodeKey,
    /// Verifies its requests.
    pub public_key: PublicKey,
    /// What the operator wants of it.
    pub intent: Intent,
}

/// A state, as it is stored and told.
pub fn state_name(state: NodeState) -> &'static str {
    match state {
        NodeState::Joining => "joining",
        NodeState::Up => "up",
        NodeState::Suspect => "suspect",
        NodeState::Down => "down",
        NodeState::ReadOnly => "read_only",
        NodeState::Out => "out",
        NodeState::Draining => "draining",
        NodeState::Drained => "drained",
        NodeState::Gone => "gone",
    }
}

pub(super) fn parse_state(name: &str) -> Result<NodeState, DbError> {
    Ok(match name {
        "joining" => NodeState::Joining,
        "up" => NodeState::Up,
        "suspect" => NodeState::Suspect,
        "down" => NodeState::Down,
        "read_only" => NodeState::ReadOnly,
        "out" => NodeState::Out,
        "draining" => NodeState::Draining,
        "drained" => NodeState::Drained,
        "gone" => NodeState::Gone,
        _ => return Err(DbError::Corrupt("nodes.state")),
    })
}

pub(super) fn parse_intent(name: &str) -> Result<Intent, DbError> {
    Ok(match name {
        "serve" => Intent::Serve,
        "drain" => Intent::Drain,
        "gone" => Intent::Gone,
        _ => return Err(DbError::Corrupt("nodes.intent")),
    })
}

fn medium_name(medium: Medium) -> &'static str {
    match medium {
        Medium::Disk => "disk",
        Medium::S3 => "s3",
        Medium::Dropbox => "dropbox",
    }
}

fn parse_medium(name: &str) -> Result<Medium, DbError> {
    Ok(match name {
        "disk" => Medium::Disk,
        "s3" => Medium::S3,
        "dropbox" => Medium::Dropbox,
        _ => return Err(DbError::Corrupt("nodes.medium")),
    })
}

pub(super) fn parse_id(bytes: &[u8]) -> Result<NodeId, DbError> {
    stored(NodeId::from_slice(bytes), "nodes.public_id")
}

pub(super) fn to_db(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Adds a node, or lets one that is known by this key come back, perhaps elsewhere or with another store.
/// `None` if the node is known by another key, or was removed.
pub async fn join(conn: &mut PgConnection, node: &JoinRequest) -> Result<Option<NodeKey>, DbError> {
    let joined = sqlx::query_scalar!(
        "INSERT INTO nodes (public_id, public_key, url, zone, machine, medium, store)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (public_id) DO UPDATE
         SET url = excluded.url, zone = excluded.zone, machine = excluded.machine, medium = excluded.medium,
             store = excluded.store,
             store_epoch = nodes.store_epoch + (nodes.store <> excluded.store)::integer
         WHERE nodes.public_key = excluded.public_key AND nodes.intent <> 'gone'
         RETURNING id",
        node.node.as_bytes(),
        node.public_key.as_bytes(),
        node.url,
        node.zone,
        node.machine,
        medium_name(node.medium),
        node.store.as_bytes(),
    );
    Ok(joined.fetch_optional(conn).await?.map(NodeKey))
}

/// Who signs this node's requests.
pub async fn find_signer(conn: &mut PgConnection, node: &NodeId) -> Result<Option<NodeSigner>, DbError> {
    let row = sqlx::query!("SELECT id, public_key, intent FROM nodes WHERE public_id = $1", node.as_bytes())
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        Ok(NodeSigner {
            key: NodeKey(row.id),
            public_key: PublicKey::from_bytes(stored(row.public_key.try_into(), "nodes.public_key")?),
            intent: parse_intent(&row.intent)?,
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

/// All nodes, as others meet them.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<NodeRow>, DbError> {
    let rows = sqlx::query!(
        "SELECT id, public_id, public_key, store, store_epoch, url, zone, state, intent, drained,
                capacity_bytes, used_bytes, free_bytes
         FROM nodes ORDER BY id"
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let (liveness, intent) = (parse_state(&row.state)?, parse_intent(&row.intent)?);
            Ok(NodeRow {
                key: NodeKey(row.id),
                id: parse_id(&row.public_id)?,
                public_key: PublicKey::from_bytes(stored(row.public_key.try_into(), "nodes.public_key")?),
                store: stored(StoreId::from_slice(&row.store), "nodes.store")?,
                store_epoch: row.store_epoch,
                url: row.url,
                zone: row.zone,
                state: shown(liveness, intent, row.drained),
                liveness,
                intent,
                capacity_bytes: unsigned(row.capacity_bytes, "nodes.capacity_bytes")?,
                used_bytes: unsigned(row.used_bytes, "nodes.used_bytes")?,
                free_bytes: unsigned(row.free_bytes, "nodes.free_bytes")?,
            })
        })
        .collect()
}

/// All nodes, for people: in order of zone and URL.
pub async fn list_statuses(conn: &mut PgConnection) -> Result<Vec<NodeStatus>, DbError> {
    let rows = sqlx::query!(
        "SELECT public_id, url, zone, machine, medium, state, intent, drained, distrust, read_only_reason,
                capacity_bytes, free_bytes, used_bytes, blobs, sync_p99_us, scrub_done_bytes, scrub_total_bytes, scrub_finished_ms,
                scrub_damaged, extract(epoch FROM clock_timestamp() - last_heartbeat_at)::bigint AS silent_s
         FROM nodes WHERE intent <> 'gone' ORDER BY zone, url, id"
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
                medium: parse_medium(&row.medium)?,
                state: shown(parse_state(&row.state)?, parse_intent(&row.intent)?, row.drained),
                reason: row.distrust.or(row.read_only_reason),
                capacity_bytes: unsigned(row.capacity_bytes, "nodes.capacity_bytes")?,
                free_bytes: unsigned(row.free_bytes, "nodes.free_bytes")?,
                used_bytes: unsigned(row.used_bytes, "nodes.used_bytes")?,
                blobs: unsigned(row.blobs, "nodes.blobs")?,
                sync_p99_us: unsigned(row.sync_p99_us, "nodes.sync_p99_us")?,
                scrub: Scrub {
                    done_bytes: unsigned(row.scrub_done_bytes, "nodes.scrub_done_bytes")?,
                    total_bytes: unsigned(row.scrub_total_bytes, "nodes.scrub_total_bytes")?,
                    finished_ms: row
                        .scrub_finished_ms
                        .map(|ms| unsigned(ms, "nodes.scrub_finished_ms"))
                        .transpose()?,
                    damaged: unsigned(row.scrub_damaged, "nodes.scrub_damaged")?,
                },
                silent_seconds: row.silent_s.map(|seconds| u64::try_from(seconds).unwrap_or(0)),
            })
        })
        .collect()
}

/// How many zones the cluster has: those of all nodes that were ever heard of, so that the promise does not shrink
/// because nodes are away; only removing them makes it smaller.
pub async fn count_zones(conn: &mut PgConnection) -> Result<usize, DbError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(DISTINCT zone) AS "count!" FROM nodes WHERE state <> 'joining' AND intent <> 'gone'"#
    );
    stored(usize::try_from(count.fetch_one(conn).await?), "nodes.zone")
}
