//! What is said of devices and of the folders that they back up.

use client::message::{FolderState, FolderStatus, Watching};

use crate::message::{Device, DeviceRole, WatchedFolder};
use crate::{vanished, words};

/// All roles, the usual one first.
pub const ROLES: [DeviceRole; 3] = [DeviceRole::Append, DeviceRole::Full, DeviceRole::ReadOnly];

/// A role in plain words.
pub fn role(role: DeviceRole) -> &'static str {
    match role {
        DeviceRole::Append => "Backs up its own folders",
        DeviceRole::Full => "Backs up, and restores all that there is",
        DeviceRole::ReadOnly => "Restores all that there is, changes nothing",
    }
}

/// What a role means if the device falls into wrong hands.
pub fn role_explanation(role: DeviceRole) -> &'static str {
    match role {
        DeviceRole::Append => {
            "The usual choice. The device sees its own folders alone, and can delete nothing. Whoever takes it over learns \
             nothing about the rest of your backup."
        }
        DeviceRole::Full => {
            "For a machine of yours that restores folders of others from its command line: of those that you have now, not \
             of devices that you add later. Whoever takes it over can read all of these."
        }
        DeviceRole::ReadOnly => {
            "For a machine that only restores, from all devices that you have now, not from those that you add later. Whoever \
             takes it over can read all of these, and change nothing."
        }
    }
}

/// Whether a device is there, and since when not.
pub fn presence(device: &Device, now_ms: u64) -> String {
    match (device.online, device.last_seen_ms) {
        (true, _) => "Online".to_owned(),
        (false, Some(seen_ms)) => {
            format!("Offline, last seen {}", words::ago(now_ms.saturating_sub(seen_ms) / 1000))
        }
        (false, None) => "Not seen yet".to_owned(),
    }
}

/// How urgent something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Something is under way.
    Busy,
    /// Nothing happens, as its owner wants.
    Quiet,
    /// Somebody should look at it.
    Warning,
    /// It does not work.
    Bad,
}

/// The state of a folder in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// How urgent.
    pub tone: Tone,
    /// In a few words.
    pub label: &'static str,
    /// What more there is to say.
    pub detail: Option<String>,
    /// How far a backup is, from 0 to 1.
    pub fraction: Option<f64>,
}

impl Told {
    fn new(tone: Tone, label: &'static str, detail: Option<String>) -> Self {
        Self { tone, label, detail, fraction: None }
    }
}

/// The state of a folder: what its device says, as long as it is there to say it.
pub fn folder_state(folder: &WatchedFolder, device: Option<&Device>, status: Option<&FolderStatus>) -> Told {
    if !device.is_some_and(|device| device.online) {
        let detail = "Its device is not connected. What you change here applies when it is back.";
        return Told::new(Tone::Warning, "Device offline", Some(detail.to_owned()));
    }
    let Some(status) = status else {
        let label = if folder.rules.paused { "Paused" } else { "Waiting to hear from the device" };
        return Told::new(Tone::Quiet, label, None);
    };
    match &status.state {
        FolderState::Paused => Told::new(Tone::Quiet, "Paused", None),
        // The device has not read the new settings yet.
        _ if folder.rules.paused => Told::new(Tone::Quiet, "Pausing", None),
        FolderState::Idle => Told::new(Tone::Good, "Up to date", waiting(status.queued)),
        FolderState::Scanning => Told::new(Tone::Busy, "Looking for changes", waiting(status.queued)),
        FolderState::BackingUp { files_done, files_total, bytes_done, bytes_total, current } => {
            let mut detail = format!(
                "{} of {} · {} of {}",
                words::grouped(*files_done),
                words::count(*files_total, "file", "files"),
                words::size(*bytes_done),
                words::size(*bytes_total)
            );
            if let Some(current) = current {
                detail = format!("{detail} · {current}");
            }
            let fraction = (*bytes_total > 0).then(|| (*bytes_done as f64 / *bytes_total as f64).min(1.0));
            Told { fraction, ..Told::new(Tone::Busy, "Backing up", Some(detail)) }
        }
        FolderState::WaitingForAnswer { vanished } => {
            let detail = format!(
                "{} Nothing in this folder is backed up until you answer.",
                vanished::happened(*vanished)
            );
            Told::new(Tone::Warning, "Needs your answer", Some(detail))
        }
        FolderState::Offline => {
            let detail = "The device cannot reach the storage nodes. It goes on by itself.".to_owned();
            Told::new(Tone::Warning, "Cannot reach the nodes", Some(detail))
        }
        FolderState::Error { reason } => Told::new(Tone::Bad, "Failed", Some(reason.clone())),
    }
}

fn waiting(queued: u64) -> Option<String> {
    (queued > 0).then(|| format!("{} waiting", words::count(queued, "change", "changes")))
}

/// What could not be restored in the last proof, if anything.
pub fn unrestorable(status: &FolderStatus) -> Option<String> {
    let count = status.unrestorable.len() as u64;
    (count > 0).then(|| {
        format!("{} could not be restored when that was last tried", words::count(count, "file", "files"))
    })
}

