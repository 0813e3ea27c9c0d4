//! Deleting for good.

use serde::{Deserialize, Serialize};

/// Whether it is still there, beside older snapshots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StillIn {
    /// It is in older snapshots alone.
    #[default]
    Nothing,
    /// It is in the uploads, and is deleted there first.
    Uploads,
    /// The folder of a device has it: its newest version stays.
    Folder,
}

/// What deleting something for good would come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgePreview {
    /// Different contents of files that are to go.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of these that nothing else has.
    pub bytes_gone: u64,
    /// Files that are so small that they are part of their folder, and stay.
    pub embedded: u64,
    /// Older snapshots that have it.
    pub snapshots: u64,
    /// Only as it was at the moment looked at: there are others, or it is still there.
    pub one_version: bool,
    /// What has it now.
    pub still_in: StillIn,
    /// It is from a folder of a device, whose next backup could bring it back.
    pub watched: bool,
}
