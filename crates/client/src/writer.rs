//! Snapshots of a device's folder: the caller says what changed since the last, this stores it and commits.

use std::rc::Rc;

use ::backup::{Change, Entry, FormatError, Metadata, Node, StoredContent};
use protocol::id::{IdempotencyKey, SourceId};

use crate::content::{ContentWriter, KnownChunks};
use crate::error::Error;
use crate::path::Path;
use crate::platform::ReadAt;
use crate::progress::{Phase, Progress};
use crate::repair::Repair;
use crate::snapshot::{Basis, Edits, WriteOptions};
use crate::upload::{Pace, Uploader};
use crate::vault::Vault;

/// A first backup commits what it has after this many bytes read.
const PART_BYTES: u64 = 8 << 30;
/// Or after this time, in milliseconds.
const PART_MS: u64 = 10 * 60 * 1000;

/// Where a snapshot goes.
pub struct TreeTarget {
    /// The folder.
    pub source: SourceId,
    /// The snapshot that the changes are of, by its commit's number; none for the first. They go on top of no other.
    pub base: Option<u64>,
    /// Names the upload session. After a crash, the same key finds what was sent before; after a commit, a new one is
    /// due.
    pub session: IdempotencyKey,
    /// Chunks that need not be sealed again.
    pub known: Option<Rc<KnownChunks>>,
    /// What could not be read back of the newest snapshot.
    pub repair: Repair,
    /// How fast it is sent, natively; as fast as can be without.
    pub pace: Option<Pace>,
}

/// A change of a folder since its last snapshot.
#[derive(Debug, Clone)]
pub enum TreeChange {
    /// A file is new, or changed, or came from elsewhere in the vault.
    File {
        /// Where it is.
        path: Path,
        /// What it is like.
        metadata: Metadata,
        /// Its content: from [`TreeWriter::store`] now, or kept from then.
        content: StoredContent,
        /// It changed while it was read.
        changed: bool,
    },
    /// A folder is new, or is like this now. What is beneath it stays.
    Directory {
        /// Where it is.
        path: Path,
        /// What it is like.
        metadata: Metadata,
    },
    /// A symbolic link is new, or points elsewhere.
    Symlink {
        /// Where it is.
        path: Path,
        /// What it is like.
        metadata: Metadata,
        /// What it points to.
        target: Vec<u8>,
    },
    /// It is gone, with all that is beneath it.
    Removed {
        /// Where it was.
        path: Path,
    },
}

/// What becomes of a folder's last snapshot.
#[derive(Debug, Clone, Default)]
pub struct TreeEdits {
    /// In their order. None at all makes a snapshot that shows that nothing changed.
    pub changes: Vec<TreeChange>,
    /// Files that should be in it and could not be read.
    pub unreadable_files: u64,
    /// More of a first backup follows. Says nothing once the source has a complete snapshot.
    pub partial: bool,
}

/// A snapshot that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenSnapshot {
    /// The commit's number.
    pub seq: u64,
    /// Whether more is to follow.
    pub partial: bool,
    /// Sealed bytes that the vault did not hold before, one copy counted.
    pub new_bytes_sent: u64,
    /// Entries that a backup cannot have, and why; they count as unreadable.
    pub refused: Vec<(Path, String)>,
}

/// Stores contents for one snapshot. Cheap to clone.
#[derive(Clone)]
pub struct TreeWriter {
    content: ContentWriter,
    progress: Rc<Progress>,
    vault: Vault,
    started_ms: u64,
    read_before: u64,
}

impl TreeWriter {
    /// Stores the content of a file. Many may be called for at the same time: how many are read at once depends on
    /// their sizes. The inner error is the file's own, and stops nothing.
    ///
    /// # Errors
    /// As the network, the nodes and the server allow.
    pub async fn store(
        &self,
        reader: &dyn ReadAt,
        size: u64,
    ) -> Result<Result<StoredContent, String>, Error> {
        self.content.store(reader, size).await
    }

