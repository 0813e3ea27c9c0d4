//! The store's two threads: the one that writes, and the one that writes checkpoints of the index.

use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::error::StoreError;
use super::index::{Index, RECENT_MAX};
use super::work::Job;
use super::writer::{Writer, WriterStatus};

#[derive(Debug)]
pub(crate) struct Threads {
    /// Both threads end when this and its copies are dropped.
    pub(crate) queue: mpsc::Sender<Job>,
    pub(crate) writer: JoinHandle<()>,
    pub(crate) checkpoints: JoinHandle<()>,
}

impl Threads {
    /// The checkpoint thread ends with the writer, whose end it notices by a channel.
    pub(crate) fn start(writer: Writer, checkpoint_every: Duration) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel();
        let (alive, writer_ended) = mpsc::channel::<()>();
        let (index, status) = (Arc::clone(&writer.index), Arc::clone(&writer.status));
        let writer = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                writer.run(&jobs);
                drop(alive);
            })
            .map_err(StoreError::Thread)?;
        let checkpoints = thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || write_checkpoints(&index, &status, checkpoint_every, &writer_ended))
            .map_err(StoreError::Thread)?;
        Ok(Self { queue, writer, checkpoints })
    }
}

/// Until the writer ends, or the disk fails.
fn write_checkpoints(
    index: &Index,
    status: &WriterStatus,
    every: Duration,
    writer_ended: &mpsc::Receiver<()>,
) {
    let pause = every.min(Duration::from_millis(250));
    let mut last = Instant::now();
    while writer_ended.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
        if status.read_only().is_some() {
            return;
        }
        let recent = index.recent_len();
        if recent == 0 || (recent < RECENT_MAX && last.elapsed() < every) {
            continue;
        }
        match index.checkpoint() {
            Ok(()) => {}
            Err(StoreError::Full) => tracing::warn!("no room for the index; it is kept in memory"),
            Err(error) => return status.set_read_only(format!("cannot write the index: {error}")),
        }
        last = Instant::now();
    }
}
