//! What the coordinator knows of sources, and how durable it is.

use serde::{Deserialize, Serialize};

use crate::id::SourceId;

/// The state of a vault's sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourcesResponse {
    /// One each, in order of id.
    pub sources: Vec<SourceStatus>,
    /// Copies that the cluster keeps of a blob.
    pub replicas: u32,
    /// Zones below which data is at risk.
    pub write_zones: u32,
    /// All nodes that are up run on one machine: a try-out.
    pub single_machine: bool,
}

/// The state of one source: of the blobs that its newest snapshot needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourceStatus {
    /// The source.
    pub source: SourceId,
    /// When the coordinator first heard of it, in Unix milliseconds.
    pub since_ms: u64,
    /// Its newest snapshot, once there is one.
    pub newest: Option<NewestSnapshot>,
    /// When a client last downloaded, decrypted and compared a sample of it, in Unix milliseconds.
    pub proven_ms: Option<u64>,
    /// A device backs it up, and has sent no snapshot for longer than the server allows.
    pub overdue: bool,
    /// It takes no more snapshots.
    pub closed: bool,
    /// How many snapshots are kept.
    pub snapshots: u64,
    /// Blobs that the newest snapshot needs.
    pub blobs: u64,
    /// Their bytes, each blob once, one copy.
    pub stored_bytes: u64,
    /// How many of the blobs have how many copies on nodes that are up or suspect.
    pub copies: Vec<CopiesCount>,
}

/// A source's newest snapshot, as the coordinator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewestSnapshot {
    /// Its number in the vault's log.
    pub seq: u64,
    /// When the coordinator received it, in Unix milliseconds.
    pub received_ms: u64,
}

/// Blobs with the same number of living copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CopiesCount {
    /// Copies in different zones.
    pub copies: u32,
    /// Blobs.
    pub blobs: u64,
}
