//! Older snapshots: the timeline of a source, and what changed between two moments.

use client::{At, Difference as Found, DifferenceTotals, FilesAndBytes, SnapshotRef, TreeEntry, TreeNode};
use futures_util::TryStreamExt as _;
use protocol::id::SourceId;

use super::desk::Desk;
use super::failure;
use crate::failure::Failure;
use crate::message::{
    Compare, Comparison, Difference, DifferenceKind, EntryKind, Moment, Snapshot, Sums, Tally, Timeline,
};

/// Differences that a page shows at most; the sums are of all.
const SHOWN_MAX: usize = 1000;

pub(super) async fn timeline(desk: &Desk, ask: Timeline) -> Result<Vec<Snapshot>, Failure> {
    let (vault, source) = desk.source(ask.source)?;
    vault.refresh().await.map_err(|error| failure::told(&error))?;
    vault.refresh_kept().await.map_err(|error| failure::told(&error))?;
    let snapshots = vault.snapshots(source).into_iter().rev().map(|info| Snapshot {
        seq: info.seq,
        created_ms: info.created_ms,
        tally: Tally { files: info.files, bytes: info.bytes },
        unreadable: info.unreadable_files,
        partial: info.partial,
        label: info.label,
        device: info.device.map(|device| desk.device_name(device)),
    });
    Ok(snapshots.collect())
}

pub(super) async fn compare(desk: &Desk, ask: Compare) -> Result<Comparison, Failure> {
    let (vault, source) = desk.source(ask.source)?;
    let at = |seq| SnapshotRef { source, at: At::Seq(seq) };
    let mut differences = vault.compare(at(ask.from), at(ask.to)).map_err(|error| failure::told(&error))?;
    let mut totals = DifferenceTotals::default();
    let mut comparison = Comparison::default();
    while let Some(found) = differences.try_next().await.map_err(|error| failure::told(&error))? {
        totals.add(&found);
        if comparison.first.len() < SHOWN_MAX {
            comparison.first.push(difference(&found));
        } else {
            comparison.more += 1;
        }
    }
    comparison.sums = sums(&totals);
    Ok(comparison)
}

/// The snapshot that is meant.
pub(super) fn snapshot(source: SourceId, moment: Moment) -> SnapshotRef {
    SnapshotRef { source, at: moment.seq.map_or(At::Newest, At::Seq) }
}

fn difference(found: &Found) -> Difference {
    let (kind, path, entry) = match found {
        Found::Added { path, entry } => (DifferenceKind::Added, path, entry),
        Found::Removed { path, entry } => (DifferenceKind::Removed, path, entry),
        Found::Changed { path, before, after, content: true } => {
            (DifferenceKind::Changed { bytes_before: bytes(before) }, path, after)
        }
        Found::Changed { path, after, .. } => (DifferenceKind::Touched, path, after),
        Found::Moved { from, to, entry } => (DifferenceKind::Moved { from: from.to_string() }, to, entry),
    };
    let kind_of_entry = match entry.node {
        TreeNode::File { .. } => EntryKind::File,
        TreeNode::Directory { .. } => EntryKind::Folder,
        TreeNode::Symlink { .. } => EntryKind::Link,
    };
    Difference { kind, path: path.to_string(), entry: kind_of_entry, bytes: bytes(entry) }
}

fn bytes(entry: &TreeEntry) -> u64 {
    match entry.node {
        TreeNode::File { size, .. } => size,
        TreeNode::Directory { bytes, .. } => bytes,
        TreeNode::Symlink { .. } => 0,
    }
}

fn sums(totals: &DifferenceTotals) -> Sums {
    let tally = |sum: FilesAndBytes| Tally { files: sum.files, bytes: sum.bytes };
    Sums {
        added: tally(totals.added),
        removed: tally(totals.removed),
        changed: tally(totals.changed),
        moved: tally(totals.moved),
        touched: totals.metadata_changed,
    }
}
