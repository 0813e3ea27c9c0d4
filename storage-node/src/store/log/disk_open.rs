//! Opening the log on a disk: finds its end, and cuts off what a crash left behind it.

use std::collections::BTreeSet;
use std::io;

use protocol::id::{BlobId, StoreId};
use rustix::fs::{Advice, fadvise};

use super::super::error::StoreError;
use super::super::examine::{Examined, KnownPack};
use super::super::folder::Folder;
use super::super::index::{Index, Location, LogPosition};
use super::super::options::StoreOptions;
use super::super::pack::{self, Pack};
use super::super::recovery::{Opening, Recovered, checkpoint_if_room, open_index, read_pack};
use super::super::scan::Check;
use super::{Appender, DiskAppender, DiskLog};

impl DiskLog {
    /// Reads the log from the index's checkpoint on, or all of it. Records in `lost` were found damaged before.
    pub(crate) fn recover(
        &self,
        folder: &Folder,
        store: StoreId,
        lost: &[(BlobId, Location)],
        options: &StoreOptions,
    ) -> Result<Opening, StoreError> {
        let mut recovered = Recovered::default();
        let clean_end = folder.take_clean_mark()?;
        let (sizes, strangers) = self.packs()?;
        for path in strangers {
            tracing::warn!(path = %path.display(), "not a pack; left alone");
            recovered.strangers += 1;
        }
        let packs = self.examine_all(folder, store, &sizes, &mut recovered)?;
        let last_lost = lost.iter().map(|(_, at)| at.pack).max().unwrap_or_default();
        let newest = sizes.last().map(|(number, _)| *number).unwrap_or_default();
        let next_pack = newest.max(last_lost).saturating_add(1);
        let ours: BTreeSet<_> = packs.iter().map(|pack| pack.number).collect();
        let known: Vec<_> = sizes.into_iter().filter(|(number, _)| ours.contains(number)).collect();
        let is_empty = known.is_empty();
        let (index, is_new) = open_index(folder, store, |_| Ok(known))?;
        recovered.index_rebuilt = is_new && !is_empty;
        for (id, at) in lost {
            index.lose(id, *at)?;
        }
        let current = self.read_log(&packs, &index, clean_end, &mut recovered)?;
        let current = current.and_then(|newest| behind_lost(newest, lost));
        if let Some((pack, _)) = &current {
            let preallocated = pack.preallocate_again(options.pack_bytes);
            preallocated.map_err(StoreError::file("reserve space in", &self.packs))?;
        }
        let appender = Appender::Disk(DiskAppender {
            packs: self.packs.clone(),
            store,
            pack_bytes: options.pack_bytes,
            current,
            next_pack,
            buffer: Vec::new(),
        });
        Ok(Opening { index, appender, recovered })
    }

    /// Looks at one pack after the other: a store may have more of them than a process may have files open.
    fn examine_all(
        &self,
        folder: &Folder,
        store: StoreId,
        packs: &[(u32, u64)],
        recovered: &mut Recovered,
    ) -> Result<Vec<KnownPack>, StoreError> {
        let mut known = Vec::new();
        for (number, _) in packs {
            let path = pack::path(&self.packs, *number);
            match self.examine(*number, store) {
                Ok(Examined::Pack(pack)) => {
                    if pack.damaged > 0 {
                        recovered.count_damage(pack.number, 0..pack.damaged);
                    }
                    known.push(pack);
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
        Ok(known)
    }

    /// Brings the index up to the log's end, and cuts off what a crash left behind it. Gives the pack to append to.
    fn read_log(
        &self,
        packs: &[KnownPack],
        index: &Index,
        clean_end: Option<LogPosition>,
        recovered: &mut Recovered,
    ) -> Result<Option<(Pack, u64)>, StoreError> {
        let start = index.end();
        let Some((newest, older)) = packs.split_last() else { return Ok(None) };
        if clean_end == Some(start) && start.pack == newest.number {
            return Ok(self.open_pack(newest)?.map(|pack| (pack, start.offset)));
        }
        for known in older.iter().filter(|pack| pack.number >= start.pack) {
            if let Some(pack) = self.open_pack(known)? {
                read_pack(&pack, known, Check::Headers, index, recovered)?;
            }
        }
        let Some(pack) = self.open_pack(newest)? else {
            checkpoint_if_room(index)?;
            return Ok(None);
        };
        reread_from_disk(&pack).map_err(|source| StoreError::ReadPack { pack: pack.number, source })?;
        let scanned = read_pack(&pack, newest, Check::Payloads, index, recovered)?;
        if scanned.torn_bytes > 0 {
            tracing::info!(pack = pack.number, bytes = scanned.torn_bytes, "cut off an unfinished write");
            recovered.torn_bytes = scanned.torn_bytes;
            let cut = || {
                pack.bytes.set_len(scanned.end)?;
                pack.bytes.sync_all()
            };
            cut().map_err(|source| StoreError::ReadPack { pack: pack.number, source })?;
        }
        checkpoint_if_room(index)?;
        Ok(Some((pack, scanned.end)))
    }
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

/// What is in memory only gets to disk, and what is in memory but not on disk is forgotten: a sync that failed
/// before the restart leaves pages that look written.
fn reread_from_disk(pack: &Pack) -> io::Result<()> {
    pack.bytes.sync_all()?;
    fadvise(&pack.bytes, 0, None, Advice::DontNeed)?;
    Ok(())
}
