//! The store: blobs in append-only packs, durable when `put` returns. `docs/STORE.md` has the format.
//!
//! It knows blobs, generations and disks; no grants, nodes, users or files.

mod error;
mod examine;
mod folder;
mod index;
mod pack;
mod record;
mod recovery;
mod scan;
mod space;
mod sync_times;
mod threads;
mod verified;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::blob_list::StoredBlob;
use protocol::id::{BlobId, StoreId};
use tokio::sync::oneshot;

pub use error::StoreError;
use folder::Folder;
pub use folder::replace_file;
use index::Index;
pub use index::Totals;
pub use recovery::Recovered;
pub use space::{Reserve, Space};
use threads::Threads;
pub use verified::{IncomingBlob, NotTheBlob, VerifiedBlob};
pub use writer::GroupLimits;
use writer::{Job, Writer, WriterStatus};

/// How a store works; the defaults are for real disks.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// A pack is preallocated to this size and gets no more records from there on.
    pub pack_bytes: u64,
    /// When a group is written.
    pub group: GroupLimits,
    /// The longest time between checkpoints of the index.
    pub checkpoint_every: Duration,
    /// What writes leave free.
    pub reserve: Reserve,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            pack_bytes: 256 << 20,
            group: GroupLimits { bytes: 8 << 20, wait: Duration::from_millis(2) },
            checkpoint_every: Duration::from_secs(10),
            reserve: Reserve::default(),
        }
    }
}

/// An open store. Dropping it without [`Store::close`] is like a crash: the next start reads the log's end again.
#[derive(Debug)]
pub struct Store {
    folder: Arc<Folder>,
    id: StoreId,
    reserve: Reserve,
    index: Arc<Index>,
    status: Arc<WriterStatus>,
    recovered: Recovered,
    damaged_reads: AtomicU64,
    threads: Mutex<Option<Threads>>,
}

/// What the store is like now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStatus {
    /// What it holds.
    pub totals: Totals,
    /// Why it takes no writes until it is restarted.
    pub read_only: Option<String>,
    /// 99th percentile of the last minute's syncs.
    pub sync_p99: Duration,
    /// Reads that found a record damaged or gone. It stays in place, and reads as absent.
    pub damaged_reads: u64,
}

impl Store {
    /// Opens or makes the store in a folder, reading what a crash left.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::InUse`] when another process has it open.
    pub fn open(root: &Path, id: StoreId, options: StoreOptions) -> Result<Self, StoreError> {
        let folder = Arc::new(Folder::open(root)?);
        let opening = recovery::open(&folder, id)?;
        let index = Arc::new(opening.index);
        let status = Arc::new(WriterStatus::default());
        if let Some((pack, _)) = &opening.newest {
            let preallocated = pack.preallocate_again(options.pack_bytes);
            preallocated.map_err(StoreError::file("reserve space in", folder.packs()))?;
        }
        let writer = Writer {
            packs: folder.packs(),
            store: id,
            index: Arc::clone(&index),
            status: Arc::clone(&status),
            limits: options.group,
            pack_bytes: options.pack_bytes,
            current: opening.newest,
            next_pack: opening.next_pack,
            buffer: Vec::new(),
        };
        let threads = Threads::start(writer, options.checkpoint_every)?;
        Ok(Self {
            folder,
            id,
            reserve: options.reserve,
            index,
            status,
            recovered: opening.recovered,
            damaged_reads: AtomicU64::new(0),
            threads: Mutex::new(Some(threads)),
        })
    }

    /// The store's id.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// Stores blobs. On success all of them are on disk at this generation or a higher one.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::ReadOnly`]; some of the blobs may then be stored all the same.
    pub async fn put(&self, blobs: Vec<VerifiedBlob>) -> Result<(), StoreError> {
        let mut missing = Vec::new();
        for blob in blobs {
            if !self.has_good_copy(&blob).await? {
                missing.push(blob);
            }
        }
        if let Some(reason) = self.status.read_only() {
            return Err(StoreError::ReadOnly(reason));
        }
        if missing.is_empty() {
            return Ok(());
        }
        let (done, answered) = oneshot::channel();
        self.queue()?.send(Job { blobs: missing, done }).map_err(|_| StoreError::Closing)?;
        answered.await.map_err(|_| StoreError::Closing)?
    }

    fn queue(&self) -> Result<mpsc::Sender<Job>, StoreError> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.as_ref().map(|threads| threads.queue.clone()).ok_or(StoreError::Closing)
    }

    /// A copy that can no longer be read is none: the new one takes its place.
    async fn has_good_copy(&self, blob: &VerifiedBlob) -> Result<bool, StoreError> {
        match self.find(&blob.header.id)? {
            Some(stored) if stored.generation >= blob.header.generation => {
                Ok(self.read(&blob.header.id).await?.is_some())
            }
            _ => Ok(false),
        }
    }

    /// What is stored under this id, by the index alone.
    ///
    /// # Errors
    /// When the index fails.
    pub fn find(&self, id: &BlobId) -> Result<Option<StoredBlob>, StoreError> {
        let location = self.index.get(id)?;
        Ok(location.map(|at| StoredBlob { id: *id, size: at.len, generation: at.generation }))
    }

    /// A blob's bytes; none if it is not here, or its record is damaged.
    ///
    /// The record's checksum is compared, its SHA-256 is the reader's to compare: it would cost a core at disk speed.
    ///
    /// # Errors
    /// When index or disk fail.
    pub async fn read(&self, id: &BlobId) -> Result<Option<Bytes>, StoreError> {
        let Some(location) = self.index.get(id)? else { return Ok(None) };
        let (packs, wanted) = (self.folder.packs(), *id);
        let read = tokio::task::spawn_blocking(move || pack::read_blob(&packs, &wanted, location));
        let read = read.await.map_err(|_| StoreError::Closing)?;
        let bytes = read.map_err(|source| StoreError::ReadPack { pack: location.pack, source })?;
        if bytes.is_none() {
            tracing::error!(%id, pack = location.pack, offset = location.offset, "a damaged record; kept in place");
            self.damaged_reads.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes)
    }

    /// What the store is like now.
    pub fn status(&self) -> StoreStatus {
        StoreStatus {
            totals: self.index.totals(),
            read_only: self.status.read_only(),
            sync_p99: self.status.sync_times.p99(Instant::now()),
            damaged_reads: self.damaged_reads.load(Ordering::Relaxed),
        }
    }

    /// What opening found out of order.
    pub fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// Room on the store's disk.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn space(&self) -> Result<Space, StoreError> {
        let path: PathBuf = self.folder.packs();
        Space::of(&path, self.reserve).map_err(StoreError::file("measure the disk of", path))
    }

    /// Writes everything that waits and marks the store as cleanly closed. Puts fail from now on.
    ///
    /// # Errors
    /// When the index cannot be written; the next start reads the log instead.
    pub fn close(&self) -> Result<(), StoreError> {
        self.stop_threads();
        if self.status.read_only().is_some() {
            return Ok(());
        }
        self.index.checkpoint()?;
        self.folder.write_clean_mark(self.index.end())
    }

    fn stop_threads(&self) {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Threads { queue, writer, checkpoints }) = threads else { return };
        drop(queue);
        for thread in [writer, checkpoints] {
            if thread.join().is_err() {
                self.status.set_read_only("a thread of the store panicked".into());
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stop_threads();
    }
}
