//! Folders that devices back up by themselves.

use protocol::id::{DeviceId, SourceId};
use serde::{Deserialize, Serialize};

use super::{Device, Tally};

/// All of them, with the devices that can have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Those that were not revoked and may write.
    pub devices: Vec<Device>,
    /// In the order of the settings.
    pub folders: Vec<WatchedFolder>,
}

/// One folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedFolder {
    /// Its source.
    pub source: SourceId,
    /// Whose it is.
    pub device: DeviceId,
    /// How it is backed up.
    pub rules: FolderRules,
    /// Files in its newest snapshot.
    pub tally: Tally,
    /// When that was made, in Unix milliseconds.
    pub newest_ms: Option<u64>,
    /// When a sample of it was last restored and compared, in Unix milliseconds.
    pub proven_ms: Option<u64>,
    /// Nothing arrived for longer than the server allows.
    pub overdue: bool,
}

/// How a folder is backed up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderRules {
    /// What a person calls it.
    pub name: String,
    /// Where it is on its device. Of a folder that there is already, this is for reading alone.
    pub path: String,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
    /// Files of more bytes are left out.
    pub larger_than: Option<u64>,
    /// What is mounted in it is left out.
    pub one_file_system: bool,
    /// It is not backed up for now.
    pub paused: bool,
}
