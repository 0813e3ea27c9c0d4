//! The log's medium: where the bytes of packs are, and how records get there. Index, admission of records, compaction
//! and scrubbing are above it and the same for all media.

mod disk;
mod disk_append;
mod disk_open;
mod source;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::id::{BlobId, StoreId};

use super::cloud::{CloudAppender, CloudLog, WholePack};
use super::error::StoreError;
use super::examine::{Examined, KnownPack};
use super::folder::Folder;
use super::index::{Entry, Location, LogPosition};
use super::options::StoreOptions;
use super::pack::Marker;
use super::record::RecordHeader;
use super::recovery::Opening;
use super::scan::{Check, Scanned, scan};
use super::space::{Reserve, Space};
use super::work::NewRecord;

pub(crate) use disk::DiskLog;
pub(crate) use disk_append::DiskAppender;
pub(crate) use source::Source;

/// Reads packs and moves them to the trash.
#[derive(Debug, Clone)]
pub(crate) enum Log {
    Disk(DiskLog),
    Cloud(Arc<CloudLog>),
}

/// Adds records at the log's end; the writer's alone.
#[derive(Debug)]
pub(crate) enum Appender {
    Disk(DiskAppender),
    Cloud(CloudAppender),
}

/// Numbers and bytes of packs.
pub(crate) type Sizes = Vec<(u32, u64)>;

/// Records that are durable.
#[derive(Debug)]
pub(crate) struct Appended {
    pub(crate) entries: Vec<(BlobId, Entry)>,
    pub(crate) end: LogPosition,
    /// How long it took to make them durable.
    pub(crate) took: Duration,
}

/// Why records are not durable.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// There is no room; this passes.
    Full,
    /// What is on the medium is not known until the next start.
    Broken(String),
    /// The medium takes nothing now.
    Unreachable(String),
    /// Something else arrived first, and these records must be chosen anew behind it.
    Behind(Appended),
}

/// A pack that compaction emptied.
#[derive(Debug)]
pub(crate) struct Trashed {
    /// Since when, in Unix milliseconds.
    pub(crate) since_ms: u64,
    /// Within the trash.
    pub(crate) name: String,
}

impl Log {
    /// Reads the log from the index's checkpoint on, or all of it. Records in `lost` were found damaged before.
    pub(crate) fn recover(
        &self,
        folder: &Folder,
        store: StoreId,
        lost: &[(BlobId, Location)],
        options: &StoreOptions,
    ) -> Result<Opening, StoreError> {
        match self {
            Self::Disk(disk) => disk.recover(folder, store, lost, options),
            Self::Cloud(cloud) => cloud.recover(folder, store, lost),
        }
    }

    /// A blob, if its record is the one asked for, undamaged. None: it is not, or its pack is gone.
    pub(crate) async fn read_blob(&self, id: &BlobId, at: Location) -> Result<Option<Bytes>, StoreError> {
        let read = match self {
            Self::Disk(disk) => {
                let (disk, id) = (disk.clone(), *id);
                let read = tokio::task::spawn_blocking(move || disk.read_blob(&id, at)).await;
                read.map_err(|_| StoreError::Closing)?
            }
            Self::Cloud(cloud) => return cloud.read_blob(id, at).await,
        };
        read.map_err(|source| StoreError::ReadPack { pack: at.pack, source })
    }

    /// The same of many blobs.
    pub(crate) async fn read_blobs(
        &self,
        wanted: &[(BlobId, Location)],
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        if let Self::Cloud(cloud) = self {
            return cloud.read_blobs(wanted).await;
        }
        let mut blobs = Vec::with_capacity(wanted.len());
        for (id, at) in wanted {
            blobs.push(self.read_blob(id, *at).await?);
        }
        Ok(blobs)
    }

    /// The same, past all caches; blocks.
    pub(crate) fn reread_blob(&self, id: &BlobId, at: Location) -> Result<Option<Bytes>, StoreError> {
        let read = match self {
            Self::Disk(disk) => disk.drop_cached(at).and_then(|()| disk.read_blob(id, at)),
            Self::Cloud(cloud) => return cloud.reread_blob(id, at),
        };
        read.map_err(|source| StoreError::ReadPack { pack: at.pack, source })
    }

    /// What can be read of so many bytes of a pack; nothing if it is gone.
    pub(crate) fn salvage(&self, pack: u32, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        let read = match self {
            Self::Disk(disk) => disk.salvage(pack, offset, len),
            Self::Cloud(cloud) => return cloud.salvage(pack, offset, len),
        };
        read.map_err(|source| StoreError::ReadPack { pack, source })
    }

    /// The packs that are there, and their sizes, ascending.
    pub(crate) fn packs(&self) -> Result<Sizes, StoreError> {
        match self {
            Self::Disk(disk) => Ok(disk.packs()?.0),
            Self::Cloud(cloud) => Ok(cloud.packs()),
        }
    }

