//! The snapshots of a vault's sources, and how one of them is named.

use protocol::id::{BlobId, DeviceId, SourceId};

use crate::chain::{LoggedSnapshot, UnreadableCommit};
use crate::error::Error;
use crate::vault::Vault;

/// A snapshot of a source. A source alone stands for its newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotRef {
    /// The source.
    pub source: SourceId,
    /// Which of its snapshots.
    pub at: At,
}

/// Which snapshot of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The newest that can be read. A source without snapshots is empty.
    Newest,
    /// The one with this number in the vault's log.
    Seq(u64),
}

impl From<SourceId> for SnapshotRef {
    fn from(source: SourceId) -> Self {
        Self { source, at: At::Newest }
    }
}

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its number in the vault's log.
    pub seq: u64,
    /// When it was made, in Unix milliseconds, on the clock of who made it.
    pub created_ms: u64,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that should be in it and could not be read.
    pub unreadable_files: u64,
    /// Made while a first backup was under way: not all files are in it yet.
    pub partial: bool,
    /// What somebody called it.
    pub label: Option<String>,
    /// The device that made it, or the account's owner.
    pub device: Option<DeviceId>,
}

impl Vault {
    /// The snapshots of a source that can be read, oldest first.
    pub fn snapshots(&self, source: SourceId) -> Vec<SnapshotInfo> {
        self.chain().source(&source).map_or_else(Vec::new, |log| log.snapshots.iter().map(info).collect())
    }

    /// Commits that cannot be read, oldest first: their authors did not follow the format. What they were to change
    /// is as it was before.
    pub fn unreadable_commits(&self) -> Vec<UnreadableCommit> {
        self.chain().unreadable().to_vec()
    }

    /// The tree of a snapshot; `None` for the newest of a source that has none.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the source has no snapshot of that number that can be read.
    pub(crate) fn root(&self, snapshot: SnapshotRef) -> Result<Option<BlobId>, Error> {
        let chain = self.chain();
        let snapshots = chain.source(&snapshot.source).map_or(&[][..], |log| &log.snapshots);
        let found = match snapshot.at {
            At::Newest => snapshots.last(),
            At::Seq(seq) => {
                let at = snapshots.binary_search_by_key(&seq, |logged| logged.seq);
                Some(&snapshots[at.map_err(|_| Error::NotFound(format!("snapshot {seq}")))?])
            }
        };
        Ok(found.map(|logged| logged.content.root))
    }
}

pub(crate) fn info(logged: &LoggedSnapshot) -> SnapshotInfo {
    let content = &logged.content;
    SnapshotInfo {
        seq: logged.seq,
        created_ms: content.created_ms,
        files: content.files,
        bytes: content.bytes,
        unreadable_files: content.unreadable_files,
        partial: content.partial,
        label: content.label.clone(),
        device: logged.device,
    }
}
