//! Opening a store in a cloud: is the folder this store's, what is in it, and what of that the index lacks.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use protocol::id::{BlobId, StoreId};
use serde::{Deserialize, Serialize};

use super::super::error::StoreError;
use super::super::examine::Examined;
use super::super::folder::{Folder, replace_file};
use super::super::index::{Entry, Index, Location};
use super::super::log::Appender;
use super::super::pack::number_of;
use super::super::recovery::{Opening, Recovered, checkpoint_if_room, open_index, publish, records_of};
use super::super::scan::{Check, Scanned};
use super::hashes::Hashes;
use super::objects::{Listed, Made, Objects};
use super::place::CloudPlace;
use super::room::Room;
use super::{CloudAppender, CloudLog, TRASH, lock, path};

/// Whose folder it is.
pub(super) const STORE_FILE: &str = "store.json";
const FORMAT: u32 = 1;
/// Packs that are looked for behind the last one that is known, because a listing may be older than what is there:
/// with an index that knows nearly all, and without one.
const LOOK_AHEAD: u32 = 1;
const LOOK_FAR_AHEAD: u32 = 16;
/// Packs that are read at a time.
const READERS: usize = 8;

/// The content of [`STORE_FILE`], and of the local file that says that there must be one.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoreFile {
    format: u32,
    store: StoreId,
}

impl CloudLog {
    /// Finds out what is there.
    pub(crate) fn open(place: CloudPlace, folder: &Folder, store: StoreId) -> Result<Self, StoreError> {
        let objects = Objects::open(place)?;
        let listed = objects.list("packs/")?;
        let packs: BTreeMap<_, _> = listed.iter().filter_map(pack_of).collect();
        let makes_only_new = claim(&objects, folder, store, packs.is_empty())?;
        let trash = objects.list(TRASH)?.into_iter().map(|Listed { name, len }| (name, len)).collect();
        let hashes = Hashes::open(folder.hashes(), |number| packs.contains_key(&number))?;
        let strangers = listed.iter().filter(|listed| pack_of(listed).is_none());
        let strangers =
            strangers.inspect(|listed| tracing::warn!(listed.name, "not a pack; left alone")).count();
        Ok(Self {
            objects,
            packs: Mutex::new(packs),
            trash: Mutex::new(trash),
            hashes,
            room: Room::default(),
            trouble: Mutex::default(),
            makes_only_new,
            strangers: strangers as u64,
        })
    }

    /// Reads what the index lacks, or all. Records in `lost` were found damaged before.
    pub(crate) fn recover(
        self: &Arc<Self>,
        folder: &Folder,
        store: StoreId,
        lost: &[(BlobId, Location)],
    ) -> Result<Opening, StoreError> {
        let mut recovered = Recovered { strangers: self.strangers, ..Recovered::default() };
        // Nothing is gained by it: what the index lacks is known by numbers and sizes.
        folder.take_clean_mark()?;
        let known = |index: &Index| {
            self.find_known(index)?;
            Ok(self.packs())
        };
        let (index, is_new) = open_index(folder, store, known)?;
        self.find_newer(if is_new { LOOK_FAR_AHEAD } else { LOOK_AHEAD })?;
        recovered.index_rebuilt = is_new && !lock(&self.packs).is_empty();
        for (id, at) in lost {
            index.lose(id, *at)?;
        }
        let (start, packs) = (index.end(), self.packs());
        let newest = packs.last().map(|(number, _)| *number).unwrap_or_default();
        let last_lost = lost.iter().map(|(_, at)| at.pack).max().unwrap_or_default();
        let next = newest.max(last_lost).saturating_add(1);
        let is_unread = |(number, len): &&(u32, u64)| {
            *number > start.pack || (*number == start.pack && *len > start.offset)
        };
        let unread: Vec<_> = packs.iter().filter(is_unread).map(|(number, _)| *number).collect();
        for numbers in unread.chunks(READERS) {
            for (number, read) in self.read_all(numbers, store) {
                if let Some((scanned, records)) = read? {
                    publish(number, &scanned, &records, &index, &mut recovered)?;
                    continue;
                }
                tracing::warn!(pack = number, "not this store's pack, or gone; left alone");
                lock(&self.packs).remove(&number);
                recovered.strangers += 1;
            }
        }
        checkpoint_if_room(&index)?;
        self.learn_room();
        let appender = Appender::Cloud(CloudAppender::new(Arc::clone(self), store, next));
        Ok(Opening { index, appender, recovered })
    }

    /// A listing may lack what the index knows of.
    fn find_known(&self, index: &Index) -> Result<(), StoreError> {
        let mut missing = index.used_packs();
        missing.push(index.end().pack);
        missing.retain(|number| *number > 0 && self.len_of(*number).is_none());
        missing.into_iter().try_for_each(|number| self.find(number).map(drop))
    }

