//! Records that turned out to be damaged: verifying one, putting its bytes aside, and `damaged.jsonl`, the list of them.
//!
//! The list is part of the store's truth: without it a rebuilt index would take the records for good again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use protocol::blob_list::StoredBlob;
use protocol::digest::sha256;
use protocol::id::BlobId;
use protocol::limits::GROUP_BLOBS_MAX;
use serde::{Deserialize, Serialize};

use super::Store;
use super::cloud::WholePack;
use super::error::StoreError;
use super::folder::sync_folder;
use super::index::Location;

/// One line of the list.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Damaged {
    id: BlobId,
    size: u32,
    generation: u32,
    pack: u32,
    offset: u64,
    /// Unix milliseconds.
    found_ms: u64,
}

impl Damaged {
    pub(crate) fn id(&self) -> BlobId {
        self.id
    }

    pub(crate) fn location(&self) -> Location {
        Location { pack: self.pack, offset: self.offset, len: self.size, generation: self.generation }
    }
}

/// The list, in memory and on disk.
#[derive(Debug)]
pub(crate) struct DamageList {
    path: PathBuf,
    known: Mutex<Known>,
    /// Held while a record is put aside, so that one which two threads found damaged is listed once.
    putting_aside: Mutex<()>,
}

#[derive(Debug)]
struct Known {
    file: File,
    list: Vec<Damaged>,
    /// So many of them need no report any more.
    reported: usize,
}

impl DamageList {
    pub(crate) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let open = || {
            let file = OpenOptions::new().create(true).append(true).open(&path)?;
            let content = fs::read(&path)?;
            // A line that a crash cut short named a record that was not taken out of the index yet.
            let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            file.set_len(whole as u64)?;
            io::Result::Ok((file, content[..whole].to_vec()))
        };
        let (file, content) = open().map_err(StoreError::file("open", &path))?;
        sync_folder(path.parent().unwrap_or(Path::new(".")))?;
        let mut list = Vec::new();
        for line in content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(damaged) => list.push(damaged),
                // Scrubbing finds the record again.
                Err(error) => tracing::error!(%error, path = %path.display(), "a line is not understood"),
            }
        }
        let known = Mutex::new(Known { file, list, reported: 0 });
        Ok(Self { path, known, putting_aside: Mutex::default() })
    }

    /// All of them, oldest first.
    pub(crate) fn all(&self) -> Vec<Damaged> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).list.clone()
    }

    /// Writes a line, durably.
    fn append(&self, damaged: &Damaged) -> Result<(), StoreError> {
        let mut line = serde_json::to_vec(damaged).expect("numbers and an id serialize");
        line.push(b'\n');
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut append = || {
            let end = known.file.metadata()?.len();
            let written = known.file.write_all(&line).and_then(|()| known.file.sync_all());
            // Half a line would spoil the next one.
            written.inspect_err(|_| drop(known.file.set_len(end)))
        };
        append().map_err(StoreError::file("append to", &self.path))
    }

    /// From now on it is reported.
    fn add(&self, damaged: Damaged) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).list.push(damaged);
    }
}

/// Damaged blobs to tell the coordinator of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DamageReport {
    /// At most [`GROUP_BLOBS_MAX`]; the store does not have them.
    pub blobs: Vec<StoredBlob>,
    end: usize,
}

impl Store {
    /// Damaged records that were found since the store was made.
    pub fn damaged_count(&self) -> u64 {
        self.damage.known.lock().unwrap_or_else(PoisonError::into_inner).list.len() as u64
    }

    /// How many were found from this moment on, in Unix milliseconds.
    pub fn damaged_since(&self, since_ms: u64) -> usize {
        let known = self.damage.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.list.iter().rev().take_while(|damaged| damaged.found_ms >= since_ms).count()
    }

    /// The next damaged blobs that nobody was told of in this run, but for those that are here again.
    ///
    /// # Errors
    /// When the index fails.
    pub fn damage_report(&self) -> Result<DamageReport, StoreError> {
        let (list, mut end) = {
            let known = self.damage.known.lock().unwrap_or_else(PoisonError::into_inner);
            (known.list[known.reported..].to_vec(), known.reported)
        };
        let mut blobs = BTreeMap::new();
        for Damaged { id, size, generation, .. } in list {
            if blobs.len() == GROUP_BLOBS_MAX {
                break;
            }
            end += 1;
            if self.index.get(&id)?.is_none() {
                blobs.insert(id, StoredBlob { id, size, generation });
            }
        }
        Ok(DamageReport { blobs: blobs.into_values().collect(), end })
    }

