//! The snapshots of a vault's sources, and how one of them is named.

use std::rc::Rc;

use protocol::id::{BlobId, DeviceId, SourceId};

use crate::chain::{LoggedSnapshot, UnreadableCommit};
use crate::error::Error;
use crate::path::Path;
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

    /// Why something of a snapshot cannot be read: it may be gone on purpose. `path` is that of the file, if it is one,
    /// and begins with the name of what is read.
    pub(crate) async fn explain(&self, reading: &Reading, path: Option<&Path>, error: Error) -> Error {
        if !error.is_unreadable() {
            return error;
        }
        // Whoever cannot ask knows no more than before.
        let asked = self.refresh_kept().await;
        if asked.is_ok() && !self.is_kept(&reading.source, reading.seq) {
            return Error::Forgotten(reading.seq);
        }
        if let Err(stop @ Error::Untrusted(_)) = self.refresh().await {
            return stop;
        }
        match path {
            Some(path) if self.was_purged(reading, path) => Error::Purged(path.to_string()),
            _ => error,
        }
    }

    fn was_purged(&self, reading: &Reading, path: &Path) -> bool {
        let chain = self.chain();
        let mut places = reading.folders.iter().map(|folder| folder.join(path).to_bytes());
        places.any(|place| chain.was_purged(&reading.source, reading.seq, &place))
    }

    /// What is read of the snapshot that a reference stands for now; `None` for the newest of a source that has none.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub(crate) fn reading(&self, snapshot: SnapshotRef, paths: &[Path]) -> Result<Option<Reading>, Error> {
        let mut folders: Vec<_> = paths.iter().map(Path::parent).collect();
        folders.dedup();
        let source = snapshot.source;
        Ok(self.resolve(snapshot)?.map(|(seq, _)| Reading { source, seq, folders: folders.into() }))
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

/// What is being read of a snapshot.
#[derive(Clone)]
pub(crate) struct Reading {
    source: SourceId,
    seq: u64,
    /// Those that what is read is in, each once.
    folders: Rc<[Path]>,
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