    pub(crate) fn examine(&self, number: u32, store: StoreId) -> io::Result<Examined> {
        match self {
            Self::Disk(disk) => disk.examine(number, store),
            Self::Cloud(cloud) => cloud.examine(number, store),
        }
    }

    /// Visits the good records of a pack whose marker is known.
    pub(crate) fn scan(
        &self,
        known: &KnownPack,
        visit: impl FnMut(u64, RecordHeader),
    ) -> Result<Scanned, StoreError> {
        match self {
            Self::Disk(disk) => {
                let pack = disk.open_pack(known)?.expect("its marker is known");
                scan(&pack, known.first_record(), Check::Headers, visit)
            }
            Self::Cloud(cloud) => cloud.scan(known, visit),
        }
    }

    /// Moves a pack to the trash.
    pub(crate) fn trash_pack(&self, number: u32, now_ms: u64) -> Result<(), StoreError> {
        match self {
            Self::Disk(disk) => disk.trash_pack(number, now_ms),
            Self::Cloud(cloud) => cloud.trash_pack(number, now_ms),
        }
    }

    /// What is in the trash, oldest first.
    pub(crate) fn trashed(&self) -> Result<Vec<Trashed>, StoreError> {
        let mut trashed = match self {
            Self::Disk(disk) => disk.trashed()?,
            Self::Cloud(cloud) => cloud.trashed(),
        };
        trashed.sort_unstable_by_key(|trashed| trashed.since_ms);
        Ok(trashed)
    }

    pub(crate) fn remove_trashed(&self, trashed: &Trashed) -> Result<(), StoreError> {
        match self {
            Self::Disk(disk) => disk.remove_trashed(trashed),
            Self::Cloud(cloud) => cloud.remove_trashed(trashed),
        }
    }

    /// Room for packs.
    pub(crate) fn space(&self, reserve: Reserve) -> Result<Space, StoreError> {
        match self {
            Self::Disk(disk) => Space::of(disk.folder(), reserve)
                .map_err(StoreError::file("measure the disk of", disk.folder())),
            Self::Cloud(cloud) => Ok(cloud.space(reserve)),
        }
    }

    /// A pack whose records are about to be read one after the other; nothing on a disk, which is not asked for a whole
    /// pack at once.
    pub(crate) fn whole(&self, number: u32) -> Result<Option<WholePack>, StoreError> {
        match self {
            Self::Disk(_) => Ok(None),
            Self::Cloud(cloud) => cloud.whole(number),
        }
    }

    /// Whether the pack's content is known to be good without reading it.
    pub(crate) fn is_vouched_for(&self, number: u32) -> Result<bool, StoreError> {
        match self {
            Self::Disk(_) => Ok(false),
            Self::Cloud(cloud) => cloud.is_vouched_for(number),
        }
    }

    /// All that stands in a pack was read, and is good.
    pub(crate) fn note_good(&self, number: u32) -> Result<(), StoreError> {
        match self {
            Self::Disk(_) => Ok(()),
            Self::Cloud(cloud) => cloud.note_good(number),
        }
    }

    /// Why the medium takes no writes now.
    pub(crate) fn trouble(&self) -> Option<String> {
        match self {
            Self::Disk(_) => None,
            Self::Cloud(cloud) => cloud.trouble(),
        }
    }

    /// Looks whether it takes them again.
    pub(crate) fn look_again(&self) {
        match self {
            Self::Disk(_) => {}
            Self::Cloud(cloud) => cloud.look_again(),
        }
    }
}

impl Appender {
    /// Makes records durable, in their order. `reclaims` says whether they lead to more room.
    pub(crate) fn append(&mut self, records: &[NewRecord], reclaims: bool) -> Result<Appended, AppendError> {
        match self {
            Self::Disk(disk) => disk.append(records, reclaims),
            Self::Cloud(cloud) => cloud.append(records),
        }
    }
}

/// Appends records, as they stand in a pack from `start` on, to a buffer; gives their places.
pub(crate) fn lay_out(
    records: &[NewRecord],
    pack: u32,
    marker: Marker,
    start: u64,
    buffer: &mut Vec<u8>,
) -> Vec<(BlobId, Entry)> {
    let mut entries = Vec::with_capacity(records.len());
    let before = buffer.len() as u64;
    for (header, payload) in records {
        let offset = start + buffer.len() as u64 - before;
        buffer.extend_from_slice(&header.encode(marker));
        buffer.extend_from_slice(payload);
        let end = before + offset - start + header.record_len();
        buffer.resize(usize::try_from(end).expect("a group fits in memory"), 0);
        let at = Location { pack, offset, len: header.len, generation: header.generation };
        entries.push((header.id, Entry { kind: header.kind, at }));
    }
    entries
}

/// The time in the name of a file in the trash; none for strangers.
pub(crate) fn trashed_since(name: &str) -> Option<u64> {
    name.strip_suffix(".pack")?.split_once('.')?.1.parse().ok()
}
