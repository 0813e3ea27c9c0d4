//! Devices, and how one is added.

use protocol::id::{DeviceId, EnrolmentId};
use serde::{Deserialize, Serialize};

/// A device that was ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Which.
    pub device: DeviceId,
    /// What its owner calls it.
    pub name: String,
    /// What it may do, or might.
    pub role: DeviceRole,
    /// It may do nothing any more.
    pub revoked: bool,
    /// When it was added, in Unix milliseconds.
    pub enrolled_ms: u64,
    /// When it last called, in Unix milliseconds.
    pub last_seen_ms: Option<u64>,
    /// It listens now.
    pub online: bool,
    /// The names of its folders that are backed up.
    pub folders: Vec<String>,
}

/// What a device may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceRole {
    /// Back up its own folders, and read those.
    #[default]
    Append,
    /// Back up, and restore from all devices that there are when it is added.
    Full,
    /// Restore from all devices that there are when it is added, change nothing.
    ReadOnly,
}

/// A link for one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// As events name it.
    pub enrolment: EnrolmentId,
    /// Whoever has it can ask to be added.
    pub link: String,
    /// Until when, in Unix milliseconds.
    pub good_until_ms: u64,
}

/// A vault that does not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnopenedVault {
    /// The first digits of its id.
    pub vault: String,
    /// When the device was added that writes it, in Unix milliseconds. What it is called stands in the vault.
    pub added_ms: Option<u64>,
    /// Why it does not open, in a sentence.
    pub why: String,
}
