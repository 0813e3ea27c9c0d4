//! Storage nodes: joining, heartbeats, the signed directory, and what people see of them.

use serde::{Deserialize, Serialize};

use crate::bytes::{Base64, Base64Array};
use crate::id::{BootId, NodeId, StoreId};
use crate::signature::{BadSignature, PublicKey, SigningKey, sign};

/// What a join request is signed for instead of the coordinator's origin, which the node learns from the answer.
/// The join token in the signed body is one coordinator's alone.
pub const JOIN_ORIGIN: &str = "";

const DIRECTORY_LABEL: &str = "sig/node-dir";

/// Where a node keeps blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// A local disk.
    Disk,
    /// A bucket of a server that speaks S3.
    S3,
    /// A Dropbox.
    Dropbox,
}

/// A node introduces itself, in a request that it signs for [`JOIN_ORIGIN`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// Proves that the operator wants it.
    pub join_token: String,
    /// Chosen by the node at random.
    pub node: NodeId,
    /// The node's key, for heartbeats and receipts.
    pub public_key: PublicKey,
    /// Where clients and nodes reach it, without a slash at the end.
    pub url: String,
    /// What fails together: a disk, host, rack, bucket or cloud account.
    pub zone: String,
    /// The machine it runs on, so that people can be told when all copies are on one.
    pub machine: String,
    /// Where it keeps blobs.
    pub medium: Medium,
    /// The store.
    pub store: StoreId,
}

/// A node is in the cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JoinResponse {
    /// The coordinator's key: signs grants and the directory.
    pub coordinator_key: PublicKey,
    /// The coordinator's origin, which signed requests name.
    pub origin: String,
    /// The directory.
    pub directory: SignedDirectory,
}

/// A node is alive.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HeartbeatRequest {
    /// This start of the process.
    pub boot: BootId,
    /// Counts up within one start; older heartbeats are ignored.
    pub sequence: u64,
    /// The store that is mounted.
    pub store: StoreId,
    /// Writes are refused, with the reason in plain words.
    pub read_only: Option<String>,
    /// Size of the medium in bytes.
    pub capacity_bytes: u64,
    /// Free bytes above the reserve.
    pub free_bytes: u64,
    /// Bytes that blobs take.
    pub used_bytes: u64,
    /// How many blobs.
    pub blobs: u64,
    /// Bytes in flight now.
    pub in_flight_bytes: u64,
    /// 99th percentile of the last minute's syncs to disk, in microseconds.
    pub sync_p99_us: u64,
    /// The node's clock, in Unix milliseconds.
    pub time_ms: u64,
    /// [`crate::blob_list::pack_stored`] of blobs found damaged or gone: the node has them no more. Repeated until a
    /// heartbeat that names them was answered.
    #[serde(default)]
    pub damaged: Base64,
    /// How far the node is with reading everything that it holds.
    #[serde(default)]
    pub scrub: Scrub,
}

/// A node reads everything that it holds again and again, so that damage is found while other copies are good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Scrub {
    /// Bytes read in the round under way.
    pub done_bytes: u64,
    /// Bytes that the round began with.
    pub total_bytes: u64,
    /// When the last whole round ended, in Unix milliseconds.
    pub finished_ms: Option<u64>,
    /// Damaged records found since the store was made.
    pub damaged: u64,
}

/// The coordinator's answer to a heartbeat.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeartbeatResponse {
    /// The node's state as the coordinator sees it.
    pub state: NodeState,
    /// The directory.
    pub directory: SignedDirectory,
}

/// A node's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Introduced, no heartbeat yet.
    Joining,
    /// Heard of within the last 15 seconds.
    Up,
    /// Silent for 15 seconds: gets nothing new and is read last.
    Suspect,
    /// Silent for 60 seconds: not read.
    Down,
    /// Up, and refuses writes.
    ReadOnly,
    /// Silent for 15 minutes: its copies are replaced.
    Out,
    /// The operator wants it empty: gets nothing new, and its copies are replaced while it still serves them.
    Draining,
    /// Every blob that it had has enough copies elsewhere: it may be switched off.
    Drained,
    /// Removed by the operator, for good.
    Gone,
}

