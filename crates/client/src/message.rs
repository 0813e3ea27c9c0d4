//! What the web app and a device say to each other while both are there. Sealed with a vault's key, so that the
//! coordinator, which passes the messages on, learns neither paths nor progress.

use protocol::id::SourceId;
use serde::{Deserialize, Serialize};

/// To a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToDevice {
    /// Scan a folder now, and back up what changed.
    SyncNow {
        /// The folder.
        source: SourceId,
    },
    /// What vanished from a folder was meant to: its next snapshot goes without. Holds only if the device still asks
    /// just this.
    Confirm {
        /// The folder.
        source: SourceId,
        /// What its owner was shown.
        vanished: Vanished,
    },
    /// Say how you are.
    Report,
    /// Count what a backup of a folder would hold with other rules, and change nothing.
    DryRun {
        /// Names the answer.
        id: u64,
        /// The folder.
        source: SourceId,
        /// Patterns to leave out, instead of those in force.
        exclude: Vec<String>,
        /// Leave out files of more bytes than this.
        larger_than: Option<u64>,
    },
}

/// From a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromDevice {
    /// How it is.
    Status(AgentStatus),
    /// What a dry run counted.
    DryRunResult(DryRunResult),
}

/// What a dry run counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRunResult {
    /// As asked with.
    pub id: u64,
    /// What would be backed up.
    pub included: FileTotals,
    /// What would be left out.
    pub excluded: FileTotals,
    /// The largest of what would be left out, largest first.
    pub examples: Vec<ExcludedEntry>,
    /// Why nothing was counted, in words.
    pub error: Option<String>,
}

/// Files and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileTotals {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// An entry that would be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcludedEntry {
    /// In the folder.
    pub path: String,
    /// Its bytes, or those of all that is in it.
    pub bytes: u64,
    /// The rule that leaves it out.
    pub rule: String,
}

/// How a device is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// Its host's name.
    pub host: String,
    /// The agent's version.
    pub version: String,
    /// Its folders.
    pub folders: Vec<FolderStatus>,
}

/// How a folder is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderStatus {
    /// The folder's source.
    pub source: SourceId,
    /// Where it is on the device.
    pub path: String,
    /// What happens with it now.
    pub state: FolderState,
    /// Changes that wait for the next backup.
    pub queued: u64,
    /// When it was last read through, in Unix milliseconds.
    pub last_scan_ms: Option<u64>,
    /// When its last backup was complete, in Unix milliseconds.
    pub last_backup_ms: Option<u64>,
    /// When a sample of it was last restored and compared, in Unix milliseconds.
    pub last_proven_ms: Option<u64>,
    /// How changes are noticed.
    pub watching: Watching,
    /// The newest of what cannot be backed up.
    pub errors: Vec<FolderError>,
    /// How many files could not be read in the last backup.
    pub unreadable: u64,
    /// What of its newest snapshot could not be restored when that was last tried.
    pub unrestorable: Vec<FolderError>,
}

/// What happens with a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FolderState {
    /// Everything is backed up.
    Idle,
    /// It is being read through.
    Scanning,
    /// It is being backed up.
    BackingUp {
        /// Files that are done.
        files_done: u64,
        /// Files to do.
        files_total: u64,
        /// Bytes that are done.
        bytes_done: u64,
        /// Bytes to do.
        bytes_total: u64,
        /// The file that is being read.
        current: Option<String>,
    },
    /// Its owner paused it.
    Paused,
    /// So much is gone that its owner must say first whether that was meant.
    WaitingForAnswer {
        /// What.
        vanished: Vanished,
    },
    /// The coordinator or the nodes cannot be reached.
    Offline,
    /// The last try failed.
    Error {
        /// Why, in words.
        reason: String,
    },
}

/// What vanished from a folder, perhaps by accident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Vanished {
    /// Many files at once.
    Files {
        /// Gone.
        removed: u64,
        /// Of so many.
        files: u64,
    },
    /// The folder itself: it is not there, or another one is in its place, as when its disk is not mounted.
    Folder,
}

/// How changes in a folder are noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Watching {
    /// The operating system tells at once.
    Live,
    /// By reading it through from time to time.
    Polling {
        /// Why, in words.
        why: String,
    },
}

/// A path that cannot be backed up, or restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderError {
    /// In the folder.
    pub path: String,
    /// Why, in words.
    pub reason: String,
}
