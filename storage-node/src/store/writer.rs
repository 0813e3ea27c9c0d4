//! The one thread that writes: it appends all that waits, syncs once, and then answers everybody.
//!
//! After a failed sync nobody knows what is on disk, and a second sync may claim success for lost data. So nothing
//! is written any more and nothing is acknowledged until the next start has read the log again.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::StoreError;
use super::index::Index;
use super::log::{AppendError, Appender};
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
    pub(crate) index: Arc<Index>,
    pub(crate) status: Arc<WriterStatus>,
    pub(crate) limits: GroupLimits,
    pub(crate) appender: Appender,
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
            Ok(Written::Behind) => self.write(jobs),
            Ok(Written::Durable) => answer(jobs, &Ok(())),
            Err(StoreError::Full) if !reclaims => {
                let (reclaiming, puts): (Vec<_>, Vec<_>) =
                    jobs.into_iter().partition(|job| job.work.reclaims());
                answer(puts, &Err(StoreError::Full));
                if !reclaiming.is_empty() {
                    self.write(reclaiming);
                }
            }
            Err(error) => answer(jobs, &Err(error)),
        }
    }

    fn log(&mut self, records: &[NewRecord], reclaims: bool) -> Result<Written, StoreError> {
        if let Some(reason) = self.status.read_only() {
            return Err(StoreError::ReadOnly(reason));
        }
        if records.is_empty() {
            return Ok(Written::Durable);
        }
        let (written, appended) = match self.appender.append(records, reclaims) {
            Ok(appended) => (Written::Durable, appended),
            Err(AppendError::Behind(appended)) => (Written::Behind, appended),
            Err(AppendError::Full) => return Err(StoreError::Full),
            Err(AppendError::Unreachable(reason)) => return Err(StoreError::Unreachable(reason)),
            Err(AppendError::Broken(reason)) => {
                self.status.set_read_only(reason.clone());
                return Err(StoreError::ReadOnly(reason));
            }
        };
        self.status.sync_times.record(Instant::now(), appended.took);
        self.index.publish(&appended.entries, appended.end).map_err(|error| {
            // Some records may be known by now: the next group must not be written over them.
            self.status.set_read_only(format!("the index fails: {error}"));
            error
        })?;
        Ok(written)
    }
}

/// What became of a group.
enum Written {
    Durable,
    /// Others came first, and it must be chosen anew.
    Behind,
}

fn answer(group: Vec<Job>, result: &Result<(), StoreError>) {
    for job in group {
        let result = match result {
            Ok(()) => Ok(()),
            Err(StoreError::Full) => Err(StoreError::Full),
            Err(StoreError::Unreachable(reason)) => Err(StoreError::Unreachable(reason.clone())),
            Err(error) => Err(StoreError::ReadOnly(error.to_string())),
        };
        // Whoever waited may have gone; the blobs are durable all the same.
        drop(job.done.send(result));
    }
}