    /// The report has arrived.
    pub fn damage_reported(&self, report: &DamageReport) {
        let mut known = self.damage.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.reported = known.reported.max(report.end);
    }

    /// A blob's bytes, read from the disk itself and compared with its SHA-256; none if it is not here, or damaged: then
    /// its record is verified soon.
    ///
    /// # Errors
    /// When index or disk fail.
    pub fn read_verified(&self, id: &BlobId) -> Result<Option<Bytes>, StoreError> {
        let Some(at) = self.index.get(id)? else { return Ok(None) };
        let bytes = self.read_record(id, at)?;
        if bytes.is_none() {
            self.suspect(*id);
        }
        Ok(bytes)
    }

    /// Remembers that a blob's record must be verified.
    pub(crate) fn suspect(&self, id: BlobId) {
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        if suspects.len() < SUSPECTS_MAX {
            suspects.insert(id);
        }
    }

    /// Verifies the records that reads found damaged. `now_ms` in Unix milliseconds.
    ///
    /// # Errors
    /// When index or disk fail.
    pub fn verify_suspects(&self, now_ms: u64) -> Result<(), StoreError> {
        let suspects = std::mem::take(&mut *self.suspects.lock().unwrap_or_else(PoisonError::into_inner));
        for id in suspects {
            if let Some(at) = self.index.get(&id)? {
                self.verify(&id, at, now_ms)?;
            }
        }
        Ok(())
    }

    /// A record's blob from the disk itself, if its SHA-256 is right. One that is not any more, and that stands, is put
    /// aside: copied to `quarantine/`, listed, and out of the index.
    pub(crate) fn verify(&self, id: &BlobId, at: Location, now_ms: u64) -> Result<Option<Bytes>, StoreError> {
        let bytes = self.read_record(id, at)?;
        if bytes.is_none() {
            self.put_aside(id, at, now_ms)?;
        }
        Ok(bytes)
    }

    /// The same where the whole pack was read before.
    pub(crate) fn verify_in(
        &self,
        pack: Option<&WholePack>,
        id: &BlobId,
        at: Location,
        now_ms: u64,
    ) -> Result<Option<Bytes>, StoreError> {
        let Some(pack) = pack else { return self.verify(id, at, now_ms) };
        let bytes = pack.blob(id, at).filter(|bytes| sha256(&[bytes]) == *id.as_bytes());
        if bytes.is_none() {
            self.put_aside(id, at, now_ms)?;
        }
        Ok(bytes)
    }

    fn put_aside(&self, id: &BlobId, at: Location, now_ms: u64) -> Result<(), StoreError> {
        let _alone = self.damage.putting_aside.lock().unwrap_or_else(PoisonError::into_inner);
        if self.index.get(id)? != Some(at) {
            return Ok(());
        }
        tracing::error!(%id, pack = at.pack, offset = at.offset, "a damaged record; put aside");
        let left = self.log.salvage(at.pack, at.offset, at.record_len())?;
        if !left.is_empty() {
            self.folder.put_aside(&format!("{:08}.pack.{}", at.pack, at.offset), &left)?;
        }
        let Location { pack, offset, len: size, generation } = at;
        let damaged = Damaged { id: *id, size, generation, pack, offset, found_ms: now_ms };
        self.damage.append(&damaged)?;
        self.index.lose(id, at)?;
        // After it is lost: a report takes what the index has for mended, and never comes back to it.
        self.damage.add(damaged);
        Ok(())
    }

    fn read_record(&self, id: &BlobId, at: Location) -> Result<Option<Bytes>, StoreError> {
        let bytes = self.log.reread_blob(id, at)?;
        Ok(bytes.filter(|bytes| sha256(&[bytes]) == *id.as_bytes()))
    }
}

/// Ids that wait to be verified; scrubbing finds what is beyond.
const SUSPECTS_MAX: usize = 4096;
