//! The store: blobs in append-only packs, durable when `put` returns. `docs/STORE.md` has the format.
//!
//! It knows blobs, generations and disks; no grants, nodes, users or files.

mod cloud;
mod compact;
mod contents;
mod damage;
mod error;
mod examine;
mod folder;
mod index;
mod log;
mod options;
mod pace;
mod pack;
mod record;
mod recovery;
mod scan;
mod scrub;
mod space;
mod sync_times;
mod threads;
mod trash;
mod verified;
mod work;
mod writer;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::blob_list::StoredBlob;
use protocol::id::{BlobId, StoreId};
use tokio::sync::oneshot;

use cloud::CloudLog;
pub use cloud::{CloudError, CloudPlace, Dropbox, Patience, Provider, S3};
use damage::DamageList;
pub use damage::DamageReport;
pub use error::StoreError;
use folder::Folder;
pub use folder::replace_file;
pub use index::Totals;
use index::{Digests, Index};
use log::{DiskLog, Log};
pub use options::StoreOptions;
pub use pace::{Pace, Stop};
pub use recovery::Recovered;
pub use scrub::ScrubProgress;
use scrub::ScrubState;
pub use space::{Reserve, Space};
use threads::Threads;
pub use verified::{IncomingBlob, NotTheBlob, VerifiedBlob};
use work::{Job, Work};
pub use writer::GroupLimits;
use writer::{Writer, WriterStatus};

/// An open store. Dropping it without [`Store::close`] is like a crash: the next start reads the log's end again.
#[derive(Debug)]
pub struct Store {
    folder: Folder,
    log: Log,
    id: StoreId,
    reserve: Reserve,
    pack_bytes: u64,
    index: Arc<Index>,
    damage: DamageList,
    scrub: ScrubState,
    /// Blobs whose records a read found damaged.
    suspects: Mutex<BTreeSet<BlobId>>,
    /// Packs that cannot be compacted, until the next start.
    passed_over: Mutex<BTreeSet<u32>>,
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
    /// Why it takes no writes.
    pub read_only: Option<String>,
    /// 99th percentile of the last minute's syncs.
    pub sync_p99: Duration,
    /// Reads that found a record damaged or gone.
    pub damaged_reads: u64,
}

impl Store {
    /// Opens or makes the store in a folder, reading what a crash left.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::InUse`] when another process has it open.
    pub fn open(root: &Path, id: StoreId, options: StoreOptions) -> Result<Self, StoreError> {
        let folder = Folder::open(root)?;
        if folder.cloud_mark().exists() {
            let reason = "its packs are in a cloud, as cloud.json says";
            return Err(StoreError::Elsewhere(root.display().to_string(), reason.to_owned()));
        }
        folder.make_packs()?;
        let log = Log::Disk(DiskLog::of(&folder));
        Self::open_log(folder, log, id, options)
    }

    /// The same for a store whose packs are in a cloud; the folder has everything else.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Elsewhere`] when the packs are another store's, or not there.
    pub fn open_cloud(
        root: &Path,
        id: StoreId,
        options: StoreOptions,
        place: CloudPlace,
    ) -> Result<Self, StoreError> {
        let folder = Folder::open(root)?;
        if folder.packs().exists() {
            let reason = "its packs are on this disk; start it as before, or begin in an empty folder";
            return Err(StoreError::Elsewhere(root.display().to_string(), reason.to_owned()));
        }
        let log = Log::Cloud(Arc::new(CloudLog::open(place, &folder, id)?));
        Self::open_log(folder, log, id, options)
    }

    fn open_log(folder: Folder, log: Log, id: StoreId, options: StoreOptions) -> Result<Self, StoreError> {
        let damage = DamageList::open(folder.damage_list())?;
        let scrub = ScrubState::open(folder.scrub_progress())?;
        let lost: Vec<_> = damage.all().iter().map(|damaged| (damaged.id(), damaged.location())).collect();
        let opening = log.recover(&folder, id, &lost, &options)?;
        let index = Arc::new(opening.index);
        let status = Arc::new(WriterStatus::default());
        let writer = Writer {
            index: Arc::clone(&index),
            status: Arc::clone(&status),
            limits: options.group,
            appender: opening.appender,
        };
        let threads = Threads::start(writer, options.checkpoint_every)?;
        Ok(Self {
            folder,
            log,
            id,
            reserve: options.reserve,
            pack_bytes: options.pack_bytes,
            index,
            damage,
            scrub,
            suspects: Mutex::default(),
            passed_over: Mutex::default(),
            status,
            recovered: opening.recovered,
            damaged_reads: AtomicU64::new(0),
            threads: Mutex::new(Some(threads)),
        })
    }

