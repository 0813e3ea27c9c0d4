//! Backups and restores.

use serde::{Deserialize, Serialize};

/// A file to back up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewFile {
    /// Where it goes.
    pub path: Vec<String>,
    /// Its size.
    pub bytes: u64,
    /// Last change, in Unix milliseconds.
    pub modified_ms: i64,
}

/// What a backup is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Reading what is there.
    Preparing,
    /// Reading, encrypting and sending.
    Transferring,
    /// Not until the server is back.
    Waiting,
    /// Writing the snapshot.
    Committing,
}

/// How far a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupProgress {
    /// What it is doing.
    pub phase: Phase,
    /// Files done.
    pub files_done: u64,
    /// Bytes read from the files. What was read last is still on its way to the nodes.
    pub bytes_done: u64,
    /// Encrypted bytes that nodes took, one copy counted.
    pub bytes_sent: u64,
}

/// What a backup did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSummary {
    /// Files backed up.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that were sent; the rest was there already.
    pub sent_bytes: u64,
    /// Files that could not be read, and why.
    pub unreadable: Vec<(Vec<String>, String)>,
}

/// A removal that can be taken back.
pub type RemovalId = u32;

/// An opened file or folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Names it to [`Stream`].
    pub download: u32,
    /// The file's name.
    pub name: String,
    /// Its bytes; not known of a zip.
    pub bytes: Option<u64>,
}
