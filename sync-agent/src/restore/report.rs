//! What a restore did, told while it goes on and summed up.

use std::sync::{Mutex, PoisonError};

use client::Path;
use serde::Serialize;

/// Something that happened to one entry. Paths are those in the snapshot, beneath what is restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was written and verified; in a dry run, it would be.
    Restored(Path, u64),
    /// Its content was there; mode, time or attributes were set.
    Updated(Path, u64),
    /// It was there as it should be, or is left by the rules.
    Unchanged(Path, u64),
    /// It is not in the snapshot, and was deleted with all beneath it.
    Deleted(Path),
    /// A file that is not wanted.
    Filtered(u64),
    /// It was restored, but for something that the system does not let this user set.
    Note(Path, String),
    /// It could not be restored.
    Failed(Path, String),
}

/// The sum of what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Files and links that were written.
    pub files_restored: u64,
    /// Their bytes.
    pub bytes_restored: u64,
    /// Files and links that were left, or had their attributes set.
    pub files_skipped: u64,
    /// Their bytes.
    pub bytes_skipped: u64,
    /// Entries that were deleted.
    pub files_deleted: u64,
    /// Attributes that could not be set.
    pub notes: u64,
    /// Entries that could not be restored.
    pub errors: u64,
}

impl Tally {
    fn add(&mut self, event: &Event) {
        match event {
            Event::Restored(_, bytes) => {
                self.files_restored += 1;
                self.bytes_restored += bytes;
            }
            Event::Updated(_, bytes) | Event::Unchanged(_, bytes) => {
                self.files_skipped += 1;
                self.bytes_skipped += bytes;
            }
            Event::Deleted(_) => self.files_deleted += 1,
            Event::Filtered(_) => {}
            Event::Note(..) => self.notes += 1,
            Event::Failed(..) => self.errors += 1,
        }
    }
}

/// Who hears of events, from several threads.
pub type Listener = Box<dyn Fn(&Event, &Tally) + Send + Sync>;

pub(super) struct Report {
    tally: Mutex<Tally>,
    listener: Listener,
}

impl Report {
    pub(super) fn new(listener: Listener) -> Self {
        Self { tally: Mutex::default(), listener }
    }

    pub(super) fn tell(&self, event: &Event) {
        // Counters hold after a panic of whoever counted.
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(event);
        (self.listener)(event, &tally);
    }

    pub(super) fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