    /// Or what was written last.
    fn find_newer(&self, ahead: u32) -> Result<(), StoreError> {
        let mut newest = lock(&self.packs).keys().last().copied().unwrap_or_default();
        let mut next = newest.saturating_add(1);
        while next <= newest.saturating_add(ahead) {
            if self.find(next)? {
                newest = next;
            }
            next += 1;
        }
        Ok(())
    }

    fn find(&self, number: u32) -> Result<bool, StoreError> {
        let found = self.objects.stat(path(number))?;
        if let Some(found) = &found {
            tracing::info!(pack = number, "there, but not listed");
            lock(&self.packs).insert(number, found.len);
        }
        Ok(found.is_some())
    }

    /// Several packs at a time: a request waits much longer than it takes.
    fn read_all(
        &self,
        numbers: &[u32],
        store: StoreId,
    ) -> Vec<(u32, Result<Option<PackRecords>, StoreError>)> {
        thread::scope(|scope| {
            let readers: Vec<_> = numbers
                .iter()
                .map(|number| (*number, scope.spawn(move || self.records_of(*number, store))))
                .collect();
            let join = |(number, reader): (u32, thread::ScopedJoinHandle<'_, _>)| {
                (number, reader.join().unwrap_or(Err(StoreError::Closing)))
            };
            readers.into_iter().map(join).collect()
        })
    }

    /// None if it is not this store's pack, or tells nothing.
    fn records_of(&self, number: u32, store: StoreId) -> Result<Option<PackRecords>, StoreError> {
        let known = match self.examine(number, store) {
            Ok(Examined::Pack(known)) => known,
            Ok(Examined::Unused | Examined::Foreign) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::ReadPack { pack: number, source }),
        };
        let front = (known.damaged > 0).then_some(0..known.damaged);
        if known.marker.is_none() {
            let end = known.damaged;
            let scanned = Scanned { end, damaged: front.into_iter().collect(), torn_bytes: 0 };
            return Ok(Some((scanned, Vec::new())));
        }
        let (mut scanned, records) =
            records_of(&self.open_pack(&known), known.first_record(), Check::Headers)?;
        scanned.damaged.extend(front);
        // What is damaged behind the last record is damaged too: an object has no unwritten end.
        let len = self.len_of(number).unwrap_or_default();
        if scanned.end < len {
            scanned.damaged.push(scanned.end..len);
            scanned.end = len;
        }
        Ok(Some((scanned, records)))
    }
}

type PackRecords = (Scanned, Vec<(BlobId, Entry)>);

fn pack_of(listed: &Listed) -> Option<(u32, u64)> {
    number_of(&listed.name).map(|number| (number, listed.len))
}

/// Makes the folder this store's, if it is nobody's. Says whether the server makes no object where one is.
fn claim(objects: &Objects, folder: &Folder, store: StoreId, is_empty: bool) -> Result<bool, StoreError> {
    let own = serde_json::to_vec(&StoreFile { format: FORMAT, store }).expect("a number and an id serialize");
    let elsewhere = |reason: &str| StoreError::Elsewhere(objects.place().to_string(), reason.to_owned());
    let local = folder.cloud_mark();
    match whose(objects)? {
        Some(file) if file.store != store => {
            return Err(elsewhere("it holds another node's store; give each node a prefix of its own"));
        }
        Some(_) => {}
        None if local.exists() => {
            return Err(elsewhere("this node's store is not there; compare bucket and prefix"));
        }
        None if !is_empty => {
            return Err(elsewhere("it holds packs, but does not say whose"));
        }
        None => {
            objects.make(STORE_FILE.to_owned(), Bytes::from(own.clone()))?;
            if whose(objects)?.is_none_or(|file| file.store != store) {
                return Err(elsewhere("another node took it at the same moment"));
            }
        }
    }
    if !local.exists() {
        replace_file(&local, &own)?;
    }
    // The same content again: where a server must not overwrite, it says that there is one.
    let is_careful = match &objects.place().provider {
        super::Provider::Dropbox(_) => true,
        super::Provider::S3(_) => objects.make(STORE_FILE.to_owned(), Bytes::from(own))? == Made::Exists,
    };
    if !is_careful {
        tracing::warn!("the server overwrites what it must not; after a failed upload a restart is needed");
    }
    Ok(is_careful)
}

fn whose(objects: &Objects) -> Result<Option<StoreFile>, StoreError> {
    let Some(found) = objects.stat(STORE_FILE.to_owned())? else { return Ok(None) };
    let unknown =
        || StoreError::Elsewhere(objects.place().to_string(), "its store.json is damaged".to_owned());
    let content = objects.read_blocking(STORE_FILE.to_owned(), 0..found.len.min(1024))?;
    let file: StoreFile =
        content.and_then(|content| serde_json::from_slice(&content).ok()).ok_or_else(unknown)?;
    if file.format == FORMAT { Ok(Some(file)) } else { Err(unknown()) }
}
