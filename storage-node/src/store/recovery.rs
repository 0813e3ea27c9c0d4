//! Opening a store: finds the end of the log and brings the index up to it.

use std::fs;
use std::io;
use std::ops::Range;

use protocol::id::{BlobId, StoreId};
use rustix::fs::{Advice, fadvise};

use super::error::StoreError;
use super::examine::{Examined, KnownPack, examine};
use super::folder::Folder;
use super::index::{Entry, Index, Location, LogPosition, RECENT_MAX};
use super::pack::{self, Pack};
use super::record::RecordHeader;
use super::scan::{Check, Scanned, scan};

/// What opening found out of order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The index was made anew from the packs.
    pub index_rebuilt: bool,
    /// Ranges of packs that hold no good header or record. They stay where they are.
    pub damaged_ranges: u64,
    /// Their bytes.
    pub damaged_bytes: u64,
    /// Bytes of an unfinished write, cut off the end of the log.
    pub torn_bytes: u64,
    /// Files among the packs that are none of this store's. They stay where they are.
    pub strangers: u64,
}

impl Recovered {
    fn count_damage(&mut self, pack: u32, range: Range<u64>) {
        tracing::error!(pack, from = range.start, to = range.end, "damaged; other records are kept");
        self.damaged_ranges += 1;
        self.damaged_bytes += range.end - range.start;
    }
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

/// Reads the log from the index's checkpoint on, or all of it. Records in `lost` were found damaged before.
pub(crate) fn open(
    folder: &Folder,
    store: StoreId,
    lost: &[(BlobId, Location)],
) -> Result<Opening, StoreError> {
    let mut recovered = Recovered::default();
    let clean_end = folder.take_clean_mark()?;
    let numbers = pack_numbers(folder, &mut recovered)?;
    let packs = examine_packs(folder, store, &numbers, &mut recovered)?;
    let last_lost = lost.iter().map(|(_, at)| at.pack).max().unwrap_or_default();
    let next_pack = numbers.last().copied().unwrap_or_default().max(last_lost).saturating_add(1);
    let index = open_index(folder, store, &packs, &mut recovered)?;
    for (id, at) in lost {
        index.lose(id, *at)?;
    }
    let newest = read_log(folder, &packs, &index, clean_end, &mut recovered)?;
    let newest = newest.and_then(|newest| behind_lost(newest, lost));
    Ok(Opening { index, newest, next_pack, recovered })
}

/// No new record stands at or in front of a place where one was found damaged: it would not count.
fn behind_lost((pack, end): (Pack, u64), lost: &[(BlobId, Location)]) -> Option<(Pack, u64)> {
    if lost.iter().any(|(_, at)| at.pack > pack.number) {
        return None;
    }
    let lost_here = lost.iter().filter(|(_, at)| at.pack == pack.number);
    let end = lost_here.map(|(_, at)| at.offset + at.record_len()).fold(end, u64::max);
    Some((pack, end))
}

fn pack_numbers(folder: &Folder, recovered: &mut Recovered) -> Result<Vec<u32>, StoreError> {
    let path = folder.packs();
    let (numbers, strangers) = pack::list(&path).map_err(StoreError::file("list", &path))?;
    for path in strangers {
        tracing::warn!(path = %path.display(), "not a pack; left alone");
        recovered.strangers += 1;
    }
    Ok(numbers)
}

/// Looks at one pack after the other: a store may have more of them than a process may have files open.
fn examine_packs(
    folder: &Folder,
    store: StoreId,
    numbers: &[u32],
    recovered: &mut Recovered,
) -> Result<Vec<KnownPack>, StoreError> {
    let mut packs = Vec::new();
    for number in numbers {
        let path = pack::path(&folder.packs(), *number);
        match examine(&folder.packs(), *number, store) {
            Ok(Examined::Pack(pack)) => {
                if pack.damaged > 0 {
                    recovered.count_damage(pack.number, 0..pack.damaged);
                }
                packs.push(pack);
            }
            Ok(Examined::Unused) => {
                tracing::warn!(path = %path.display(), "a pack without content; quarantined");
                folder.quarantine(&path)?;
            }
            Ok(Examined::Foreign) => {
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
    packs: &[KnownPack],
    recovered: &mut Recovered,
) -> Result<Index, StoreError> {
    let path = folder.index();
    if path.exists() {
        match Index::open(&path, store).and_then(|index| fits(folder, index, packs)) {
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
fn fits(folder: &Folder, index: Index, packs: &[KnownPack]) -> Result<Index, StoreError> {
    let end = index.end();
    if end.pack == 0 {
        return Ok(index);
    }
    if !packs.iter().any(|pack| pack.number == end.pack) {
        return Err(StoreError::IndexContent("of packs that are not here"));
    }
    let path = pack::path(&folder.packs(), end.pack);
    if fs::metadata(&path).map_err(StoreError::file("look at", path))?.len() < end.offset {
        return Err(StoreError::IndexContent("of a longer log"));
    }
    Ok(index)
}

/// Brings the index up to the log's end, and cuts off what a crash left behind it. Gives the pack to append to.
fn read_log(
    folder: &Folder,
    packs: &[KnownPack],
    index: &Index,
    clean_end: Option<LogPosition>,
    recovered: &mut Recovered,
) -> Result<Option<(Pack, u64)>, StoreError> {
    let start = index.end();
    let Some((newest, older)) = packs.split_last() else { return Ok(None) };
    if clean_end == Some(start) && start.pack == newest.number {
        return Ok(open_pack(folder, newest)?.map(|pack| (pack, start.offset)));
    }
    for known in older.iter().filter(|pack| pack.number >= start.pack) {
        if let Some(pack) = open_pack(folder, known)? {
            read_pack(&pack, known, start, Check::Headers, index, recovered)?;
        }
    }
    let Some(pack) = open_pack(folder, newest)? else {
        checkpoint_if_room(index)?;
        return Ok(None);
    };
    reread_from_disk(&pack).map_err(|source| StoreError::ReadPack { pack: pack.number, source })?;
    let scanned = read_pack(&pack, newest, start, Check::Payloads, index, recovered)?;
    if scanned.torn_bytes > 0 {
        tracing::info!(pack = pack.number, bytes = scanned.torn_bytes, "cut off an unfinished write");
        recovered.torn_bytes = scanned.torn_bytes;
        let cut = || {
            pack.file.set_len(scanned.end)?;
            pack.file.sync_all()
        };
        cut().map_err(|source| StoreError::ReadPack { pack: pack.number, source })?;
    }
    checkpoint_if_room(index)?;
    Ok(Some((pack, scanned.end)))
}

/// None without a marker: such a pack is read through the index alone, and gets no more records.
fn open_pack(folder: &Folder, known: &KnownPack) -> Result<Option<Pack>, StoreError> {
    let opened = known.marker.map(|marker| Pack::open(&folder.packs(), known.number, marker)).transpose();
    opened.map_err(|source| StoreError::ReadPack { pack: known.number, source })
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
    known: &KnownPack,
    start: LogPosition,
    check: Check,
    index: &Index,
    recovered: &mut Recovered,
) -> Result<Scanned, StoreError> {
    let first = known.first_record();
    let from = if pack.number == start.pack { start.offset.max(first) } else { first };
    let mut records = Vec::new();
    let scanned = scan(pack, from, check, |offset, header: RecordHeader| {
        let RecordHeader { kind, id, generation, len, .. } = header;
        let at = Location { pack: pack.number, offset, len, generation };
        records.push((id, Entry { kind, at }));
    })?;
    for range in &scanned.damaged {
        recovered.count_damage(pack.number, range.clone());
    }
    index.publish(&records, LogPosition { pack: pack.number, offset: scanned.end })?;
    // A rebuild of many packs must not gather all of them in memory.
    if index.recent_len() >= RECENT_MAX {
        checkpoint_if_room(index)?;
    }
    Ok(scanned)
}

/// A full disk is read all the same.
fn checkpoint_if_room(index: &Index) -> Result<(), StoreError> {
    match index.checkpoint() {
        Ok(()) | Err(StoreError::Full) => Ok(()),
        Err(error) => Err(error),
    }
}
