//! Where each blob is: a cache of what the packs say, rebuilt from them whenever it is missing or doubtful.
//!
//! New entries live in memory until a checkpoint writes them to the database together with the place in the log up
//! to which it is complete. After a crash the log is read from that place on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use protocol::id::{BlobId, StoreId};
use redb::{Database, ReadableDatabase as _, TableDefinition};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::space::{Reserve, Space};

const BLOBS: TableDefinition<'_, [u8; 32], [u8; 20]> = TableDefinition::new("blobs");
const CHECKPOINT: TableDefinition<'_, (), &[u8]> = TableDefinition::new("checkpoint");
/// Memory for database pages; the system's page cache holds the rest.
const CACHE_BYTES: usize = 32 << 20;
const FORMAT: u32 = 1;
/// Entries in memory that are enough for a checkpoint.
pub(crate) const RECENT_MAX: usize = 1 << 14;

/// Room that a checkpoint needs, and more for each of its entries: the database copies the pages that it changes. Short
/// of that it is not touched, because after a failed write it would not even answer reads any more.
const CHECKPOINT_BYTES: u64 = 1 << 20;
const CHECKPOINT_ENTRY_BYTES: u64 = 16 << 10;

/// Where a blob's record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) pack: u32,
    pub(crate) offset: u64,
    /// Bytes of the payload.
    pub(crate) len: u32,
    pub(crate) generation: u32,
}

impl Location {
    fn encode(self) -> [u8; 20] {
        let mut out = [0; 20];
        out[..4].copy_from_slice(&self.pack.to_be_bytes());
        out[4..12].copy_from_slice(&self.offset.to_be_bytes());
        out[12..16].copy_from_slice(&self.len.to_be_bytes());
        out[16..].copy_from_slice(&self.generation.to_be_bytes());
        out
    }

    fn decode(bytes: [u8; 20]) -> Self {
        let u32_at = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let offset = u64::from(u32_at(4)) << 32 | u64::from(u32_at(8));
        Self { pack: u32_at(0), offset, len: u32_at(12), generation: u32_at(16) }
    }
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct LogPosition {
    pub(crate) pack: u32,
    pub(crate) offset: u64,
}

/// What the store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Different blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The database's word on how far it is complete.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checkpoint {
    format: u32,
    store: StoreId,
    end: LogPosition,
    totals: Totals,
}

/// The index.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    store: StoreId,
    database: Database,
    recent: RwLock<Recent>,
}

/// What the last checkpoint does not have.
#[derive(Debug)]
struct Recent {
    entries: HashMap<BlobId, Location>,
    end: LogPosition,
    totals: Totals,
}

impl Index {
    /// A new, empty index at the start of the log.
    pub(crate) fn create(path: &Path, store: StoreId) -> Result<Self, StoreError> {
        let database =
            Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(StoreError::index)?;
        let end = LogPosition { pack: 0, offset: 0 };
        let recent = Recent { entries: HashMap::new(), end, totals: Totals::default() };
        let index = Self { path: path.to_owned(), store, database, recent: RwLock::new(recent) };
        index.write_recent()?;
        Ok(index)
    }

