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
        let capacity_bytes = disk.f_blocks * disk.f_frsize;
        let reserved = reserve.bytes.max(capacity_bytes / 100 * reserve.percent);
        let free_bytes = (disk.f_bavail * disk.f_frsize).saturating_sub(reserved);
        Ok(Self { capacity_bytes, free_bytes })
    }
}
