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

use protocol::id::{BlobId, StoreId};
use rustix::fs::{Advice, fadvise};
use tokio::sync::oneshot;

use super::error::StoreError;
use super::index::{Index, Location, LogPosition};
use super::pack::{Marker, PACK_HEADER_LEN, Pack, PackHeader};
use super::record::record_len;
use super::sync_times::SyncTimes;
use super::verified::VerifiedBlob;

/// When a group is written.
#[derive(Debug, Clone, Copy)]
pub struct GroupLimits {
    /// As soon as so many bytes wait,
    pub bytes: u64,
    /// or the first of them has waited so long.
    pub wait: Duration,
}

/// Blobs that wait to become durable together.
pub(crate) struct Job {
    pub(crate) blobs: Vec<VerifiedBlob>,
    pub(crate) done: oneshot::Sender<Result<(), StoreError>>,
}

impl Job {
    fn bytes(&self) -> u64 {
        self.blobs.iter().map(|blob| record_len(blob.header.len)).sum()
    }
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
            let result = self.write(&group);
            answer(group, &result);
        }
    }

    fn gather(&self, first: Job, queue: &Receiver<Job>) -> Vec<Job> {
        let deadline = Instant::now() + self.limits.wait;
        let mut bytes = first.bytes();
        let mut group = vec![first];
        while bytes < self.limits.bytes {
            match queue.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(job) => {
                    bytes += job.bytes();
                    group.push(job);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        group
    }

    fn write(&mut self, group: &[Job]) -> Result<(), StoreError> {
        if let Some(reason) = self.status.read_only() {
            return Err(StoreError::ReadOnly(reason));
        }
        let (pack, offset) = match self.current.take() {
            Some((pack, offset)) if offset < self.pack_bytes => (pack, offset),
            _ => (self.create_pack()?, PACK_HEADER_LEN),
        };
        let result = self.append(&pack, offset, group);
        let end = *result.as_ref().unwrap_or(&offset);
        self.current = Some((pack, end));
        result.map(drop)
    }

    fn create_pack(&mut self) -> Result<Pack, StoreError> {
        let number = self.next_pack;
        let marker = Marker::random().map_err(StoreError::file("make a pack in", &self.packs))?;
        self.next_pack += 1;
        let header = PackHeader { store: self.store, number, marker };
        Pack::create(&self.packs, header, self.pack_bytes).map_err(|error| self.failed("make a pack", &error))
    }

    /// Appends, syncs, publishes; returns the new end. On failure the old end stands, and the next group, if
    /// there may be one, is written over the remains.
    fn append(&mut self, pack: &Pack, start: u64, group: &[Job]) -> Result<u64, StoreError> {
        self.buffer.clear();
        let mut records: Vec<(BlobId, Location)> = Vec::new();
        for blob in group.iter().flat_map(|job| &job.blobs) {
            let offset = start + self.buffer.len() as u64;
            self.buffer.extend_from_slice(&blob.header.encode(pack.marker));
            self.buffer.extend_from_slice(&blob.bytes);
            let end = offset - start + blob.header.record_len();
            self.buffer.resize(usize::try_from(end).expect("a group fits in memory"), 0);
            let (len, generation) = (blob.header.len, blob.header.generation);
            records.push((blob.header.id, Location { pack: pack.number, offset, len, generation }));
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
        self.index.publish(&records, LogPosition { pack: pack.number, offset: end }).map_err(|error| {
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
