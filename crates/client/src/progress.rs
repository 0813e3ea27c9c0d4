//! How far a backup is. Written by the pipeline, read whenever somebody wants to show it.

use std::cell::Cell;

/// What a backup does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Opens the session.
    #[default]
    Preparing,
    /// Reads, seals and sends.
    Transferring,
    /// Everything is on the nodes; the snapshot is being signed and committed.
    Committing,
    /// The snapshot is durable.
    Done,
}

/// A moment of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProgressSnapshot {
    /// What it does.
    pub phase: Phase,
    /// Files to back up.
    pub files_total: u64,
    /// Files that were read to their end.
    pub files_done: u64,
    /// Their bytes.
    pub bytes_total: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Sealed bytes that nodes took, one copy counted.
    pub bytes_sent: u64,
}

/// The progress of one backup.
#[derive(Debug, Default)]
pub struct Progress(Cell<ProgressSnapshot>);

impl Progress {
    /// This moment.
    pub fn get(&self) -> ProgressSnapshot {
        self.0.get()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut ProgressSnapshot)) {
        let mut snapshot = self.0.get();
        change(&mut snapshot);
        self.0.set(snapshot);
    }
}
