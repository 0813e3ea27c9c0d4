//! Where each blob is: a cache of what the packs say, rebuilt from them whenever it is missing or doubtful.
//!
//! New entries live in memory until a checkpoint writes them to the database together with the place in the log up
//! to which it is complete. After a crash the log is read from that place on.

mod entry;
mod list;
mod recent;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use protocol::id::{BlobId, StoreId};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::record::Kind;
use super::space::{Reserve, Space};
use entry::ENTRY_LEN;
pub(crate) use entry::{Entry, Location};
pub(crate) use list::Digests;
use recent::Recent;
pub use recent::Totals;

const BLOBS: TableDefinition<'_, [u8; 32], [u8; ENTRY_LEN]> = TableDefinition::new("blobs");
/// Bytes of the records that stand, in each pack: blobs, tombstones.
const PACKS: TableDefinition<'_, u32, (u64, u64)> = TableDefinition::new("packs");
const CHECKPOINT: TableDefinition<'_, (), &[u8]> = TableDefinition::new("checkpoint");
/// Memory for database pages; the system's page cache holds the rest.
const CACHE_BYTES: usize = 32 << 20;
/// 2 knows tombstones. One of format 1 is rebuilt.
const FORMAT: u32 = 2;
/// Entries in memory that are enough for a checkpoint.
pub(crate) const RECENT_MAX: usize = 1 << 14;

/// Room that a checkpoint needs, and more for each of its entries: the database copies the pages that it changes. Short
/// of that it is not touched, because after a failed write it would not even answer reads any more.
const CHECKPOINT_BYTES: u64 = 1 << 20;
const CHECKPOINT_ENTRY_BYTES: u64 = 16 << 10;

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct LogPosition {
    pub(crate) pack: u32,
    pub(crate) offset: u64,
}

/// Bytes of a pack's records that stand; all others are dead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PackUse {
    pub(crate) blobs: u64,
    pub(crate) tombstones: u64,
}

impl PackUse {
    fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Blob => &mut self.blobs,
            Kind::Tombstone => &mut self.tombstones,
        }
    }
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
    /// Held by whoever changes entries: what an entry replaces must not change in between.
    changing: Mutex<()>,
}

impl Index {
    /// A new, empty index at the start of the log.
    pub(crate) fn create(path: &Path, store: StoreId) -> Result<Self, StoreError> {
        let database =
            Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(StoreError::index)?;
        let end = LogPosition { pack: 0, offset: 0 };
        let index = Self::of(path, store, database, Recent::new(end, Totals::default(), BTreeMap::new()));
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
        let recent = {
            let transaction = database.begin_read().map_err(StoreError::index)?;
            let table = transaction.open_table(CHECKPOINT).map_err(StoreError::index)?;
            let row = table.get(()).map_err(StoreError::index)?;
            let row = row.ok_or(StoreError::IndexContent("no checkpoint"))?;
            let checkpoint = serde_json::from_slice::<Checkpoint>(row.value())
                .map_err(|_| StoreError::IndexContent("an unknown checkpoint"))?;
            if checkpoint.format != FORMAT || checkpoint.store != store {
                return Err(StoreError::IndexContent("of another store or format"));
            }
            transaction.open_table(BLOBS).map_err(StoreError::index)?;
            let mut packs = BTreeMap::new();
            let table = transaction.open_table(PACKS).map_err(StoreError::index)?;
            for row in table.iter().map_err(StoreError::index)? {
                let (pack, used) = row.map_err(StoreError::index)?;
                let (blobs, tombstones) = used.value();
                packs.insert(pack.value(), PackUse { blobs, tombstones });
            }
            Recent::new(checkpoint.end, checkpoint.totals, packs)
        };
        Ok(Self::of(path, store, database, recent))
    }

    fn of(path: &Path, store: StoreId, database: Database, recent: Recent) -> Self {
        let (path, recent) = (path.to_owned(), RwLock::new(recent));
        Self { path, store, database, recent, changing: Mutex::default() }
    }

    /// Where a blob is.
    pub(crate) fn get(&self, id: &BlobId) -> Result<Option<Location>, StoreError> {
        Ok(self.entry(id)?.and_then(Entry::blob))
    }

    /// The record that stands for an id.
    pub(crate) fn entry(&self, id: &BlobId) -> Result<Option<Entry>, StoreError> {
        // An entry leaves memory only after the database has it: looking there second misses nothing.
        if let Some(entry) = self.read_recent(|recent| recent.entries.get(id).copied()) {
            return Ok(entry);
        }
        let transaction = self.database.begin_read().map_err(StoreError::index)?;
        let table = transaction.open_table(BLOBS).map_err(StoreError::index)?;
        let row = table.get(id.as_bytes()).map_err(StoreError::index)?;
        Ok(row.map(|row| Entry::decode(row.value())))
    }

