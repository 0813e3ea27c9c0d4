//! Backups into a source: files are read, cut, sealed and sent while the next are being read; then the tree is
//! edited, and one signed commit makes it a snapshot. Deleting and undoing are edits of the tree alone.

use std::rc::Rc;

use ::backup::{
    Change, ChunkRef, Content, Entry, FileSplitter, NewDirectory, Node, Remainder, Totals, diff, edit,
    write_content,
};
use crypto::blob::BlobKind;
use crypto::commit::{NewBody, NewCommit, Snapshot, seal_commit};
use crypto::sign::Author;
use futures_util::stream::{self, FuturesOrdered, StreamExt as _, TryStreamExt as _};
use protocol::bytes::Base64;
use protocol::error::ErrorCode;
use protocol::id::{BlobId, IdempotencyKey, SourceId, UploadId};
use protocol::limits::REFS_PAGE_MAX;
use protocol::refs::{self, Reference};
use protocol::uploads::CommitUploadRequest;

use crate::error::Error;
use crate::path::Path;
use crate::platform::ReadAt;
use crate::progress::{Phase, Progress};
use crate::upload::{self, Sent, Uploader};
use crate::vault::Vault;

/// Files are read in slices of this size.
const SLICE_BYTES: usize = 4 << 20;
/// Files that are read at the same time.
const FILES_AT_ONCE: usize = 8;
/// Chunks of one file that are sealed at the same time.
const CHUNKS_AT_ONCE: usize = 4;
/// How often a snapshot is put on top of another's commit that came first.
const RACES_MAX: usize = 8;
/// Of what the coordinator claims to hold already, this share is read back, and no less than the second number.
const CLAIMS_CHECKED: (usize, usize) = (100, 8);
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;
const CLIENT: &str = concat!("triplicate ", env!("CARGO_PKG_VERSION"));

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
        let read = async |uploader: Uploader| {
            progress.update(|it| it.phase = Phase::Transferring);
            let read: Vec<_> = stream::iter(files)
                .map(|(path, file)| read_file(uploader.clone(), path, file, progress))
                .buffer_unordered(FILES_AT_ONCE)
                .try_collect()
                .await?;
            let mut changes = Vec::new();
            for outcome in read {
                match outcome {
                    Ok(change) => changes.push(change),
                    Err(unreadable) => summary.unreadable.push(unreadable),
                }
            }
            Ok(changes)
        };
        let written = self.write_snapshot(source, progress, read).await?;
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
            let root = self.newest_root(source).ok_or_else(|| Error::NotFound(path.to_string()))?;
            let entry = self.entry(&root, &path).await?;
            let (parents, name) = path.split().ok_or_else(|| Error::NotFound(path.to_string()))?;
            removals.push(Change::Remove { parents: parents.to_vec(), name: name.clone() });
            changes.push(Change::Put { parents: parents.to_vec(), entry: Box::new(entry) });
        }
        self.write_snapshot(source, &Rc::default(), async |_| Ok(removals)).await?;
        Ok(Removed { source, changes })
    }

    /// Puts deleted entries back where they were.
    pub async fn undo_remove(&self, removed: Removed) -> Result<(), Error> {
        let Removed { source, changes } = removed;
        self.write_snapshot(source, &Rc::default(), async |_| Ok(changes)).await.map(drop)
    }

    /// Applies changes to a source's newest tree and commits the result. `make_changes` stores what they refer to.
    async fn write_snapshot(
        &self,
        source: SourceId,
        progress: &Rc<Progress>,
        make_changes: impl AsyncFnOnce(Uploader) -> Result<Vec<Change>, Error>,
    ) -> Result<Written, Error> {
        let platform = &*self.client().platform;
        let key = IdempotencyKey::from_bytes(platform.random()).expect("16 random bytes are not all zero");
        let session = self.client().open_upload(self.id(), key).await?;
        let compress = !self.chain().settings().is_some_and(|settings| settings.compression_off);
        let mut changes = None;
        let mut make_changes = Some(make_changes);
        let mut sent = Sent::default();
        for _ in 0..RACES_MAX {
            let (uploader, sender) = upload::channel(
                self.client(),
                &session,
                self.keys().clone(),
                compress,
                self.fetcher().clone(),
                progress.clone(),
            );
            let old_root = self.newest_root(source);
            let write = async {
                let mut uploader = uploader;
                if let Some(make_changes) = make_changes.take() {
                    changes = Some(make_changes(uploader.clone()).await?);
                }
                let changes = changes.clone().unwrap_or_default();
                let new_directory = NewDirectory {
                    mode: DIRECTORY_MODE,
                    mtime_ns: platform.now_ms().cast_signed() * 1_000_000,
                };
                Ok(edit(self.fetcher(), &mut uploader, old_root, changes, new_directory).await?)
            };
            let (tree, (now_sent, claimed)) = futures_util::try_join!(write, sender.run())?;
            sent.new_bytes += now_sent.new_bytes;
            progress.update(|it| it.phase = Phase::Committing);
            self.check_claims(&claimed).await?;
            match self.commit(source, session.upload, old_root, tree.tree, &tree.totals).await {
                Err(error) if error.code() == Some(ErrorCode::ChainConflict) => drop(self.refresh().await?),
                Err(error) => return Err(error),
                Ok(seq) => {
                    self.refresh().await?;
                    return Ok(Written { seq, sent });
                }
            }
        }
        Err(Error::Busy)
    }

    /// Stages the references of a new tree, and signs and sends the commit.
    async fn commit(
        &self,
        source: SourceId,
        upload: UploadId,
        old_root: Option<BlobId>,
        root: BlobId,
        totals: &Totals,
    ) -> Result<u64, Error> {
        let needs_baseline = self.chain().source(&source).is_none_or(|log| log.needs_baseline);
        let old_root = old_root.filter(|_| !needs_baseline);
        let references = diff(self.fetcher(), old_root.as_ref(), &root).await?;
        self.stage(upload, &references).await?;
        let client = self.client();
        let state = self.account().newest_state();
        let sum = totals.sum();
        let body = Snapshot {
            root,
            created_ms: client.platform.now_ms(),
            label: None,
            files: sum.files,
            bytes: sum.bytes,
            client: CLIENT.to_owned(),
            unreadable_files: 0,
            account_state: state.hash,
            partial: false,
            extensions: Vec::new(),
        };
        let (seq, prev) = self.chain().next();
        let commit = NewCommit {
            body: NewBody::Snapshot { source, baseline: old_root.is_none(), body: &body },
            seq,
            prev,
            digest: refs::digest(&references),
            account_state_seq: state.seq,
        };
        let backend = client.platform.backend();
        let author = Author::Identity(self.account().identity());
        let envelope = seal_commit(&backend, self.keys(), author, &commit, client.platform.salt()).await?;
        let key =
            IdempotencyKey::from_bytes(client.platform.random()).expect("16 random bytes are not all zero");
        let request = CommitUploadRequest { envelope: Base64(envelope), key };
        Ok(client.commit_upload(upload, &request).await?.seq)
    }

    async fn stage(&self, upload: UploadId, references: &[Reference]) -> Result<(), Error> {
        // An empty list has one empty page, which replaces what an attempt before staged.
        let pages = references.chunks(REFS_PAGE_MAX).map(refs::pack);
        let pages: Vec<_> = if references.is_empty() { vec![Vec::new()] } else { pages.collect() };
        for (page, packed) in (0..).zip(pages) {
            self.client().stage_references(upload, page, &packed).await?;
        }
        Ok(())
    }

    /// Reads back a sample of what the coordinator said the vault holds already: it could be lying, or mistaken.
    async fn check_claims(&self, claimed: &[(BlobId, BlobKind)]) -> Result<(), Error> {
        let (share, least) = CLAIMS_CHECKED;
        let count = claimed.len().div_ceil(share).max(least).min(claimed.len());
        for _ in 0..count {
            let random = u64::from_be_bytes(self.client().platform.random());
            let (id, kind) = claimed[(random % claimed.len() as u64) as usize];
            match self.fetcher().fetch(&[id], &[kind]).await {
                Ok(_) => {}
                Err(Error::Unreadable(_)) => return Err(Error::Unverified(id)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

struct Written {
    seq: u64,
    sent: Sent,
}

/// Reads one file to its end and stores its chunks. The inner error is the file's own, and stops nothing.
async fn read_file(
    uploader: Uploader,
    path: Path,
    file: NewFile,
    progress: &Progress,
) -> Result<Result<Change, UnreadableFile>, Error> {
    let mut splitter = FileSplitter::new(&uploader.sip_keys());
    let mut sealing = FuturesOrdered::new();
    let mut chunks = Vec::new();
    let store = |chunk: Vec<u8>| {
        let uploader = uploader.clone();
        async move {
            let raw_len = chunk.len() as u32;
            Ok::<_, Error>(ChunkRef { id: uploader.store(BlobKind::Chunk, chunk).await?, raw_len })
        }
    };
    let mut offset = 0;
    loop {
        let slice = match file.reader.read_at(offset, SLICE_BYTES).await {
            Ok(slice) => slice,
            Err(reason) => return Ok(Err(UnreadableFile { path: file.path, reason })),
        };
        if slice.is_empty() {
            break;
        }
        offset += slice.len() as u64;
        for chunk in splitter.push(&slice) {
            sealing.push_back(store(chunk));
        }
        while sealing.len() > CHUNKS_AT_ONCE {
            chunks.extend(sealing.next().await.transpose()?);
        }
        progress.update(|it| it.bytes_read += slice.len() as u64);
    }
    let split = splitter.finish();
    let mut inline = None;
    match split.remainder {
        Remainder::Inline(bytes) => inline = Some(bytes),
        Remainder::Chunk(chunk) => sealing.push_back(store(chunk)),
        Remainder::Nothing => {}
    }
    while let Some(chunk) = sealing.next().await {
        chunks.push(chunk?);
    }
    let content = match inline {
        Some(bytes) => Content::Inline(bytes),
        None => write_content(&mut uploader.clone(), chunks).await?,
    };
    progress.update(|it| it.files_done += 1);
    let Some((parents, name)) = path.split() else { return Err(Error::Name(path.to_string())) };
    let node = Node::File { size: split.size, content, hash: split.hash, changed: false };
    let entry = Entry::new(name.clone(), FILE_MODE, file.mtime_ms.saturating_mul(1_000_000), node);
    Ok(Ok(Change::Put { parents: parents.to_vec(), entry: Box::new(entry) }))
}
