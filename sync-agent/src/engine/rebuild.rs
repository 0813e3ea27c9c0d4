//! The index of a folder made again from its newest snapshot: when the index was lost, when the agent died between a
//! commit and noting it, or when another device wrote the commit. A row that was there before and says the same of an
//! entry still proves what it proved; others prove nothing of the files on the disk, so these are read again. Chunks
//! that the vault holds are not sent again.

use client::{TreeEntry, TreeNode, Vault};
use protocol::id::SourceId;

use super::EngineError;
use crate::index::{FolderState, Index, Record, StoredContent, StoredFile};
use crate::scan::{Kind, Meta, TreePath};

/// Rows that are written at a time.
const BATCH: usize = 10_000;

/// What of the rows that there were is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// What still holds.
    Proven,
    /// Nothing: every file is to be read again.
    Nothing,
}

/// Makes the rows of a source anew, and says so in its state.
pub(super) async fn rebuild(
    vault: &Vault,
    index: &Index,
    source: SourceId,
    state: FolderState,
    keep: Keep,
) -> Result<FolderState, EngineError> {
    let newest = vault.snapshots(source).last().cloned();
    index.unstage()?;
    if newest.is_some() {
        let mut rows = Vec::new();
        let mut pending = vec![TreePath::default()];
        while let Some(directory) = pending.pop() {
            let names: Vec<&[u8]> = directory.components().collect();
            for entry in vault.tree_entries(source, &names).await? {
                let path = directory.join(&entry.name);
                if matches!(entry.node, TreeNode::Directory { .. }) {
                    pending.push(path.clone());
                }
                let new = record(&entry);
                let known = if keep == Keep::Proven { index.row(&source, &path)? } else { None };
                let known = known.filter(|known| known.is_same_entry(&new));
                rows.push((path, known.unwrap_or(new)));
            }
            if rows.len() >= BATCH {
                index.stage(&source, &std::mem::take(&mut rows))?;
            }
        }
        index.stage(&source, &rows)?;
    }
    let state = FolderState {
        seq: newest.as_ref().map(|newest| newest.seq),
        files: newest.as_ref().map_or(0, |newest| newest.files),
        bytes: newest.as_ref().map_or(0, |newest| newest.bytes),
        upload: None,
        ..state
    };
    index.replace_by_staged(&source, &state)?;
    Ok(state)
}

/// A row that says what is in the vault, and that nothing is known of the file on the disk.
fn record(entry: &TreeEntry) -> Record {
    let (kind, size, file) = match &entry.node {
        TreeNode::File { size, hash, changed } => {
            let content = StoredContent::InEntry;
            (Kind::File, *size, Some(StoredFile { hash: *hash, changed: *changed, content }))
        }
        TreeNode::Directory { .. } => (Kind::Directory, 0, None),
        TreeNode::Symlink { .. } => (Kind::Symlink, 0, None),
    };
    let meta =
        Meta { kind, mode: entry.mode, size, mtime_ns: entry.mtime_ns, ctime_ns: 0, inode: 0, device: 0 };
    Record { meta, settled: false, file }
}
