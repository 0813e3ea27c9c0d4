//! Small files become durable together: one sync of the file system for many of them, because one for each costs more
//! than everything else that is done for a small file.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{fstat, fstatfs, syncfs};

use super::writer::Written;

/// So many files wait at most; each is open.
const FILES_MAX: usize = 128;
/// File systems whose `syncfs` is known to leave everything on the disk that `fsync` would: the magic numbers of ext4,
/// XFS, Btrfs, F2FS, tmpfs and ZFS. Those of FUSE may not even hear of it.
const WHOLE_SYNC: [i128; 6] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994, 0x2FC1_2FC1];

/// Files that wait to be synced.
#[derive(Default)]
pub(super) struct Batch {
    waiting: Mutex<Vec<Written>>,
}

impl Batch {
    /// Adds a file, and settles those that wait once they are many. Blocks.
    pub(super) fn add(&self, written: Written) {
        let full = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(written);
            (waiting.len() >= FILES_MAX).then(|| std::mem::take(&mut *waiting))
        };
        if let Some(files) = full {
            settle(files);
        }
    }

    /// Settles those that still wait. Blocks.
    pub(super) fn finish(&self) {
        settle(std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)));
    }
}

/// Since Linux 5.8 `syncfs` fails if anything could not be written that was open before. Then none of the files counts:
/// a second sync may claim success for what is lost.
fn settle(files: Vec<Written>) {
    let mut synced = HashMap::new();
    for written in files {
        let system = match fstat(&written.file) {
            Ok(stat) => stat.st_dev,
            Err(error) => {
                written.settle_after(Err(error.into()));
                continue;
            }
        };
        match *synced.entry(system).or_insert_with(|| sync_system_of(&written.file)) {
            Some(result) => written.settle_after(result.map_err(io::Error::from)),
            None => written.settle(),
        }
    }
}

/// Syncs all of a file system; `None` if its files are to be synced one by one.
fn sync_system_of(file: &impl AsFd) -> Option<rustix::io::Result<()>> {
    let magic = i128::from(fstatfs(file).ok()?.f_type);
    WHOLE_SYNC.contains(&magic).then(|| syncfs(file))
}
