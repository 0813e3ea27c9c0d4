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
    /// The snapshots of a source that can be read and are kept, as [`Vault::refresh_kept`] last heard, oldest first.
    pub fn snapshots(&self, source: SourceId) -> Vec<SnapshotInfo> {
        let chain = self.chain();
        let logged = chain.source(&source).into_iter().flat_map(|log| &log.snapshots);
        logged.filter(|logged| self.is_kept(&source, logged.seq)).map(info).collect()
    }

    /// Commits that cannot be read, oldest first: their authors did not follow the format. What they were to change
    /// is as it was before.
    pub fn unreadable_commits(&self) -> Vec<UnreadableCommit> {
        self.chain().unreadable().to_vec()
    }

    /// Why something of a snapshot cannot be read: it may be gone on purpose.
    pub(crate) async fn explain(&self, snapshot: Reading, error: Error) -> Error {
        if !error.is_unreadable() {
            return error;
        }
        // Whoever cannot ask knows no more than before.
        let asked = self.refresh_kept().await;
        let is_kept = self.is_kept(&snapshot.source, snapshot.seq);
        if asked.is_ok() && !is_kept { Error::Forgotten(snapshot.seq) } else { error }
    }

    /// The snapshot that a reference stands for now; `None` for the newest of a source that has none.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub(crate) fn reading(&self, snapshot: SnapshotRef) -> Result<Option<Reading>, Error> {
        Ok(self.resolve(snapshot)?.map(|(seq, _)| Reading { source: snapshot.source, seq }))
    }

    /// The tree of a snapshot; `None` for the newest of a source that has none.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the source has no snapshot of that number that can be read and is kept.
    pub(crate) fn root(&self, snapshot: SnapshotRef) -> Result<Option<BlobId>, Error> {
        Ok(self.resolve(snapshot)?.map(|(_, root)| root))
    }

    fn resolve(&self, snapshot: SnapshotRef) -> Result<Option<(u64, BlobId)>, Error> {
        let chain = self.chain();
        let snapshots = chain.source(&snapshot.source).map_or(&[][..], |log| &log.snapshots);
        let is_kept = |logged: &&LoggedSnapshot| self.is_kept(&snapshot.source, logged.seq);
        let found = match snapshot.at {
            At::Newest => snapshots.last().filter(is_kept),
            At::Seq(seq) => {
                let at = snapshots.binary_search_by_key(&seq, |logged| logged.seq).ok();
                let found = at.map(|at| &snapshots[at]).filter(is_kept);
                Some(found.ok_or_else(|| Error::NotFound(format!("snapshot {seq}")))?)
            }
        };
        Ok(found.map(|logged| (logged.seq, logged.content.root)))
    }
}

/// A snapshot that is being read.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    source: SourceId,
    seq: u64,
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
