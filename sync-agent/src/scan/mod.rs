//! What lies in a folder now: the truth that every snapshot is made from. It follows no link, opens nothing for
//! reading, and knows neither the index nor any event.

mod compare;
mod dry_run;
mod exclude;
mod path;
mod walk;
mod xattrs;

pub use compare::{Compare, Difference, Seen};
pub use dry_run::{DryRun, Matched, dry_run};
pub use exclude::{Exclude, ExcludeError, parse_size};
pub use path::TreePath;
pub use walk::{Item, LARGER_THAN, RESTORE_PREFIX, Root, ScanError, Walk};
pub(crate) use walk::{is_cache, is_node_store};
pub use xattrs::read_xattrs;

use std::fmt;

use rustix::fs::{FileType, Stat};
use serde::Serialize;

/// What an entry is, of the three kinds that a snapshot keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link, itself.
    Symlink,
}

/// What the file system says of an entry without its being opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, with set-id and sticky bits.
    pub mode: u32,
    /// Bytes of a file; 0 of what is not a file.
    pub size: u64,
    /// Last change of the content, in nanoseconds since the Unix epoch.
    pub mtime_ns: i64,
    /// Last change of anything.
    pub ctime_ns: i64,
    /// The file's number on its device.
    pub inode: u64,
    /// The device; its number may differ after a restart.
    pub device: u64,
}

/// An entry that was passed over, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Where.
    pub path: TreePath,
    /// Why.
    pub reason: Reason,
}

/// Why an entry is not in the snapshot although nobody excluded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A socket, pipe or device.
    Special,
    /// It could not be read; text for a person.
    Unreadable(String),
    /// It lies deeper than the format allows.
    TooDeep,
    /// The agent's own state, or what a storage node keeps.
    OurOwn,
}

impl Reason {
    /// Whether something is missing that should be there, rather than something that cannot be kept.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Unreadable(_) | Self::TooDeep)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Special => f.write_str("skipped: a socket, pipe or device"),
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::TooDeep => f.write_str("lies too deep: a path has at most 256 names"),
            Self::OurOwn => f.write_str("skipped: Triplicate's own data"),
        }
    }
}

impl Meta {
    /// `None` for sockets, pipes and devices.
    pub fn from_stat(stat: &Stat) -> Option<Self> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            _ => return None,
        };
        let size = if kind == Kind::File { stat.st_size.cast_unsigned() } else { 0 };
        Some(Self {
            kind,
            mode: stat.st_mode & 0o7777,
            size,
            mtime_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            ctime_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
            inode: stat.st_ino,
            device: stat.st_dev,
        })
    }

    /// Whether nothing tells the entry from what it was. The device is left out, because some get another number at
    /// each start of the machine.
    pub fn is_same(&self, before: &Self) -> bool {
        Self { device: before.device, ..*self } == *before
    }
}

/// Times beyond the format's range, which ends in the years 1677 and 2262, become its ends.
fn nanoseconds(seconds: i64, nanoseconds: u64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds.cast_signed())
}
