//! Scrubbing: all records are read again and again, oldest pack first, so that damage is found while other nodes still
//! have good copies. `scrub.json` remembers the place.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Store;
use super::error::StoreError;
use super::folder::replace_file;
use super::pace::Pace;

/// The content of `scrub.json`. Times in Unix milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScrubProgress {
    /// When the newest round began.
    pub started_ms: u64,
    /// Packs of the round that are still to be read.
    next_pack: u32,
    last_pack: u32,
    /// Bytes of records that the round has read.
    pub done_bytes: u64,
    /// Bytes that the store held when it began.
    pub total_bytes: u64,
    /// When the last whole round ended.
    pub finished_ms: Option<u64>,
}

/// The progress, in memory and on disk.
#[derive(Debug)]
pub(crate) struct ScrubState {
    path: PathBuf,
    progress: Mutex<ScrubProgress>,
}

impl ScrubState {
    /// A file that is not understood begins anew: scrubbing too early does no harm.
    pub(crate) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let progress = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => ScrubProgress::default(),
            Err(error) => return Err(StoreError::file("read", path)(error)),
        };
        Ok(Self { path, progress: Mutex::new(progress) })
    }

    fn get(&self) -> ScrubProgress {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, progress: ScrubProgress) -> Result<(), StoreError> {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        let bytes = serde_json::to_vec(&progress).expect("numbers serialize");
        replace_file(&self.path, &bytes)
    }
}

impl Store {
    /// How far scrubbing is.
    pub fn scrub_progress(&self) -> ScrubProgress {
        self.scrub.get()
    }

    /// Verifies the next pack of the round under way, or of a new one if none began for `period_ms`. Says whether there is
    /// more to do. When `pace` is stopped the pack is read again next time. `now_ms` in Unix milliseconds.
    ///
    /// # Errors
    /// When index or disk fail.
    pub fn scrub(&self, period_ms: u64, pace: &Pace, now_ms: u64) -> Result<bool, StoreError> {
        let mut progress = self.scrub.get();
        // A pack whose file is gone is among them, one of another store is not.
        let numbers = self.index.used_packs();
        if progress.next_pack == 0 {
            if progress.started_ms > 0 && now_ms.saturating_sub(progress.started_ms) < period_ms {
                return Ok(false);
            }
            let last_pack = numbers.last().copied().unwrap_or_default();
            let (total_bytes, finished_ms) = (self.index.totals().bytes, progress.finished_ms);
            let started_ms = now_ms.max(1);
            progress = ScrubProgress {
                started_ms,
                next_pack: 1,
                last_pack,
                done_bytes: 0,
                total_bytes,
                finished_ms,
            };
        }
        let due = progress.next_pack..=progress.last_pack;
        let Some(number) = numbers.into_iter().find(|number| due.contains(number)) else {
            (progress.next_pack, progress.finished_ms) = (0, Some(now_ms));
            self.scrub.set(progress)?;
            return Ok(false);
        };
        let Some(bytes) = self.scrub_pack(number, pace, now_ms)? else { return Ok(false) };
        progress.next_pack = number.saturating_add(1);
        progress.done_bytes = (progress.done_bytes + bytes).min(progress.total_bytes);
        self.scrub.set(progress)?;
        Ok(true)
    }

    /// Bytes of the blobs that were read; none if it was stopped.
    fn scrub_pack(&self, number: u32, pace: &Pace, now_ms: u64) -> Result<Option<u64>, StoreError> {
        if self.log.is_vouched_for(number)? {
            return Ok(Some(self.index.pack_use(number).blobs));
        }
        let damaged = self.damaged_count();
        let blobs = self.contents(number)?.blobs;
        let whole = if blobs.is_empty() { None } else { self.log.whole(number)? };
        let mut bytes = 0;
        for (id, at) in blobs {
            self.verify_in(whole.as_ref(), &id, at, now_ms)?;
            bytes += u64::from(at.len);
            if !pace.spend(at.record_len()) {
                return Ok(None);
            }
        }
        if self.damaged_count() == damaged {
            self.log.note_good(number)?;
        }
        Ok(Some(bytes))
    }
}
