//! Snapshots: which of them are kept, for how long by a policy, and the list beside a commit that forgets some.

use serde::{Deserialize, Serialize};

use crate::bytes::{Base64, Reader};
use crate::digest::{PREFIX, sha256};
use crate::id::SourceId;
use crate::limits::FORGET_SNAPSHOTS_MAX;

/// A snapshot by its place in the vault's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    /// Its source.
    pub source: SourceId,
    /// Its number in the vault's log.
    pub seq: u64,
}

/// A packed list is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a list of snapshots: {0}")]
pub struct SnapshotListError(&'static str);

/// Packs `(source_id, u64)*`.
pub fn pack(snapshots: &[SnapshotId]) -> Base64 {
    Base64(list_bytes(snapshots))
}

/// Reads `(source_id, u64)*`: at least one, at most 10,000, strictly ascending.
///
/// # Errors
/// [`SnapshotListError`] naming the rule that is broken.
pub fn unpack(bytes: &Base64) -> Result<Vec<SnapshotId>, SnapshotListError> {
    let mut reader = Reader(&bytes.0);
    let mut out: Vec<SnapshotId> = Vec::new();
    while !reader.is_empty() {
        let (Some(source), Some(seq)) = (reader.array(), reader.u64()) else {
            return Err(SnapshotListError("cut short"));
        };
        let source = SourceId::from_bytes(source).map_err(|_| SnapshotListError("a zero id"))?;
        let snapshot = SnapshotId { source, seq };
        if out.last().is_some_and(|last| *last >= snapshot) {
            return Err(SnapshotListError("not strictly ascending"));
        }
        out.push(snapshot);
    }
    if out.is_empty() || out.len() > FORGET_SNAPSHOTS_MAX {
        return Err(SnapshotListError("none, or too many"));
    }
    Ok(out)
}

/// The digest that the head of a commit carries which forgets them.
pub fn digest(snapshots: &[SnapshotId]) -> [u8; 32] {
    let count = u32::try_from(snapshots.len()).expect("limited to FORGET_SNAPSHOTS_MAX");
    sha256(&[PREFIX, b"forget\0", &count.to_be_bytes(), &list_bytes(snapshots)])
}

fn list_bytes(snapshots: &[SnapshotId]) -> Vec<u8> {
    snapshots.iter().flat_map(|it| [&it.source.as_bytes()[..], &it.seq.to_be_bytes()].concat()).collect()
}

/// The snapshots of a vault that are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SnapshotsResponse {
    /// One each for sources that have any, in order of id.
    pub sources: Vec<KeptSnapshots>,
}

/// The snapshots of a source that are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeptSnapshots {
    /// The source.
    pub source: SourceId,
    /// In order of their numbers.
    pub kept: Vec<KeptSnapshot>,
}

/// A snapshot that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeptSnapshot {
    /// Its number in the vault's log.
    pub seq: u64,
    /// When the coordinator received it, in Unix milliseconds: what a policy goes by.
    pub received_ms: u64,
}

/// Which snapshots of a source are kept. One is if any of these rules keeps it; the newest of a source that takes more
/// always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RetentionPolicy {
    /// So many of the newest.
    pub last: u32,
    /// The first of each of so many of the newest hours that have any. Hours, days and so on are those of UTC.
    pub hourly: u32,
    /// The same of days.
    pub daily: u32,
    /// The same of weeks, which begin on Mondays.
    pub weekly: u32,
    /// The same of months.
    pub monthly: u32,
    /// The same of years.
    pub yearly: u32,
    /// All of the last so many seconds.
    pub within_seconds: u64,
}

impl Default for RetentionPolicy {
    /// All of two days, then the first of each of 7 days, 5 weeks and 12 months.
    fn default() -> Self {
        Self { last: 0, hourly: 0, daily: 7, weekly: 5, monthly: 12, yearly: 0, within_seconds: 48 * 3600 }
    }
}

/// The policy of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetentionResponse {
    /// The one in force.
    pub policy: RetentionPolicy,
    /// Nobody chose it: it is what the server does by itself.
    pub is_default: bool,
    /// It is the source of browser uploads, of which everything of the last 30 days is kept as well.
    pub uploads: bool,
}

/// What a policy would do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetentionPreview {
    /// The snapshots that would be kept, by their numbers in the vault's log.
    pub kept: Vec<u64>,
    /// Those that would be forgotten.
    pub forgotten: Vec<u64>,
}
