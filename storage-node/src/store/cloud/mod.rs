//! Packs as objects in a cloud: each group of records is one object, `packs/<number>.pack`, made whole and never changed.
//!
//! Everything else of the store, its index above all, is in the local folder and can be made anew from the objects.

mod account;
mod append;
mod attempts;
mod dropbox;
mod error;
mod hashes;
mod object;
mod objects;
mod open;
mod place;
mod room;
mod s3;
mod transport;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::try_join_all;
use protocol::id::{BlobId, StoreId};

use super::error::StoreError;
use super::examine::{Examined, KnownPack, examine};
use super::index::Location;
use super::log::{Trashed, trashed_since};
use super::pack::{self, Pack};
use super::record::{HEADER_LEN, RecordHeader};
use super::scan::{Check, Scanned, scan};
use hashes::Hashes;
use object::{Object, path};
use objects::Objects;
use room::Room;

pub(crate) use append::CloudAppender;
pub use error::CloudError;
pub use place::{CloudPlace, Dropbox, Patience, Provider, S3};

const TRASH: &str = "trash/";
/// Bytes between two blobs that are read along with them: as many as come in the time of one more request.
const GAP_BYTES: u64 = 256 << 10;
/// Bytes of one request at most.
const RUN_BYTES: u64 = 8 << 20;

/// The objects of one store, and what is known of them.
#[derive(Debug)]
pub(crate) struct CloudLog {
    objects: Objects,
    /// Bytes of each pack.
    packs: Mutex<BTreeMap<u32, u64>>,
    /// Names in the trash, and their bytes.
    trash: Mutex<BTreeMap<String, u64>>,
    hashes: Hashes,
    room: Room,
    /// Why the last write failed, until something succeeds.
    trouble: Mutex<Option<String>>,
    /// Whether the server makes no object where one is. Without that, a write of unknown fate ends all writing.
    makes_only_new: bool,
    /// Files among the packs that are none.
    strangers: u64,
}

/// A pack that was read as a whole.
#[derive(Debug)]
pub(crate) struct WholePack {
    number: u32,
    bytes: Bytes,
}

impl WholePack {
    /// The blob's payload, if the record at this place is its own and undamaged; none of another pack's.
    pub(crate) fn blob(&self, id: &BlobId, at: Location) -> Option<Bytes> {
        let start = usize::try_from(at.offset).ok()?;
        let record = self.bytes.get(start..)?.get(..HEADER_LEN + at.len as usize)?;
        pack::payload_of(record.to_vec(), id, at).filter(|_| at.pack == self.number)
    }
}

/// Where a record's payload ends in its pack.
fn end_of(at: Location) -> u64 {
    at.offset + HEADER_LEN as u64 + u64::from(at.len)
}

/// Which of the places are read by one request: of one pack, in ascending order, with little between them.
fn runs(places: &[Location]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_unstable_by_key(|index| places[*index].place());
    let mut runs: Vec<Vec<usize>> = Vec::new();
    for index in order {
        let at = places[index];
        if let Some(run) = runs.last_mut() {
            let (first, last) = (places[run[0]], places[run[run.len() - 1]]);
            let is_near = at.pack == last.pack && at.offset <= end_of(last) + GAP_BYTES;
            if is_near && end_of(at) - first.offset <= RUN_BYTES {
                run.push(index);
                continue;
            }
        }
        runs.push(vec![index]);
    }
    runs
}

impl CloudLog {
    /// A blob, if its record is the one asked for, undamaged. None: it is not, or its pack is gone.
    pub(crate) async fn read_blob(&self, id: &BlobId, at: Location) -> Result<Option<Bytes>, StoreError> {
        let Some(range) = self.record_range(at) else { return Ok(None) };
        let read = self.objects.read(path(at.pack), range).await?;
        Ok(read.and_then(|record| pack::payload_of(record.into(), id, at)))
    }

    /// The same of many blobs: those that lie near each other in one request, because a request costs as much time as
    /// megabytes, and providers count requests.
    pub(crate) async fn read_blobs(
        &self,
        wanted: &[(BlobId, Location)],
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let places: Vec<Location> = wanted.iter().map(|(_, at)| *at).collect();
        let runs = runs(&places).into_iter().map(async |run| {
            let first = places[run[0]];
            let end = run.iter().map(|index| end_of(places[*index])).max().unwrap_or(first.offset);
            let mut bytes = None;
            if self.len_of(first.pack).is_some_and(|len| len >= end) {
                bytes = self.objects.read(path(first.pack), first.offset..end).await?;
            }
            Ok::<_, StoreError>((run, first.offset, bytes))
        });
        let mut blobs = vec![None; wanted.len()];
        for (run, start, bytes) in try_join_all(runs).await? {
            let Some(bytes) = bytes else { continue };
            for index in run {
                let (id, at) = &wanted[index];
                let record = (at.offset - start) as usize..(end_of(*at) - start) as usize;
                blobs[index] = pack::payload_of(bytes[record].to_vec(), id, *at);
            }
        }
        Ok(blobs)
    }

