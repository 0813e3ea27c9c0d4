//! Backups into a source: files are read, cut, sealed and sent while the next are being read, and then become one
//! snapshot. Deleting and undoing are edits of the tree alone.

use std::rc::Rc;

use ::backup::{Change, Entry, Node, StoredContent};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use protocol::id::SourceId;

use crate::content::ContentWriter;
use crate::error::Error;
use crate::path::Path;
use crate::platform::ReadAt;
use crate::progress::{Phase, Progress};
use crate::repair::Repair;
use crate::snapshot::{Basis, Edits, WriteOptions};
use crate::upload::Uploader;
use crate::vault::Vault;

/// Files that are read at the same time, if they are small.
const FILES_AT_ONCE: usize = 64;
/// Browsers tell no permissions.
const FILE_MODE: u32 = 0o644;

/// A file to back up.
pub struct NewFile {
    /// Names from the root down.
    pub path: Vec<String>,
    /// Last change, in Unix milliseconds.
    pub mtime_ms: i64,
    /// Its bytes, as far as known; what is read counts.
    pub size: u64,
    /// Its content.
    pub reader: Box<dyn ReadAt>,
}

/// A file that could not be read, and is not in the backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableFile {
    /// Names from the root down.
    pub path: Vec<String>,
    /// Why, in words.
    pub reason: String,
}

/// What a backup came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSummary {
    /// The commit's number.
    pub seq: u64,
    /// Files that were backed up.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Sealed bytes that the vault did not hold before, one copy counted.
    pub new_bytes_sent: u64,
    /// Files that are missing from it.
    pub unreadable: Vec<UnreadableFile>,
}

/// Entries that were deleted, for putting them back.
#[derive(Debug, Clone)]
pub struct Removed {
    source: SourceId,
    changes: Vec<Change>,
}

impl Removed {
    /// How many entries it holds.
    pub fn entries(&self) -> usize {
        self.changes.len()
    }
}

impl Vault {
    /// Backs files up into the source of uploads: one commit when all are durable.
    ///
    /// # Errors
    /// As the network, the nodes and the server allow; what was sent is kept for a day, and a second try resumes it.
    pub async fn backup(&self, files: Vec<NewFile>, progress: &Rc<Progress>) -> Result<BackupSummary, Error> {
        let source = self.uploads()?;
        progress.update(|it| {
            it.files_total = files.len() as u64;
            it.bytes_total = files.iter().map(|file| file.size).sum();
        });
        let mut summary =
            BackupSummary { seq: 0, files: 0, bytes: 0, new_bytes_sent: 0, unreadable: Vec::new() };
        let files = files
            .into_iter()
            .map(|file| Ok((Path::parse(&file.path)?, file)))
            .collect::<Result<Vec<_>, Error>>()?;
        let mut paths: Vec<&Path> = files.iter().map(|(path, _)| path).collect();
        paths.sort_unstable();
        self.check_clashes(source, &paths).await?;
        let read = async |uploader: Uploader| {
            progress.update(|it| it.phase = Phase::Transferring);
            let writer = ContentWriter::new(uploader, None, progress.clone());
            let read: Vec<_> = stream::iter(files)
                .map(|(path, file)| store_file(writer.clone(), path, file))
                .buffer_unordered(FILES_AT_ONCE)
                .try_collect()
                .await?;
            let mut edits = Edits::default();
            for outcome in read {
                match outcome {
                    Ok(change) => edits.changes.push(change),
                    Err(unreadable) => summary.unreadable.push(unreadable),
                }
            }
            edits.unreadable_files = summary.unreadable.len() as u64;
            Ok(edits)
        };
        let written = self.write_snapshot(self.edit_of(source), progress, read).await?;
        progress.update(|it| it.phase = Phase::Done);
        let done = progress.get();
        summary.seq = written.seq;
        summary.files = done.files_done;
        summary.bytes = done.bytes_read;
        summary.new_bytes_sent = written.sent.new_bytes;
        Ok(summary)
    }

    /// Deletes entries from a source's newest tree. Older snapshots keep them; so does what is returned.
    ///
    /// # Errors
    /// [`Error::NotFound`] if one of them is not there; then nothing is deleted.
    pub async fn remove(&self, source: SourceId, paths: &[Vec<String>]) -> Result<Removed, Error> {
        let mut removals = Vec::new();
        let mut changes = Vec::new();
        for path in paths {
            let path = Path::parse(path)?;
            let root = self.root(source.into())?.ok_or_else(|| Error::NotFound(path.to_string()))?;
            let entry = self.entry(&root, &path).await?;
            let (parents, name) = path.split().ok_or_else(|| Error::NotFound(path.to_string()))?;
            removals.push(Change::Remove { parents: parents.to_vec(), name: name.clone() });
            changes.push(Change::Put { parents: parents.to_vec(), entry: Box::new(entry) });
        }
        self.write_snapshot(self.deletion_of(source), &Rc::default(), async |_| Ok(Edits::of(removals)))
            .await?;
        Ok(Removed { source, changes })
    }

    /// Deletes one entry, for good as far as this goes.
    pub(crate) async fn remove_path(&self, source: SourceId, path: &Path) -> Result<(), Error> {
        let (parents, name) = path.split().ok_or_else(|| Error::NotFound(path.to_string()))?;
        let removal = Change::Remove { parents: parents.to_vec(), name: name.clone() };
        let edits = async |_| Ok(Edits::of(vec![removal]));
        self.write_snapshot(self.deletion_of(source), &Rc::default(), edits).await.map(drop)
    }

    /// Puts deleted entries back where they were.
    pub async fn undo_remove(&self, removed: Removed) -> Result<(), Error> {
        let Removed { source, changes } = removed;
        self.write_snapshot(self.edit_of(source), &Rc::default(), async |_| Ok(Edits::of(changes)))
            .await
            .map(drop)
    }

    fn deletion_of(&self, source: SourceId) -> WriteOptions {
        WriteOptions { removes: true, ..self.edit_of(source) }
    }

    fn edit_of(&self, source: SourceId) -> WriteOptions {
        WriteOptions {
            source,
            basis: Basis::Newest,
            session: self.idempotency_key(),
            removes: false,
            repair: Repair::default(),
            pace: None,
        }
    }
}

/// Stores one file. The inner error is the file's own, and stops nothing.
async fn store_file(
    writer: ContentWriter,
    path: Path,
    file: NewFile,
) -> Result<Result<Change, UnreadableFile>, Error> {
    let StoredContent { size, hash, content } = match writer.store(&*file.reader, file.size).await? {
        Ok(stored) => stored,
        Err(reason) => return Ok(Err(UnreadableFile { path: file.path, reason })),
    };
    let Some((parents, name)) = path.split() else { return Err(Error::Name(path.to_string())) };
    let node = Node::File { size, content, hash, changed: false };
    let entry = Entry::new(name.clone(), FILE_MODE, file.mtime_ms.saturating_mul(1_000_000), node);
    Ok(Ok(Change::Put { parents: parents.to_vec(), entry: Box::new(entry) }))
}
