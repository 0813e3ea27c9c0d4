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
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// A local disk.
    Disk,
}

/// A node introduces itself, in a request that it signs for [`JOIN_ORIGIN`].
#[derive(Debug, Clone, Serialize, Deserialize)]
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
}

/// The coordinator's answer to a heartbeat.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HeartbeatResponse {
    /// The node's state as the coordinator sees it.
    pub state: NodeState,
    /// The directory.
    pub directory: SignedDirectory,
}

/// A node's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
}

/// The nodes that nodes may talk to, and the web origins that may talk to them. No URL ever comes from a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct DirectoryEntry {
    /// The node.
    pub node: NodeId,
    /// Its URL, without a slash at the end.
    pub url: String,
}

/// A directory with the coordinator's signature over its exact bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct NodesResponse {
    /// In order of zone and URL.
    pub nodes: Vec<NodeStatus>,
}

/// One node, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Why it refuses writes.
    pub read_only_reason: Option<String>,
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
    /// Seconds since its last heartbeat, if there was one.
    pub silent_seconds: Option<u64>,
}
