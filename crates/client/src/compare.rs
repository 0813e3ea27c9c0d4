//! What differs between two snapshots. Only folders that differ are read; memory is bounded.

use ::backup::{Comparison, Difference as TreeDifference, Name};
use async_stream::try_stream;
use futures_util::stream::{LocalBoxStream, StreamExt as _};

use crate::browse::{TreeEntry, TreeNode};
use crate::error::Error;
use crate::history::SnapshotRef;
use crate::path::Path;
use crate::vault::Vault;

/// A difference. A folder that is in one of both alone is one difference, with all that is beneath it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Only in the newer snapshot.
    Added {
        /// Where it is.
        path: Path,
        /// What it is.
        entry: TreeEntry,
    },
    /// Only in the older snapshot.
    Removed {
        /// Where it was.
        path: Path,
        /// What it was.
        entry: TreeEntry,
    },
    /// In both, and not the same.
    Changed {
        /// Where it is.
        path: Path,
        /// What it was.
        before: TreeEntry,
        /// What it is.
        after: TreeEntry,
        /// Another content, or another target of a link. Else only mode, time or attributes are others.
        content: bool,
    },
    /// The same content at another path.
    Moved {
        /// Where it was.
        from: Path,
        /// Where it is.
        to: Path,
        /// What it is there.
        entry: TreeEntry,
    },
}

/// The sum of differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DifferenceTotals {
    /// Only in the newer snapshot.
    pub added: FilesAndBytes,
    /// Only in the older snapshot.
    pub removed: FilesAndBytes,
    /// Files and links in both with another content; the bytes are those in the newer one.
    pub changed: FilesAndBytes,
    /// Entries in both that differ in mode, time or attributes alone.
    pub metadata_changed: u64,
    /// At another path.
    pub moved: FilesAndBytes,
}

/// How many, and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FilesAndBytes {
    /// Files; a link counts as one.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl DifferenceTotals {
    /// Counts one more.
    pub fn add(&mut self, difference: &Difference) {
        match difference {
            Difference::Added { entry, .. } => self.added.add(entry),
            Difference::Removed { entry, .. } => self.removed.add(entry),
            Difference::Changed { after, content: true, .. } => self.changed.add(after),
            Difference::Changed { .. } => self.metadata_changed += 1,
            Difference::Moved { entry, .. } => self.moved.add(entry),
        }
    }
}

impl FilesAndBytes {
    fn add(&mut self, entry: &TreeEntry) {
        let (files, bytes) = match entry.node {
            TreeNode::File { size, .. } => (1, size),
            TreeNode::Directory { files, bytes } => (files, bytes),
            TreeNode::Symlink { .. } => (1, 0),
        };
        self.files = self.files.saturating_add(files);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Vault {
    /// The differences of two snapshots, folders before what is in them, in the order of names. What moved stands
    /// where the first of its two paths does.
    ///
    /// # Errors
    /// [`Error::NotFound`]; in the stream those of reading.
    pub fn compare(
        &self,
        from: impl Into<SnapshotRef>,
        to: impl Into<SnapshotRef>,
    ) -> Result<LocalBoxStream<'static, Result<Difference, Error>>, Error> {
        let (old, new) = (self.root(from.into())?, self.root(to.into())?);
        let fetcher = self.fetcher().clone();
        let differences = try_stream! {
            let mut comparison = Comparison::new(&fetcher, old, new);
            while let Some(difference) = comparison.next().await? {
                yield Difference::from(difference);
            }
        };
        Ok(differences.boxed_local())
    }
}

impl From<TreeDifference> for Difference {
    fn from(difference: TreeDifference) -> Self {
        let path = |parents: Vec<Name>, name: &Name| Path::beneath(parents, name.clone());
        match difference {
            TreeDifference::Added { parents, entry } => {
                Self::Added { path: path(parents, &entry.name), entry: (&*entry).into() }
            }
            TreeDifference::Removed { parents, entry } => {
                Self::Removed { path: path(parents, &entry.name), entry: (&*entry).into() }
            }
            TreeDifference::Changed { parents, before, after, content } => Self::Changed {
                path: path(parents, &after.name),
                before: (&*before).into(),
                after: (&*after).into(),
                content,
            },
            TreeDifference::Moved { from, before, to, after } => Self::Moved {
                from: path(from, &before.name),
                to: path(to, &after.name),
                entry: (&*after).into(),
            },
        }
    }
}
