//! What clients and storage nodes say to each other.
//!
//! A batch of puts is one body: a u32 length, a [`PutHeader`] as JSON, then the blobs' bytes in the header's order.
//! The answer is one line of JSON per [`PutEvent`]. A batch of reads is a [`ReadRequest`] as JSON; the answer is the
//! wanted blobs' bytes in that order, with no framing: the client knows their sizes.

use serde::{Deserialize, Serialize};

use crate::bytes::Base64;
use crate::digest::length_prefixed;
use crate::error::ErrorCode;
use crate::id::NodeId;

/// The header that names a blob's generation in the simple API.
pub const GENERATION_HEADER: &str = "triplicate-generation";

/// Starts a batch of puts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutHeader {
    /// The grant for this node.
    pub grant: String,
    /// Nodes to pass the blobs on to, with the grants for them.
    pub fan_out: Vec<FanOutGrant>,
    /// [`crate::blob_list::pack_stored`].
    pub blobs: Base64,
}

/// A node to pass blobs on to. Its URL comes from the signed directory alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FanOutGrant {
    /// The node.
    pub node: NodeId,
    /// The grant for it.
    pub grant: String,
}

impl PutHeader {
    /// The front of the body: length and JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        length_prefixed(&serde_json::to_vec(self).expect("strings serialize"))
    }
}

/// One line of the answer to a batch of puts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum PutEvent {
    /// A node holds the whole batch durably.
    Stored {
        /// The node.
        node: NodeId,
        /// Its signed receipt.
        receipt: Base64,
    },
    /// A node does not.
    Failed {
        /// The node.
        node: NodeId,
        /// Why, for programs.
        code: ErrorCode,
        /// Why, for people.
        message: String,
    },
}

/// Reads some of the blobs that a grant names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReadRequest {
    /// The grant for this node.
    pub grant: String,
    /// [`crate::blob_list::pack_stored`]: the whole list that the grant names.
    pub blobs: Base64,
    /// Which of them, by their places in the list.
    pub wanted: Vec<u32>,
}