    /// The same as [`Self::read_blob`], for threads that may block.
    pub(crate) fn reread_blob(&self, id: &BlobId, at: Location) -> Result<Option<Bytes>, StoreError> {
        let Some(range) = self.record_range(at) else { return Ok(None) };
        let read = self.objects.read_blocking(path(at.pack), range)?;
        Ok(read.and_then(|record| pack::payload_of(record.into(), id, at)))
    }

    /// None if the pack is gone, or ends earlier.
    fn record_range(&self, at: Location) -> Option<std::ops::Range<u64>> {
        let end = end_of(at);
        self.len_of(at.pack).filter(|len| *len >= end).map(|_| at.offset..end)
    }

    /// What there is of so many bytes of a pack.
    pub(crate) fn salvage(&self, pack: u32, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        let Some(end) = self.len_of(pack).map(|pack_len| pack_len.min(offset + len)) else {
            return Ok(Vec::new());
        };
        if end <= offset {
            return Ok(Vec::new());
        }
        Ok(self.objects.read_blocking(path(pack), offset..end)?.map_or_else(Vec::new, Into::into))
    }

    /// All of a pack; none if it is gone.
    pub(crate) fn whole(&self, number: u32) -> Result<Option<WholePack>, StoreError> {
        let Some(len) = self.len_of(number) else { return Ok(None) };
        let bytes = self.objects.read_blocking(path(number), 0..len)?;
        Ok(bytes.map(|bytes| WholePack { number, bytes }))
    }

    /// The packs that are there, and their sizes, ascending.
    pub(crate) fn packs(&self) -> Vec<(u32, u64)> {
        lock(&self.packs).iter().map(|(number, len)| (*number, *len)).collect()
    }

    fn len_of(&self, number: u32) -> Option<u64> {
        lock(&self.packs).get(&number).copied()
    }

    pub(crate) fn examine(&self, number: u32, store: StoreId) -> io::Result<Examined> {
        let len = self.len_of(number).ok_or(io::ErrorKind::NotFound)?;
        examine(&Object::pack(&self.objects, number, len), number, store)
    }

    /// Visits the good records of a pack whose marker is known.
    pub(crate) fn scan(
        &self,
        known: &KnownPack,
        visit: impl FnMut(u64, RecordHeader),
    ) -> Result<Scanned, StoreError> {
        scan(&self.open_pack(known), known.first_record(), Check::Headers, visit)
    }

    fn open_pack(&self, known: &KnownPack) -> Pack<Object<'_>> {
        let number = known.number;
        let bytes = Object::pack(&self.objects, number, self.len_of(number).unwrap_or_default());
        Pack { bytes, number, marker: known.marker.expect("its marker is known") }
    }

    /// Whether the provider says that the pack is what it was when it was good.
    pub(crate) fn is_vouched_for(&self, number: u32) -> Result<bool, StoreError> {
        let Some(len) = self.len_of(number) else { return Ok(false) };
        if self.objects.place().scrub_reads {
            return Ok(false);
        }
        let Some(good) = self.hashes.get(number) else { return Ok(false) };
        let found = self.objects.stat(path(number))?;
        Ok(found.is_some_and(|found| found.len == len && found.hash == Some(good)))
    }

    /// A pack was read, and all that stands in it is good.
    pub(crate) fn note_good(&self, number: u32) -> Result<(), StoreError> {
        if let Some(hash) = self.objects.stat(path(number))?.and_then(|found| found.hash)
            && self.hashes.get(number).as_ref() != Some(&hash)
        {
            self.hashes.note(number, hash);
        }
        Ok(())
    }

    pub(crate) fn trash_pack(&self, number: u32, now_ms: u64) -> Result<(), StoreError> {
        let name = format!("{number:08}.{now_ms}.pack");
        self.objects.rename(path(number), format!("{TRASH}{name}"))?;
        let len = lock(&self.packs).remove(&number).unwrap_or_default();
        lock(&self.trash).insert(name, len);
        Ok(())
    }

    pub(crate) fn trashed(&self) -> Vec<Trashed> {
        let trash = lock(&self.trash);
        let names = trash.keys().filter_map(|name| Some((trashed_since(name)?, name)));
        names.map(|(since_ms, name)| Trashed { since_ms, name: name.clone() }).collect()
    }

    pub(crate) fn remove_trashed(&self, trashed: &Trashed) -> Result<(), StoreError> {
        self.objects.remove(format!("{TRASH}{}", trashed.name))?;
        lock(&self.trash).remove(&trashed.name);
        Ok(())
    }

    /// Why writing is of no use now.
    pub(crate) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        if let Some(reason) = &trouble {
            tracing::error!(place = %self.objects.place(), reason, "the cloud takes no writes");
        }
        *lock(&self.trouble) = trouble;
    }

    /// After a failed write, looks whether the provider answers again; and from time to time, how much room is left.
    pub(crate) fn look_again(&self) {
        self.learn_room();
        if self.trouble().is_some() && self.objects.stat(open::STORE_FILE.to_owned()).is_ok() {
            tracing::info!(place = %self.objects.place(), "the cloud answers again");
            self.set_trouble(None);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
