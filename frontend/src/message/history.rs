//! Older snapshots, and what changed between two.

use serde::{Deserialize, Serialize};

use super::{EntryKind, Tally};

/// One snapshot of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its number.
    pub seq: u64,
    /// When it was made, in Unix milliseconds.
    pub created_ms: u64,
    /// Its files.
    pub tally: Tally,
    /// Files that could not be read.
    pub unreadable: u64,
    /// A first backup was under way: not all files are in it yet.
    pub partial: bool,
    /// What somebody called it.
    pub label: Option<String>,
    /// The device that made it; none for the web app.
    pub device: Option<String>,
}

/// What differs between two snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Sums of all differences.
    pub sums: Sums,
    /// The first of them.
    pub first: Vec<Difference>,
    /// How many more there are.
    pub more: u64,
}

/// Sums of differences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Only in the newer one.
    pub added: Tally,
    /// Only in the older one.
    pub removed: Tally,
    /// In both, with another content.
    pub changed: Tally,
    /// At another path.
    pub moved: Tally,
    /// With another mode, time or attribute alone: how many.
    pub touched: u64,
}

/// How an entry differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DifferenceKind {
    /// Only in the newer one; a folder with all that is in it.
    Added,
    /// Only in the older one; a folder with all that is in it.
    Removed,
    /// Another content.
    Changed {
        /// Its bytes in the older one.
        bytes_before: u64,
    },
    /// Another mode, time or attribute.
    Touched,
    /// At another path.
    Moved {
        /// Where it was.
        from: String,
    },
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// How.
    pub kind: DifferenceKind,
    /// Where, or where it was.
    pub path: String,
    /// What it is.
    pub entry: EntryKind,
    /// Its bytes, or those of all files in it.
    pub bytes: u64,
}
