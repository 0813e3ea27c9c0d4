//! Room on the disk, and the reserve that writes leave alone.

use std::io;
use std::path::Path;

/// What writes leave free: the larger of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// Bytes.
    pub bytes: u64,
    /// Percent of the disk.
    pub percent: u64,
}

impl Default for Reserve {
    /// 2 GiB, or 5 % of a larger disk.
    fn default() -> Self {
        Self { bytes: 2 << 30, percent: 5 }
    }
}

/// A disk's room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// The disk's size in bytes.
    pub capacity_bytes: u64,
    /// Free bytes above the reserve.
    pub free_bytes: u64,
}

impl Space {
    /// Of the disk that `path` is on.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn of(path: &Path, reserve: Reserve) -> io::Result<Self> {
        let disk = rustix::fs::statvfs(path)?;
        Ok(Self::within(disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize, reserve))
    }

    /// Of anything that has so many bytes, and so many of them free.
    pub(crate) fn within(capacity_bytes: u64, free_bytes: u64, reserve: Reserve) -> Self {
        let reserved = reserve.bytes.max(capacity_bytes / 100 * reserve.percent);
        Self { capacity_bytes, free_bytes: free_bytes.saturating_sub(reserved) }
    }
}
