//! Opening a store: what both media share of bringing the index up to the log.

use std::fs;
use std::ops::Range;

use protocol::id::{BlobId, StoreId};

use super::error::StoreError;
use super::examine::KnownPack;
use super::folder::Folder;
use super::index::{Entry, Index, Location, LogPosition, RECENT_MAX};
use super::log::{Appender, Source};
use super::pack::Pack;
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
    pub(crate) fn count_damage(&mut self, pack: u32, range: Range<u64>) {
        tracing::error!(pack, from = range.start, to = range.end, "damaged; other records are kept");
        self.damaged_ranges += 1;
        self.damaged_bytes += range.end - range.start;
    }
}

/// A store ready for writing.
pub(crate) struct Opening {
    pub(crate) index: Index,
    pub(crate) appender: Appender,
    pub(crate) recovered: Recovered,
}

/// The index, if it can be a checkpoint of these packs of so many bytes; else a new one, and that it is.
pub(crate) fn open_index(
    folder: &Folder,
    store: StoreId,
    packs: impl FnOnce(&Index) -> Result<Vec<(u32, u64)>, StoreError>,
) -> Result<(Index, bool), StoreError> {
    let path = folder.index();
    if path.exists() {
        let error = match Index::open(&path, store) {
            Ok(index) => {
                // Packs that cannot be looked at are no reason to give the index up.
                let packs = packs(&index)?;
                match fits(&index, &packs) {
                    Ok(()) => return Ok((index, false)),
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        tracing::warn!(error = &error as &dyn std::error::Error, "the index is rebuilt from the packs");
        fs::remove_file(&path).map_err(StoreError::file("remove", &path))?;
    }
    Ok((Index::create(&path, store)?, true))
}

/// An index that knows of more than the packs have is from another time.
fn fits(index: &Index, packs: &[(u32, u64)]) -> Result<(), StoreError> {
    let end = index.end();
    if end.pack == 0 {
        return Ok(());
    }
    let Some((_, len)) = packs.iter().find(|(number, _)| *number == end.pack) else {
        return Err(StoreError::IndexContent("of packs that are not here"));
    };
    if *len < end.offset {
        return Err(StoreError::IndexContent("of a longer log"));
    }
    Ok(())
}

/// Brings the index up to a pack's end.
pub(crate) fn read_pack<S: Source>(
    pack: &Pack<S>,
    known: &KnownPack,
    check: Check,
    index: &Index,
    recovered: &mut Recovered,
) -> Result<Scanned, StoreError> {
    let (start, first) = (index.end(), known.first_record());
    let from = if pack.number == start.pack { start.offset.max(first) } else { first };
    let (scanned, records) = records_of(pack, from, check)?;
    publish(pack.number, &scanned, &records, index, recovered)?;
    Ok(scanned)
}

/// The good records of a pack from some place on.
pub(crate) fn records_of<S: Source>(
    pack: &Pack<S>,
    from: u64,
    check: Check,
) -> Result<(Scanned, Vec<(BlobId, Entry)>), StoreError> {
    let mut records = Vec::new();
    let scanned = scan(pack, from, check, |offset, header: RecordHeader| {
        let RecordHeader { kind, id, generation, len, .. } = header;
        let at = Location { pack: pack.number, offset, len, generation };
        records.push((id, Entry { kind, at }));
    })?;
    Ok((scanned, records))
}

/// Adds what was found in a pack to the index.
pub(crate) fn publish(
    pack: u32,
    scanned: &Scanned,
    records: &[(BlobId, Entry)],
    index: &Index,
    recovered: &mut Recovered,
) -> Result<(), StoreError> {
    for range in &scanned.damaged {
        recovered.count_damage(pack, range.clone());
    }
    index.publish(records, LogPosition { pack, offset: scanned.end })?;
    // A rebuild of many packs must not gather all of them in memory.
    if index.recent_len() >= RECENT_MAX {
        checkpoint_if_room(index)?;
    }
    Ok(())
}

/// A full disk is read all the same.
pub(crate) fn checkpoint_if_room(index: &Index) -> Result<(), StoreError> {
    match index.checkpoint() {
        Ok(()) | Err(StoreError::Full) => Ok(()),
        Err(error) => Err(error),
    }
}
