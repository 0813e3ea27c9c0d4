//! Upload sessions: open, plan, receipts, references, commit.

use serde::{Deserialize, Serialize};

use crate::bytes::{Base64, Base64Array};
use crate::id::{IdempotencyKey, NodeId, UploadId};

/// Opens a session. The same key opens the same session again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenUploadRequest {
    /// Chosen by the client.
    pub key: IdempotencyKey,
    /// What it commits only deletes: an account that is full may do so within
    /// [`QUOTA_RESERVE_BYTES`](crate::limits::QUOTA_RESERVE_BYTES).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removes: bool,
}

/// An open session; each use extends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenUploadResponse {
    /// The session.
    pub upload: UploadId,
    /// Seconds after its last use when it ends.
    pub idle_seconds: u64,
    /// Copies that the cluster keeps of a blob now.
    pub replicas: u32,
    /// Zones that must have given receipts before a commit counts.
    pub write_zones: u32,
}

/// Asks where blobs go.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PlanRequest {
    /// [`crate::blob_list::pack_sized`], at most 1000.
    pub blobs: Base64,
    /// The client could not read them back: all of them go to nodes once more, also those that the vault holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// Where blobs go. Every blob asked for stands in `have` or in one group.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanResponse {
    /// [`crate::blob_list::pack_ids`] of the blobs that this vault holds durably; empty bytes for none.
    pub have: Base64,
    /// The rest.
    pub groups: Vec<PlannedGroup>,
}

/// Blobs that go to the same nodes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlannedGroup {
    /// [`crate::blob_list::pack_stored`], in the order of the batch.
    pub blobs: Base64,
    /// The nodes, in the order in which to try them as the first.
    pub targets: Vec<NodeGrant>,
}

/// A node and what one may do there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeGrant {
    /// The node.
    pub node: NodeId,
    /// Its public URL, without a slash at the end.
    pub url: String,
    /// The grant's token.
    pub grant: String,
}

/// Hands receipts in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReceiptsRequest {
    /// Signed receipts, at most 256.
    pub receipts: Vec<Base64>,
}

/// What became of the receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReceiptsResponse {
    /// How many counted.
    pub accepted: u32,
    /// Why the others did not, by their place in the request.
    pub refused: Vec<RefusedReceipt>,
}

/// A receipt that did not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefusedReceipt {
    /// Its place in the request.
    pub index: u32,
    /// Why.
    pub reason: String,
}

/// Commits the session: its snapshot becomes part of the vault's log. The references were staged before.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CommitUploadRequest {
    /// The signed envelope.
    pub envelope: Base64,
    /// Chosen by the client; the same key gets the same answer again.
    pub key: IdempotencyKey,
}

/// The commit is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommitResponse {
    /// Its number in the vault's log.
    pub seq: u64,
    /// Its hash.
    pub hash: Base64Array<32>,
    /// When the coordinator received it, in Unix milliseconds.
    pub received_ms: u64,
}
