//! Where blobs are, for reading.

use serde::{Deserialize, Serialize};

use crate::bytes::Base64;
use crate::uploads::NodeGrant;

/// Asks where blobs are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LocateRequest {
    /// [`crate::blob_list::pack_ids`], at most 1000.
    pub blobs: Base64,
}

/// Where blobs are. Every blob asked for stands in one group or in `missing`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LocateResponse {
    /// Blobs by the nodes that have them.
    pub groups: Vec<LocatedGroup>,
    /// [`crate::blob_list::pack_ids`] of those that the caller may not read, or that no living node has.
    pub missing: Base64,
}

/// Blobs that the same nodes have; at most 256 and 16 MiB, or one blob.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LocatedGroup {
    /// [`crate::blob_list::pack_stored`].
    pub blobs: Base64,
    /// The nodes, best first.
    pub replicas: Vec<NodeGrant>,
}
