//! The one thread that writes: it appends all that waits, syncs once, and then answers everybody.
//!
//! After a failed sync nobody knows what is on disk, and a second sync may claim success for lost data. So nothing
//! is written any more and nothing is acknowledged until the next start has read the log again.
//!
//! What is on disk leaves the page cache at once: a backup is seldom read soon, and its pages serve the next group.

use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use protocol::id::StoreId;
use rustix::fs::{Advice, fadvise};

use super::error::StoreError;
use super::index::{Entry, Index, Location, LogPosition};
use super::pack::{Marker, PACK_HEADER_LEN, Pack, PackHeader};
use super::sync_times::SyncTimes;
use super::work::{Group, Job, NewRecord};

/// When a group is written.
#[derive(Debug, Clone, Copy)]
pub struct GroupLimits {
    /// As soon as so many bytes wait,
    pub bytes: u64,
    /// or the first of them has waited so long.
    pub wait: Duration,
}

/// What writer and store share.
#[derive(Debug, Default)]
pub(crate) struct WriterStatus {
    read_only: Mutex<Option<String>>,
    pub(crate) sync_times: SyncTimes,
}

impl WriterStatus {
    /// Why nothing is written any more.
    pub(crate) fn read_only(&self) -> Option<String> {
        self.read_only.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_read_only(&self, reason: String) {
        tracing::error!(reason, "the store is read-only until restarted");
        self.read_only.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
    }
}

pub(crate) struct Writer {
    pub(crate) packs: std::path::PathBuf,
    pub(crate) store: StoreId,
    pub(crate) index: Arc<Index>,
    pub(crate) status: Arc<WriterStatus>,
    pub(crate) limits: GroupLimits,
    /// A pack gets no more records from here on.
    pub(crate) pack_bytes: u64,
    /// The pack to append to, and where.
    pub(crate) current: Option<(Pack, u64)>,
    pub(crate) next_pack: u32,
    /// Records as they are written; kept between groups.
    pub(crate) buffer: Vec<u8>,
}

impl Writer {
    /// Works until the queue's other end is dropped and the queue empty.
    pub(crate) fn run(mut self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let group = self.gather(first, queue);
            self.write(group);
        }
    }

    fn gather(&self, first: Job, queue: &Receiver<Job>) -> Vec<Job> {
        let deadline = Instant::now() + self.limits.wait;
        let mut bytes = first.work.bytes();
        let mut group = vec![first];
        while bytes < self.limits.bytes {
            match queue.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(job) => {
                    bytes += job.work.bytes();
                    group.push(job);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        group
    }

    /// Writes a group and answers it. When there is no room, what leads to more room is tried alone.
    fn write(&mut self, jobs: Vec<Job>) {
        let Group { jobs, records, .. } = Group::of(jobs, &self.index);
        let reclaims = jobs.iter().all(|job| job.work.reclaims());
        match self.log(&records, reclaims) {
            Err(StoreError::Full) if !reclaims => {
                let (reclaiming, puts): (Vec<_>, Vec<_>) =
                    jobs.into_iter().partition(|job| job.work.reclaims());
                answer(puts, &Err(StoreError::Full));
                if !reclaiming.is_empty() {
                    self.write(reclaiming);
                }
            }
            result => answer(jobs, &result),
        }
    }

    fn log(&mut self, records: &[NewRecord], reclaims: bool) -> Result<(), StoreError> {
        if let Some(reason) = self.status.read_only() {
            return Err(StoreError::ReadOnly(reason));
        }
        if records.is_empty() {
            return Ok(());
        }
        let (pack, offset) = match self.current.take() {
            Some((pack, offset)) if offset < self.pack_bytes => (pack, offset),
            _ => (self.next_pack(reclaims)?, PACK_HEADER_LEN),
        };
        let result = self.append(&pack, offset, records);
        let end = *result.as_ref().unwrap_or(&offset);
        self.current = Some((pack, end));
        result.map(drop)
    }

    /// A new pack. What reclaims room does without a whole pack's room in advance.
    fn next_pack(&mut self, reclaims: bool) -> Result<Pack, StoreError> {
        match self.create_pack(self.pack_bytes) {
            Err(StoreError::Full) if reclaims => self.create_pack(0),
            created => created,
        }
    }

    fn create_pack(&mut self, preallocate: u64) -> Result<Pack, StoreError> {
        let number = self.next_pack;
        let marker = Marker::random().map_err(StoreError::file("make a pack in", &self.packs))?;
        self.next_pack += 1;
        let header = PackHeader { store: self.store, number, marker };
        Pack::create(&self.packs, header, preallocate).map_err(|error| self.failed("make a pack", &error))
    }

    /// Appends, syncs, publishes; returns the new end. On failure the old end stands, and the next group, if
    /// there may be one, is written over the remains.
    fn append(&mut self, pack: &Pack, start: u64, records: &[NewRecord]) -> Result<u64, StoreError> {
        self.buffer.clear();
        let mut entries = Vec::with_capacity(records.len());
        for (header, payload) in records {
            let offset = start + self.buffer.len() as u64;
            self.buffer.extend_from_slice(&header.encode(pack.marker));
            self.buffer.extend_from_slice(payload);
            let end = offset - start + header.record_len();
            self.buffer.resize(usize::try_from(end).expect("a group fits in memory"), 0);
            let at = Location { pack: pack.number, offset, len: header.len, generation: header.generation };
            entries.push((header.id, Entry { kind: header.kind, at }));
        }
        pack.file.write_all_at(&self.buffer, start).map_err(|error| self.failed("write", &error))?;
        let started = Instant::now();
        pack.file.sync_data().map_err(|error| {
            self.status.set_read_only(format!("a sync failed: {error}"));
            StoreError::ReadOnly(error.to_string())
        })?;
        self.status.sync_times.record(Instant::now(), started.elapsed());
        // Of no consequence where it fails. Without it every group fills memory that held something else before.
        let len = NonZeroU64::new(self.buffer.len() as u64);
        let _ = fadvise(&pack.file, start, len, Advice::DontNeed);
        let end = start + self.buffer.len() as u64;
        self.index.publish(&entries, LogPosition { pack: pack.number, offset: end }).map_err(|error| {
            // Some records may be known by now: the next group must not be written over them.
            self.status.set_read_only(format!("the index fails: {error}"));
            error
        })?;
        Ok(end)
    }

    /// A full disk passes; any other failure to write does not.
    fn failed(&self, action: &'static str, error: &std::io::Error) -> StoreError {
        if error.kind() == std::io::ErrorKind::StorageFull {
            return StoreError::Full;
        }
        self.status.set_read_only(format!("cannot {action}: {error}"));
        StoreError::ReadOnly(error.to_string())
    }
}

fn answer(group: Vec<Job>, result: &Result<(), StoreError>) {
    for job in group {
        let result = match result {
            Ok(()) => Ok(()),
            Err(StoreError::Full) => Err(StoreError::Full),
            Err(error) => Err(StoreError::ReadOnly(error.to_string())),
        };
        // Whoever waited may have gone; the blobs are durable all the same.
        drop(job.done.send(result));
    }
}
