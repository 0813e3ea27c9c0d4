//! Opening a store: finds the end of the log and brings the index up to it.

use std::fs;
use std::io;

use protocol::id::StoreId;
use rustix::fs::{Advice, fadvise};

use super::error::StoreError;
use super::folder::Folder;
use super::index::{Index, Location, LogPosition};
use super::pack::{self, Opened, PACK_HEADER_LEN, Pack};
use super::record::RecordHeader;
use super::scan::{Check, Scanned, scan};

/// What opening found out of order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The index was made anew from the packs.
    pub index_rebuilt: bool,
    /// Ranges inside packs that hold no good record. They stay where they are.
    pub damaged_ranges: u64,
    /// Their bytes.
    pub damaged_bytes: u64,
    /// Bytes of an unfinished write, cut off the end of the log.
    pub torn_bytes: u64,
    /// Files among the packs that are none of this store's. They stay where they are.
    pub strangers: u64,
}

/// A store ready for writing.
pub(crate) struct Opening {
    pub(crate) index: Index,
    /// The pack to append to, and where; none in a store without packs.
    pub(crate) newest: Option<(Pack, u64)>,
    /// The number of the next pack that is made; never one that was used before.
    pub(crate) next_pack: u32,
    pub(crate) recovered: Recovered,
}

/// Reads the log from the index's checkpoint on, or all of it.
pub(crate) fn open(folder: &Folder, store: StoreId) -> Result<Opening, StoreError> {
    let mut recovered = Recovered::default();
    let clean_end = folder.take_clean_mark()?;
    let numbers = pack_numbers(folder, &mut recovered)?;
    let packs = open_packs(folder, store, &numbers, &mut recovered)?;
    let next_pack = numbers.last().map_or(1, |last| last.saturating_add(1));
    let index = open_index(folder, store, &packs, &mut recovered)?;
    let newest = read_log(packs, &index, clean_end, &mut recovered)?;
    Ok(Opening { index, newest, next_pack, recovered })
}

fn pack_numbers(folder: &Folder, recovered: &mut Recovered) -> Result<Vec<u32>, StoreError> {
    let path = folder.packs();
    let mut numbers = Vec::new();
    for entry in fs::read_dir(&path).map_err(StoreError::file("list", &path))? {
        let entry = entry.map_err(StoreError::file("list", &path))?;
        if let Some(number) = entry.file_name().to_str().and_then(pack::number_of) {
            numbers.push(number);
        } else {
            tracing::warn!(path = %entry.path().display(), "not a pack; left alone");
            recovered.strangers += 1;
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn open_packs(
    folder: &Folder,
    store: StoreId,
    numbers: &[u32],
    recovered: &mut Recovered,
) -> Result<Vec<Pack>, StoreError> {
    let mut packs = Vec::new();
    for number in numbers {
        let path = pack::path(&folder.packs(), *number);
        match Pack::open(&folder.packs(), *number, store) {
            Ok(Opened::Pack(pack)) => packs.push(pack),
            Ok(Opened::Unused) => {
                tracing::warn!(path = %path.display(), "a pack without content; quarantined");
                folder.quarantine(&path)?;
            }
            Ok(Opened::Foreign) => {
                tracing::warn!(path = %path.display(), "another store's pack; left alone");
                recovered.strangers += 1;
            }
            Err(source) => return Err(StoreError::ReadPack { pack: *number, source }),
        }
    }
    Ok(packs)
}

/// The index, if it can be a checkpoint of these packs; else a new one.
fn open_index(
    folder: &Folder,
    store: StoreId,
    packs: &[Pack],
    recovered: &mut Recovered,
) -> Result<Index, StoreError> {
    let path = folder.index();
    if path.exists() {
        match Index::open(&path, store).and_then(|index| fits(index, packs)) {
            Ok(index) => return Ok(index),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the index is rebuilt from the packs"
                );
            }
        }
        fs::remove_file(&path).map_err(StoreError::file("remove", &path))?;
    }
    recovered.index_rebuilt = !packs.is_empty();
    Index::create(&path, store)
}

/// An index that knows of more than the packs have is from another time.
fn fits(index: Index, packs: &[Pack]) -> Result<Index, StoreError> {
    let end = index.end();
    if end.pack == 0 {
        return Ok(index);
    }
    let pack = packs.iter().find(|pack| pack.number == end.pack);
    let pack = pack.ok_or(StoreError::IndexContent("of packs that are not here"))?;
    let len = pack.file.metadata().map_err(|source| StoreError::ReadPack { pack: end.pack, source })?.len();
    if len < end.offset {
        return Err(StoreError::IndexContent("of a longer log"));
    }
    Ok(index)
}

/// Brings the index up to the log's end, and cuts off what a crash left behind it.
fn read_log(
    mut packs: Vec<Pack>,
    index: &Index,
    clean_end: Option<LogPosition>,
    recovered: &mut Recovered,
) -> Result<Option<(Pack, u64)>, StoreError> {
    let start = index.end();
    let Some(newest) = packs.pop() else { return Ok(None) };
    if clean_end == Some(start) && start.pack == newest.number {
        return Ok(Some((newest, start.offset)));
    }
    for pack in packs.iter().filter(|pack| pack.number >= start.pack) {
        read_pack(pack, start, Check::Headers, index, recovered)?;
    }
    reread_from_disk(&newest).map_err(|source| StoreError::ReadPack { pack: newest.number, source })?;
    let scanned = read_pack(&newest, start, Check::Payloads, index, recovered)?;
    if scanned.torn_bytes > 0 {
        tracing::info!(pack = newest.number, bytes = scanned.torn_bytes, "cut off an unfinished write");
        recovered.torn_bytes = scanned.torn_bytes;
        let cut = || {
            newest.file.set_len(scanned.end)?;
            newest.file.sync_all()
        };
        cut().map_err(|source| StoreError::ReadPack { pack: newest.number, source })?;
    }
    index.checkpoint()?;
    Ok(Some((newest, scanned.end)))
}

/// What is in memory only gets to disk, and what is in memory but not on disk is forgotten: a sync that failed
/// before the restart leaves pages that look written.
fn reread_from_disk(pack: &Pack) -> io::Result<()> {
    pack.file.sync_all()?;
    fadvise(&pack.file, 0, None, Advice::DontNeed)?;
    Ok(())
}

fn read_pack(
    pack: &Pack,
    start: LogPosition,
    check: Check,
    index: &Index,
    recovered: &mut Recovered,
) -> Result<Scanned, StoreError> {
    let from = if pack.number == start.pack { start.offset } else { PACK_HEADER_LEN };
    let mut records = Vec::new();
    let scanned = scan(pack, from, check, |offset, header: RecordHeader| {
        let RecordHeader { generation, len, .. } = header;
        records.push((header.id, Location { pack: pack.number, offset, len, generation }));
    })?;
    for range in &scanned.damaged {
        tracing::error!(
            pack = pack.number,
            from = range.start,
            to = range.end,
            "damaged; later records are kept"
        );
        recovered.damaged_ranges += 1;
        recovered.damaged_bytes += range.end - range.start;
    }
    index.publish(&records, LogPosition { pack: pack.number, offset: scanned.end })?;
    // A rebuild of many packs must not gather all of them in memory.
    if check == Check::Headers {
        index.checkpoint()?;
    }
    Ok(scanned)
}