/// The nodes that nodes may talk to, and the web origins that may talk to them. No URL ever comes from a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Directory {
    /// When it was written, in Unix milliseconds; the newest is in force.
    pub issued_ms: u64,
    /// Exact origins of the web app.
    pub web_origins: Vec<String>,
    /// The nodes.
    pub nodes: Vec<DirectoryEntry>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DirectoryEntry {
    /// The node.
    pub node: NodeId,
    /// Its URL, without a slash at the end.
    pub url: String,
}

/// A directory with the coordinator's signature over its exact bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedDirectory {
    /// [`Directory`] as JSON.
    pub directory: Base64,
    /// Ed25519.
    pub signature: Base64Array<64>,
}

/// Why a directory is refused.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Signed by another key, or changed.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// Signed, but not a directory.
    #[error("not a node directory")]
    Malformed(#[from] serde_json::Error),
}

impl SignedDirectory {
    /// Signs a directory with the coordinator's key.
    pub fn issue(key: &SigningKey, directory: &Directory) -> Self {
        let bytes = serde_json::to_vec(directory).expect("strings and numbers serialize");
        let signature = Base64Array(sign(key, DIRECTORY_LABEL, &bytes));
        Self { directory: Base64(bytes), signature }
    }

    /// # Errors
    /// [`DirectoryError`] unless the coordinator signed it.
    pub fn verify(&self, key: &PublicKey) -> Result<Directory, DirectoryError> {
        key.verify(DIRECTORY_LABEL, &self.directory.0, &self.signature.0)?;
        Ok(serde_json::from_slice(&self.directory.0)?)
    }
}

/// All nodes, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodesResponse {
    /// In order of zone and URL.
    pub nodes: Vec<NodeStatus>,
    /// How the blobs of all are.
    pub cluster: ClusterStatus,
}

/// How the blobs of the cluster are, for people. Of each kind, at most
/// [`crate::limits::COUNTED_BLOBS_MAX`] are counted: that many means as many or more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterStatus {
    /// Copies that there should be of a blob.
    pub replicas: u32,
    /// Zones below which a blob is at risk.
    pub write_zones: u32,
    /// Blobs that are known to lack copies; more are made of them.
    pub lacking: u64,
    /// Of these: at risk.
    pub at_risk: u64,
    /// Of these: without a copy that can be read at the moment.
    pub unreadable: u64,
    /// Of those that lack copies: for want of a zone with room.
    pub without_zone: u64,
    /// Blobs with a copy too many.
    pub surplus: u64,
    /// Blobs whose copy in a full zone is to move to an emptier one.
    pub moving: u64,
    /// Whole percent of its capacity by which the fullest zone is fuller than the emptiest; 0 while a node is silent.
    pub spread_percent: u32,
    /// Nothing but last copies is repaired for now, because so many nodes fell silent at about the same time that it is
    /// rather the network.
    pub is_held_back: bool,
    /// How long the blobs that lack copies take at the present rate, if there is one; those that are counted.
    pub eta_seconds: Option<u64>,
}

/// What goes if a node is removed now: blobs that something still needs, by their copies elsewhere that can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RemovalResponse {
    /// Blobs that are nowhere else: they would be lost.
    pub lost: u64,
    /// Blobs that would be left in one zone.
    pub single: u64,
}

/// Removes a node for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RemoveNodeRequest {
    /// Also if the only copies of some blobs go with it.
    pub force: bool,
}

/// One node, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeStatus {
    /// The node.
    pub node: NodeId,
    /// Its URL.
    pub url: String,
    /// What fails together.
    pub zone: String,
    /// The machine it runs on.
    pub machine: String,
    /// Where it keeps blobs.
    pub medium: Medium,
    /// Its state.
    pub state: NodeState,
    /// Why it refuses writes, or why its word is not believed.
    pub reason: Option<String>,
    /// Size of the medium in bytes.
    pub capacity_bytes: u64,
    /// Free bytes above the reserve.
    pub free_bytes: u64,
    /// Bytes that blobs take.
    pub used_bytes: u64,
    /// How many blobs.
    pub blobs: u64,
    /// 99th percentile of its syncs to disk, in microseconds.
    pub sync_p99_us: u64,
    /// How far it is with reading everything that it holds.
    pub scrub: Scrub,
    /// Seconds since its last heartbeat, if there was one.
    pub silent_seconds: Option<u64>,
}
