//! What the coordinator asks of storage nodes so that every blob keeps its copies. Each request carries a grant of
//! its own operation, whose `sub` is a random pseudonym of that request.

use serde::{Deserialize, Serialize};

use crate::bytes::{Base64, Base64Array};
use crate::digest::sha256;
use crate::id::{BlobId, NodeId};

/// Parts of an inventory: one for each first byte of a blob's id.
pub const INVENTORY_PARTS: usize = 256;

/// Asks a node to fetch blobs from another one and to store them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    /// For this node, [`crate::grant::Operation::Pull`].
    pub grant: String,
    /// Where to fetch from. Its URL comes from the signed directory alone.
    pub from: NodeId,
    /// For that node, [`crate::grant::Operation::Get`], of the same list.
    pub from_grant: String,
    /// [`crate::blob_list::pack_stored`].
    pub blobs: Base64,
}

/// What became of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PullResponse {
    /// The node's receipt for those blobs that it holds durably now; none if it holds none of them.
    pub receipt: Option<Base64>,
    /// Places in the list of the blobs that the other node did not give, or gave with other bytes.
    pub failed: Vec<u32>,
}

/// Asks a node to delete blobs that it stores at a generation up to the named one. A later put of a higher generation
/// is not hit, however late this arrives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeleteRequest {
    /// For this node, [`crate::grant::Operation::Delete`].
    pub grant: String,
    /// [`crate::blob_list::pack_stored`].
    pub blobs: Base64,
}

/// The blobs are gone, durably.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeleteResponse {
    /// The node's receipt, of the whole list.
    pub receipt: Base64,
}

/// Asks a node to prove that it has blobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AuditRequest {
    /// For this node, [`crate::grant::Operation::Audit`].
    pub grant: String,
    /// [`crate::blob_list::pack_stored`].
    pub blobs: Base64,
    /// Random, so that no answer can be kept from before.
    pub nonce: Base64Array<32>,
}

/// A node's proofs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditResponse {
    /// [`audit_digest`] of each blob in the list's order; none where it is absent or damaged.
    pub digests: Vec<Option<Base64Array<32>>>,
}

/// What a node answers to an audit of a blob with these bytes.
pub fn audit_digest(nonce: &[u8; 32], blob: &[u8]) -> [u8; 32] {
    sha256(&[b"triplicate/v1/audit\0", nonce, blob])
}

/// What a blob adds to the digest of its part of an inventory: SHA-256 of id and generation. The digest of a part is
/// the XOR of those of its blobs, so that it is kept up to date without reading the others. It finds what was lost
/// or forgotten; it is no defence against a node that lies, which audits are.
pub fn inventory_digest(id: &BlobId, generation: u32) -> [u8; 32] {
    sha256(&[b"triplicate/v1/inventory\0", id.as_bytes(), &generation.to_be_bytes()])
}
