//! Sources, and what is in a folder of one.

use protocol::id::SourceId;
use protocol::sources::SourcesResponse;
use serde::{Deserialize, Serialize};

/// A snapshot of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The source; none for the uploads.
    pub source: Option<SourceId>,
    /// Its number; none for the newest.
    pub seq: Option<u64>,
}

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link.
    Link,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of the file, or of all files beneath the folder.
    pub bytes: u64,
    /// Files beneath a folder.
    pub files: u64,
    /// Last change, in Unix milliseconds.
    pub modified_ms: i64,
}

/// What is protected, and how well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Documents, images, video, audio, archives, code, other.
    pub categories: [Tally; 7],
    /// All of them, the uploads first.
    pub sources: Vec<Source>,
    /// Copies of the blobs of each source.
    pub status: SourcesResponse,
}

/// Files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Number of files.
    pub files: u64,
    /// Bytes of their contents.
    pub bytes: u64,
}

/// One source of backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its id, as the server's status names it.
    pub source: SourceId,
    /// Its name.
    pub name: String,
    /// The name of the device whose folder it is; none for the uploads.
    pub device: Option<String>,
    /// Taken out of the settings: its snapshots stay.
    pub removed: bool,
    /// Files in the newest snapshot.
    pub tally: Tally,
    /// When the newest snapshot was made, in Unix milliseconds.
    pub newest_ms: Option<u64>,
}
