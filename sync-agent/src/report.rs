//! What the agent says about itself and its folders, to the command line and to the web app.

use std::collections::BTreeMap;
use std::path::PathBuf;

use client::message;
use protocol::id::{DeviceId, SourceId};
use serde::{Deserialize, Serialize};

use crate::index::{Hold, HoldReason};
use crate::scan::{DryRun, Matched, TreePath};

/// The agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentReport {
    /// Its version.
    pub version: String,
    /// Its host's name.
    pub host: String,
    /// Whether it runs, or a command speaks for it.
    pub running: bool,
    /// The device.
    pub device: DeviceId,
    /// Its coordinator.
    pub origin: String,
    /// Whether the coordinator answered last.
    pub online: bool,
    /// Its folders.
    pub folders: Vec<FolderReport>,
}

/// One folder. Times are Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderReport {
    /// The source.
    pub source: SourceId,
    /// What its owner calls it.
    pub name: String,
    /// Where it is.
    #[serde(with = "crate::native_path")]
    pub path: PathBuf,
    /// What happens in it now.
    pub activity: Activity,
    /// Why changes are found by scans alone, if they are.
    pub polling: Option<String>,
    /// What waits for a person.
    pub hold: Option<Hold>,
    /// Files of the newest snapshot.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When all of it was last looked at.
    pub full_scan_ms: Option<u64>,
    /// When its newest snapshot was made.
    pub backup_ms: Option<u64>,
    /// When a sample was last downloaded and compared.
    pub proven_ms: Option<u64>,
    /// Paths that may have changed and wait to be looked at.
    pub queued: u64,
    /// How often events were lost since the agent started.
    pub overflows: u64,
    /// Files that are missing from the newest snapshot.
    pub unreadable: u64,
    /// Why the last attempt failed.
    pub failure: Option<String>,
    /// What is not backed up, and why.
    pub problems: Vec<Problem>,
    /// What could not be restored when that was last tried, and why.
    pub unrestorable: Vec<Problem>,
}

/// An entry that is not backed up as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// In the folder.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// What happens in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "activity", rename_all = "snake_case")]
pub enum Activity {
    /// Nothing: it is backed up and watched.
    Idle,
    /// Changes wait for their turn, for quiet, or for the network.
    Waiting,
    /// It is being looked at.
    Scanning,
    /// It is being backed up.
    BackingUp {
        /// Files to read.
        files_total: u64,
        /// Files read.
        files_done: u64,
        /// Their bytes.
        bytes_total: u64,
        /// Bytes read.
        bytes_done: u64,
        /// Bytes sent.
        bytes_sent: u64,
    },
    /// Its owner paused it.
    Paused,
    /// It waits for a person.
    Held,
}

impl Hold {
    /// What happened and what to do, for a person.
    pub fn in_words(&self) -> String {
        match self.reason {
            HoldReason::MassDeletion { removed, files } => format!(
                "{removed} of {files} files are gone; nothing is backed up until you say that this was meant, with \
                 `triplicate-agent folders confirm`"
            ),
            HoldReason::Missing => {
                "the folder is not there, or another one is in its place: is its disk mounted? \
                Nothing is backed up until it is back, or until you say that this was meant, with \
                `triplicate-agent folders confirm`"
                    .to_owned()
            }
        }
    }
}

impl HoldReason {
    /// As the web app wants it.
    pub fn vanished(&self) -> message::Vanished {
        match *self {
            Self::MassDeletion { removed, files } => message::Vanished::Files { removed, files },
            Self::Missing => message::Vanished::Folder,
        }
    }
}

impl AgentReport {
    /// As the web app wants it.
    pub fn to_status(&self) -> message::AgentStatus {
        message::AgentStatus {
            host: self.host.clone(),
            version: self.version.clone(),
            folders: self.folders.iter().map(|folder| folder.to_status(self.online)).collect(),
        }
    }
}

impl FolderReport {
    fn to_status(&self, online: bool) -> message::FolderStatus {
        let watching = match &self.polling {
            Some(why) => message::Watching::Polling { why: why.clone() },
            None => message::Watching::Live,
        };
        let errors = |problems: &[Problem]| {
            let error =
                |it: &Problem| message::FolderError { path: it.path.clone(), reason: it.reason.clone() };
            problems.iter().map(error).collect()
        };
        message::FolderStatus {
            source: self.source,
            path: self.path.to_string_lossy().into_owned(),
            state: self.state(online),
            queued: self.queued,
            last_scan_ms: self.full_scan_ms,
            last_backup_ms: self.backup_ms,
            last_proven_ms: self.proven_ms,
            watching,
            errors: errors(&self.problems),
            unreadable: self.unreadable,
            unrestorable: errors(&self.unrestorable),
        }
    }

    fn state(&self, online: bool) -> message::FolderState {
        use message::FolderState as State;
        match self.activity {
            Activity::Scanning => State::Scanning,
            Activity::BackingUp { files_total, files_done, bytes_total, bytes_done, .. } => {
                State::BackingUp { files_done, files_total, bytes_done, bytes_total, current: None }
            }
            Activity::Paused => State::Paused,
            Activity::Held => match &self.hold {
                Some(hold) => State::WaitingForAnswer { vanished: hold.reason.vanished() },
                None => State::Idle,
            },
            Activity::Idle | Activity::Waiting if !online => State::Offline,
            Activity::Idle | Activity::Waiting => match &self.failure {
                Some(reason) => State::Error { reason: reason.clone() },
                None => State::Idle,
            },
        }
    }
}

/// What a backup of a folder would take and leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRunReport {
    /// Files to back up.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is left out, by pattern.
    pub excluded: BTreeMap<String, MatchedReport>,
    /// What would be passed over, in words.
    pub notes: Vec<String>,
}

/// What one pattern leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchedReport {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The largest of what matches by itself.
    pub examples: Vec<ExampleReport>,
}

/// Something that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExampleReport {
    /// In the folder.
    pub path: String,
    /// The bytes in it.
    pub bytes: u64,
}

impl From<DryRun> for DryRunReport {
    fn from(dry_run: DryRun) -> Self {
        let example = |(path, bytes): (TreePath, u64)| ExampleReport { path: path.to_string(), bytes };
        let matched = |(pattern, matched): (String, Matched)| {
            let examples = matched.examples.into_iter().map(example).collect();
            (pattern, MatchedReport { files: matched.files, bytes: matched.bytes, examples })
        };
        Self {
            files: dry_run.files,
            bytes: dry_run.bytes,
            excluded: dry_run.excluded.into_iter().map(matched).collect(),
            notes: dry_run.notes.iter().map(ToString::to_string).collect(),
        }
    }
}