    /// Tells a histogram how long each sync takes, in seconds; only the first that is given.
    pub fn observe_syncs(&self, histogram: exposition::Histogram) {
        self.status.sync_times.tell(histogram);
    }

    /// The store's id.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// Stores blobs. On success all of them are on disk at this generation or a higher one.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Deleted`] or [`StoreError::ReadOnly`]; some of the blobs may then be stored
    /// all the same.
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
        self.do_work(Work::Put(missing)).await
    }

    /// Deletes what is stored under these ids at their generations or lower ones, durably. What is stored at a higher
    /// generation is not hit, and what comes later counts, unless its generation is lower.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], or [`StoreError::Full`] on a disk without the last bytes.
    pub async fn delete(&self, blobs: Vec<StoredBlob>) -> Result<(), StoreError> {
        self.do_work(Work::Delete(blobs)).await
    }

    async fn do_work(&self, work: Work) -> Result<(), StoreError> {
        let (done, answered) = oneshot::channel();
        self.queue()?.send(Job { work, done }).map_err(|_| StoreError::Closing)?;
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
        let mut found = self.index.get(id)?;
        while let Some(at) = found {
            let bytes = self.log.read_blob(id, at).await?;
            if bytes.is_some() {
                return Ok(bytes);
            }
            // A pack that was just compacted is gone, and the record is elsewhere.
            found = self.index.get(id)?;
            if found == Some(at) {
                tracing::error!(%id, pack = at.pack, offset = at.offset, "a damaged record");
                self.damaged_reads.fetch_add(1, Ordering::Relaxed);
                self.suspect(*id);
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Whether the medium gives blobs sooner together than one after the other.
    pub fn reads_together(&self) -> bool {
        matches!(self.log, Log::Cloud(_))
    }

    /// The bytes of several blobs, each as [`Self::read`] gives it.
    ///
    /// # Errors
    /// When index or medium fail.
    pub async fn read_together(&self, ids: &[BlobId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let found = ids.iter().map(|id| Ok(self.index.get(id)?.map(|at| (*id, at))));
        let found: Vec<_> = found.collect::<Result<Vec<_>, StoreError>>()?.into_iter().flatten().collect();
        let read = self.log.read_blobs(&found).await?;
        let read = found.iter().map(|(id, _)| *id).zip(read);
        let mut read: HashMap<BlobId, Bytes> =
            read.filter_map(|(id, bytes)| bytes.map(|bytes| (id, bytes))).collect();
        let mut all = Vec::with_capacity(ids.len());
        for id in ids {
            // What moved meanwhile is elsewhere by now, and what is damaged is said for itself.
            all.push(match read.remove(id) {
                Some(bytes) => Some(bytes),
                None => self.read(id).await?,
            });
        }
        Ok(all)
    }

    /// The digest of each part of the inventory: octets.
    ///
    /// # Errors
    /// When the index fails.
    pub fn inventory(&self) -> Result<Box<Digests>, StoreError> {
        self.index.digests()
    }

    /// The blobs whose ids begin with this byte, ids ascending.
    ///
    /// # Errors
    /// When the index fails.
    pub fn inventory_part(&self, first_byte: u8) -> Result<Vec<StoredBlob>, StoreError> {
        self.index.part(first_byte)
    }

    /// What the store is like now.
    pub fn status(&self) -> StoreStatus {
        StoreStatus {
            totals: self.index.totals(),
            read_only: self.status.read_only().or_else(|| self.log.trouble()),
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
        self.log.space(self.reserve)
    }

    /// After the medium refused writes, looks whether it takes them again; blocks.
    pub fn look_again(&self) {
        self.log.look_again();
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