/// Why a device notices changes later than at once, if so.
pub fn polling(status: &FolderStatus) -> Option<String> {
    match &status.watching {
        Watching::Live => None,
        Watching::Polling { why } => Some(format!("Changes are noticed from time to time only: {why}")),
    }
}

/// What could not be read, if anything.
pub fn unreadable(status: &FolderStatus) -> Option<String> {
    (status.unreadable > 0).then(|| {
        format!("{} could not be read in the last backup.", words::count(status.unreadable, "file", "files"))
    })
}

/// Minutes and seconds that are left, for a clock that counts down.
pub fn countdown(good_until_ms: u64, now_ms: u64) -> Option<String> {
    let seconds = good_until_ms.checked_sub(now_ms)?.div_ceil(1000);
    (seconds > 0).then(|| format!("{}:{:02}", seconds / 60, seconds % 60))
}

#[cfg(test)]
mod tests {
    use protocol::id::{DeviceId, SourceId};

    use super::*;
    use crate::message::{FolderRules, Tally};

    fn device(online: bool, last_seen_ms: Option<u64>) -> Device {
        Device {
            device: DeviceId::from_bytes([1; 16]).expect("not zero"),
            name: "laptop".to_owned(),
            role: DeviceRole::Append,
            revoked: false,
            enrolled_ms: 0,
            last_seen_ms,
            online,
            folders: Vec::new(),
        }
    }

    fn folder(paused: bool) -> WatchedFolder {
        WatchedFolder {
            source: SourceId::from_bytes([2; 16]).expect("not zero"),
            device: device(true, None).device,
            rules: FolderRules { paused, ..FolderRules::default() },
            tally: Tally::default(),
            newest_ms: None,
            proven_ms: None,
            overdue: false,
        }
    }

    fn status(state: FolderState, queued: u64) -> FolderStatus {
        FolderStatus {
            source: folder(false).source,
            path: "/home/a".to_owned(),
            state,
            queued,
            last_scan_ms: None,
            last_backup_ms: None,
            last_proven_ms: None,
            watching: Watching::Live,
            errors: Vec::new(),
            unreadable: 0,
            unrestorable: Vec::new(),
        }
    }

    #[test]
    fn a_device_that_is_away_is_said_to_be_so_whatever_it_said_before() {
        let told =
            folder_state(&folder(false), Some(&device(false, None)), Some(&status(FolderState::Idle, 0)));
        assert_eq!((told.tone, told.label), (Tone::Warning, "Device offline"));
        assert!(told.detail.is_some_and(|detail| detail.contains("when it is back")));
        assert_eq!(folder_state(&folder(false), None, None).label, "Device offline");
    }

    #[test]
    fn a_pause_shows_at_once_and_stays_until_the_device_has_read_the_settings() {
        let online = device(true, None);
        let idle = status(FolderState::Idle, 0);
        assert_eq!(folder_state(&folder(true), Some(&online), Some(&idle)).label, "Pausing");
        let paused = status(FolderState::Paused, 0);
        assert_eq!(folder_state(&folder(true), Some(&online), Some(&paused)).label, "Paused");
        assert_eq!(folder_state(&folder(true), Some(&online), None).label, "Paused");
    }

    #[test]
    fn a_running_backup_says_how_far_it_is() {
        let state = FolderState::BackingUp {
            files_done: 1200,
            files_total: 4000,
            bytes_done: 1_000_000,
            bytes_total: 4_000_000,
            current: Some("a/b.txt".to_owned()),
        };
        let told = folder_state(&folder(false), Some(&device(true, None)), Some(&status(state, 3)));
        assert_eq!(told.fraction, Some(0.25));
        assert_eq!(told.detail.as_deref(), Some("1,200 of 4,000 files · 1.0 MB of 4.0 MB · a/b.txt"));
    }

    #[test]
    fn what_waits_is_counted_and_what_fails_is_told() {
        let online = device(true, None);
        let idle = folder_state(&folder(false), Some(&online), Some(&status(FolderState::Idle, 1)));
        assert_eq!(idle.detail.as_deref(), Some("1 change waiting"));
        let failed = status(FolderState::Error { reason: "The disk is gone.".to_owned() }, 0);
        let told = folder_state(&folder(false), Some(&online), Some(&failed));
        assert_eq!((told.tone, told.detail.as_deref()), (Tone::Bad, Some("The disk is gone.")));
    }

    #[test]
    fn a_link_counts_down_to_nothing() {
        assert_eq!(countdown(600_000, 0).as_deref(), Some("10:00"));
        assert_eq!(countdown(600_000, 590_001).as_deref(), Some("0:10"));
        assert_eq!(countdown(600_000, 599_999).as_deref(), Some("0:01"));
        assert_eq!(countdown(600_000, 600_000), None);
        assert_eq!(countdown(600_000, 700_000), None);
    }

    #[test]
    fn presence_says_since_when_a_device_is_away() {
        assert_eq!(presence(&device(true, Some(0)), 90_000), "Online");
        assert_eq!(presence(&device(false, Some(0)), 90_000), "Offline, last seen a minute ago");
        assert_eq!(presence(&device(false, None), 90_000), "Not seen yet");
    }
}