    /// An existing index, with every page's checksum verified.
    ///
    /// # Errors
    /// When it is missing, damaged, or another store's.
    pub(crate) fn open(path: &Path, store: StoreId) -> Result<Self, StoreError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        let database = builder.open(path).map_err(StoreError::index)?;
        let checkpoint = {
            let transaction = database.begin_read().map_err(StoreError::index)?;
            transaction.open_table(BLOBS).map_err(StoreError::index)?;
            let table = transaction.open_table(CHECKPOINT).map_err(StoreError::index)?;
            let row = table.get(()).map_err(StoreError::index)?;
            let row = row.ok_or(StoreError::IndexContent("no checkpoint"))?;
            serde_json::from_slice::<Checkpoint>(row.value())
                .map_err(|_| StoreError::IndexContent("an unknown checkpoint"))?
        };
        if checkpoint.format != FORMAT || checkpoint.store != store {
            return Err(StoreError::IndexContent("of another store or format"));
        }
        let Checkpoint { end, totals, .. } = checkpoint;
        let recent = RwLock::new(Recent { entries: HashMap::new(), end, totals });
        Ok(Self { path: path.to_owned(), store, database, recent })
    }

    pub(crate) fn get(&self, id: &BlobId) -> Result<Option<Location>, StoreError> {
        // An entry leaves memory only after the database has it: looking there second misses nothing.
        if let Some(location) = self.read_recent(|recent| recent.entries.get(id).copied()) {
            return Ok(Some(location));
        }
        let transaction = self.database.begin_read().map_err(StoreError::index)?;
        let table = transaction.open_table(BLOBS).map_err(StoreError::index)?;
        let row = table.get(id.as_bytes()).map_err(StoreError::index)?;
        Ok(row.map(|row| Location::decode(row.value())))
    }

    /// Adds durable records, in the order of the log, and says how far the log is known. The higher generation of
    /// a blob stands, then the later record. One writer at a time.
    pub(crate) fn publish(&self, records: &[(BlobId, Location)], end: LogPosition) -> Result<(), StoreError> {
        for (id, location) in records {
            let old = self.get(id)?;
            if old.is_some_and(|old| old.generation > location.generation) {
                continue;
            }
            let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
            recent.entries.insert(*id, *location);
            if old.is_none() {
                recent.totals.blobs += 1;
                recent.totals.bytes += u64::from(location.len);
            }
        }
        self.recent.write().unwrap_or_else(PoisonError::into_inner).end = end;
        Ok(())
    }

    /// Writes what is in memory to the database, and forgets it. One at a time.
    ///
    /// # Errors
    /// [`StoreError::Full`] when the disk has no room for it; the index works all the same and tries again later.
    /// After any other error the database is of no use until it is opened again.
    pub(crate) fn checkpoint(&self) -> Result<(), StoreError> {
        let room = Space::of(&self.path, Reserve { bytes: 0, percent: 0 });
        let room = room.map_err(StoreError::file("measure the disk of", &self.path))?.free_bytes;
        if room < CHECKPOINT_BYTES + CHECKPOINT_ENTRY_BYTES * self.recent_len() as u64 {
            return Err(StoreError::Full);
        }
        self.write_recent()
    }

    fn write_recent(&self) -> Result<(), StoreError> {
        // `publish` adds records before it moves the end: the end taken here is never ahead of the entries.
        let (entries, end, totals) =
            self.read_recent(|recent| (recent.entries.clone(), recent.end, recent.totals));
        let checkpoint = Checkpoint { format: FORMAT, store: self.store, end, totals };
        let checkpoint = serde_json::to_vec(&checkpoint).expect("numbers and an id serialize");
        let transaction = self.database.begin_write().map_err(StoreError::index)?;
        {
            let mut table = transaction.open_table(BLOBS).map_err(StoreError::index)?;
            for (id, location) in &entries {
                table.insert(id.as_bytes(), location.encode()).map_err(StoreError::index)?;
            }
            let mut table = transaction.open_table(CHECKPOINT).map_err(StoreError::index)?;
            table.insert((), checkpoint.as_slice()).map_err(StoreError::index)?;
        }
        transaction.commit().map_err(StoreError::index)?;
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        recent.entries.retain(|id, location| entries.get(id) != Some(location));
        Ok(())
    }

    /// How far the log is in the index, in memory or on disk.
    pub(crate) fn end(&self) -> LogPosition {
        self.read_recent(|recent| recent.end)
    }

    pub(crate) fn totals(&self) -> Totals {
        self.read_recent(|recent| recent.totals)
    }

    /// Entries that the next checkpoint will write.
    pub(crate) fn recent_len(&self) -> usize {
        self.read_recent(|recent| recent.entries.len())
    }

    fn read_recent<T>(&self, read: impl FnOnce(&Recent) -> T) -> T {
        read(&self.recent.read().unwrap_or_else(PoisonError::into_inner))
    }
}
