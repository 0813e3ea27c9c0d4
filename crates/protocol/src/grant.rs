//! Grants: what a coordinator allows a client, or itself, to do on one node. Carried as PASETO v4.public tokens, which only the
//! servers can issue and verify; for clients they are opaque text.

use serde::{Deserialize, Serialize};

use crate::bytes::Base64Array;
use crate::id::{GrantId, NodeId, Pseudonym};

/// What a grant allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Store blobs.
    Put,
    /// Read blobs.
    Get,
    /// Fetch blobs from another node and store them.
    Pull,
    /// Delete blobs up to a generation.
    Delete,
    /// Prove that blobs are there, by hashing them with a nonce.
    Audit,
    /// List what is there; its list of blobs is empty.
    Inventory,
}

impl Operation {
    /// The operation's byte in a receipt.
    pub fn to_byte(self) -> u8 {
        match self {
            Self::Put => 1,
            Self::Get => 2,
            Self::Pull => 3,
            Self::Delete => 4,
            Self::Audit => 5,
            Self::Inventory => 6,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Put),
            2 => Some(Self::Get),
            3 => Some(Self::Pull),
            4 => Some(Self::Delete),
            5 => Some(Self::Audit),
            6 => Some(Self::Inventory),
            _ => None,
        }
    }
}

/// A grant's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The one node that it is for.
    pub aud: NodeId,
    /// The vault, by the name that this node knows it by.
    pub sub: Pseudonym,
    /// What it allows.
    pub op: Operation,
    /// How many blobs.
    pub count: u32,
    /// How many bytes in all.
    pub bytes: u64,
    /// [`crate::blob_list::digest`] of the blobs.
    pub digest: Base64Array<32>,
    /// Issued, in Unix seconds.
    pub iat: u64,
    /// Expires, in Unix seconds.
    pub exp: u64,
    /// The grant's number.
    pub jti: GrantId,
}