    /// Whether a first backup should commit what it has, and go on in another snapshot.
    pub fn is_part_due(&self) -> bool {
        self.progress.get().bytes_read - self.read_before >= PART_BYTES
            || self.vault.client().platform.now_ms().saturating_sub(self.started_ms) >= PART_MS
    }
}

impl Vault {
    /// Whether a source has a snapshot with all its files.
    pub fn is_complete(&self, source: SourceId) -> bool {
        self.chain().source(&source).is_some_and(|log| log.complete)
    }

    /// Commits a snapshot of a folder: what `make_edits` says, on top of [`TreeTarget::base`].
    ///
    /// # Errors
    /// [`Error::StaleBase`] if that is not the source's newest, as when a commit's answer was lost. [`Error::Gone`] names known chunks that the vault holds no more, or too few copies of; they are to be forgotten. Else as the
    /// network, the nodes and the server allow: what was sent is kept for a day, and a second try resumes it.
    pub async fn write_tree(
        &self,
        target: TreeTarget,
        progress: &Rc<Progress>,
        make_edits: impl AsyncFnOnce(TreeWriter) -> Result<TreeEdits, Error>,
    ) -> Result<WrittenSnapshot, Error> {
        let TreeTarget { source, base, session, known, repair, pace } = target;
        let mut refused = Vec::new();
        let mut partial = false;
        let started_ms = self.client().platform.now_ms();
        let make = async |uploader: Uploader| {
            progress.update(|it| it.phase = Phase::Transferring);
            let writer = TreeWriter {
                content: ContentWriter::new(uploader, known, progress.clone()),
                progress: progress.clone(),
                vault: self.clone(),
                started_ms,
                read_before: progress.get().bytes_read,
            };
            let edits = make_edits(writer).await?;
            let mut changes = Vec::with_capacity(edits.changes.len());
            for change in edits.changes {
                match into_change(change) {
                    Ok(change) => changes.push(change),
                    Err((path, reason)) => refused.push((path, reason)),
                }
            }
            partial = edits.partial && !self.is_complete(source);
            let unreadable_files = edits.unreadable_files + refused.len() as u64;
            Ok(Edits { changes, unreadable_files, partial })
        };
        let options =
            WriteOptions { source, basis: Basis::Snapshot(base), session, removes: false, repair, pace };
        let written = self.write_snapshot(options, progress, make).await?;
        progress.update(|it| it.phase = Phase::Done);
        Ok(WrittenSnapshot { seq: written.seq, partial, new_bytes_sent: written.sent.new_bytes, refused })
    }
}

/// An entry that breaks the format must not stop all others.
fn into_change(change: TreeChange) -> Result<Change, (Path, String)> {
    let checked = |path: Path, metadata: &Metadata| match (metadata.check(), path.split()) {
        (Ok(()), Some((parents, name))) => Ok((parents.to_vec(), name.clone())),
        (Err(FormatError::Rule(reason)), _) => Err((path, reason.to_owned())),
        (Err(error), _) => Err((path, error.to_string())),
        (Ok(()), None) => Err((path, "the folder itself has no entry".to_owned())),
    };
    let put = |path: Path, metadata: Metadata, node: Node| {
        let (parents, name) = checked(path, &metadata)?;
        let entry =
            Entry { xattrs: metadata.xattrs, ..Entry::new(name, metadata.mode, metadata.mtime_ns, node) };
        Ok(Change::Put { parents, entry: Box::new(entry) })
    };
    match change {
        TreeChange::File { path, metadata, content, changed } => {
            let StoredContent { size, hash, content } = content;
            put(path, metadata, Node::File { size, content, hash, changed })
        }
        TreeChange::Symlink { path, metadata, target } => put(path, metadata, Node::Symlink { target }),
        TreeChange::Directory { path, metadata } => {
            let (parents, name) = checked(path, &metadata)?;
            Ok(Change::PutDirectory { parents, name, metadata })
        }
        TreeChange::Removed { path } => {
            let (parents, name) = checked(path, &Metadata::default())?;
            Ok(Change::Remove { parents, name })
        }
    }
}