    /// Adds durable records, and says how far the log is known.
    pub(crate) fn publish(&self, records: &[(BlobId, Entry)], end: LogPosition) -> Result<(), StoreError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, entry) in records {
            let old = self.entry(id)?;
            if old.is_some_and(|old| old.rank() > entry.rank()) {
                continue;
            }
            let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
            if !recent.is_lost(id, entry) {
                recent.replace(*id, old, Some(*entry));
            }
        }
        self.recent.write().unwrap_or_else(PoisonError::into_inner).end = end;
        Ok(())
    }

    /// A record was found damaged: it, and older ones that it replaced, are not taken for good again.
    pub(crate) fn lose(&self, id: &BlobId, at: Location) -> Result<(), StoreError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.entry(id)?;
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        recent.add_lost(*id, at);
        if old.is_some_and(|old| recent.is_lost(id, &old)) {
            recent.replace(*id, old, None);
        }
        Ok(())
    }

    /// A pack is about to go, and these tombstones with it.
    pub(crate) fn forget_pack(&self, pack: u32, tombstones: &[(BlobId, Entry)]) -> Result<(), StoreError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, tombstone) in tombstones {
            let old = self.entry(id)?;
            if old == Some(*tombstone) {
                let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
                recent.replace(*id, old, None);
            }
        }
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        recent.packs.remove(&pack);
        recent.changed.insert(pack);
        Ok(())
    }

    /// Writes what is in memory to the database, and forgets it.
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
        // One transaction at a time: what is copied behind this line is never older than what the database has.
        let transaction = self.database.begin_write().map_err(StoreError::index)?;
        let (entries, end, totals, packs) = {
            // `publish` adds records before it moves the end: the end taken here is never ahead of the entries.
            let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
            let changed = std::mem::take(&mut recent.changed);
            let packs: Vec<_> = changed.iter().map(|pack| (*pack, recent.packs.get(pack).copied())).collect();
            (recent.entries.clone(), recent.end, recent.totals, packs)
        };
        let checkpoint = Checkpoint { format: FORMAT, store: self.store, end, totals };
        let checkpoint = serde_json::to_vec(&checkpoint).expect("numbers and an id serialize");
        {
            let mut table = transaction.open_table(BLOBS).map_err(StoreError::index)?;
            for (id, entry) in &entries {
                let written = match entry {
                    Some(entry) => table.insert(id.as_bytes(), entry.encode()).map(drop),
                    None => table.remove(id.as_bytes()).map(drop),
                };
                written.map_err(StoreError::index)?;
            }
            let mut table = transaction.open_table(PACKS).map_err(StoreError::index)?;
            for (pack, used) in packs {
                let written = match used {
                    Some(PackUse { blobs, tombstones }) => table.insert(pack, (blobs, tombstones)).map(drop),
                    None => table.remove(pack).map(drop),
                };
                written.map_err(StoreError::index)?;
            }
            let mut table = transaction.open_table(CHECKPOINT).map_err(StoreError::index)?;
            table.insert((), checkpoint.as_slice()).map_err(StoreError::index)?;
        }
        transaction.commit().map_err(StoreError::index)?;
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        recent.entries.retain(|id, entry| entries.get(id) != Some(entry));
        Ok(())
    }

    /// How far the log is in the index, in memory or on disk.
    pub(crate) fn end(&self) -> LogPosition {
        self.read_recent(|recent| recent.end)
    }

    pub(crate) fn totals(&self) -> Totals {
        self.read_recent(|recent| recent.totals)
    }

    /// What of a pack stands.
    pub(crate) fn pack_use(&self, pack: u32) -> PackUse {
        self.read_recent(|recent| recent.packs.get(&pack).copied().unwrap_or_default())
    }

    /// Packs that something stands in, ascending.
    pub(crate) fn used_packs(&self) -> Vec<u32> {
        let in_use = |(pack, used): (&u32, &PackUse)| (used.blobs + used.tombstones > 0).then_some(*pack);
        self.read_recent(|recent| recent.packs.iter().filter_map(in_use).collect())
    }

    /// Entries that the next checkpoint will write.
    pub(crate) fn recent_len(&self) -> usize {
        self.read_recent(|recent| recent.entries.len())
    }

    fn read_recent<T>(&self, read: impl FnOnce(&Recent) -> T) -> T {
        read(&self.recent.read().unwrap_or_else(PoisonError::into_inner))
    }
}
