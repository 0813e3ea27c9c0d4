//! Mode, time and extended attributes of what was restored. Only what differs is set, so that restoring twice changes
//! nothing.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;

use client::TreeEntry;
use rustix::fs::{
    Mode, Stat, Timespec, Timestamps, UTIME_OMIT, XattrFlags, fchmod, fsetxattr, fstat, futimens,
};
use rustix::io::Errno;

use crate::scan::read_xattrs;

const SET_ID: u32 = 0o6000;
/// Gives a program rights that its file does not show, as set-id bits do.
const CAPABILITY: &[u8] = b"security.capability";

/// What is restored of modes and attributes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Privileges {
    /// Also what lets a file run with more rights than those of who starts it. Owners are not in a snapshot, so such
    /// a file would act for whoever restores it.
    pub set_id: bool,
}

/// What came of setting attributes.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Whether something was another before.
    pub(super) changed: bool,
    /// What could not be set, each in a sentence.
    pub(super) refused: Vec<String>,
}

/// Makes an open file or directory like its entry.
pub(super) fn apply(file: impl AsFd, entry: &TreeEntry, privileges: Privileges) -> io::Result<Applied> {
    let mut applied = Applied::default();
    // While it is writable still.
    apply_xattrs(&file, &entry.xattrs, privileges, &mut applied)?;
    let stat = fstat(&file)?;
    let mode = permitted_mode(entry, privileges);
    if mode != entry.mode {
        applied.refused.push("its set-id bits are left out; --setuid restores them".to_owned());
    }
    if stat.st_mode & 0o7777 != mode {
        fchmod(&file, Mode::from_raw_mode(mode))?;
        applied.changed = true;
    }
    if mtime_ns(&stat) != i128::from(entry.mtime_ns) {
        futimens(&file, &times(entry.mtime_ns))?;
        applied.changed = true;
    }
    Ok(applied)
}

/// A directory's set-group-id bit only says which group new files get.
pub(super) fn permitted_mode(entry: &TreeEntry, privileges: Privileges) -> u32 {
    let is_file = matches!(entry.node, client::TreeNode::File { .. });
    if is_file && !privileges.set_id { entry.mode & !SET_ID } else { entry.mode }
}

fn apply_xattrs(
    file: &impl AsFd,
    wanted: &BTreeMap<Vec<u8>, Vec<u8>>,
    privileges: Privileges,
    applied: &mut Applied,
) -> io::Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let present = read_xattrs(file)?.kept;
    for (name, value) in wanted.iter().filter(|(name, value)| present.get(*name) != Some(*value)) {
        let told = String::from_utf8_lossy(name);
        if name == CAPABILITY && !privileges.set_id {
            applied.refused.push(format!("its attribute {told} is left out; --setuid restores it"));
            continue;
        }
        match fsetxattr(file, &name[..], value, XattrFlags::empty()) {
            Ok(()) => applied.changed = true,
            Err(error @ (Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::INVAL)) => {
                applied
                    .refused
                    .push(format!("its attribute {told} cannot be set: {}", io::Error::from(error)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// When the content was last changed, in nanoseconds since the Unix epoch.
pub(super) fn mtime_ns(stat: &Stat) -> i128 {
    i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec)
}

/// The time of the last change; that of the last access is left.
pub(super) fn times(mtime_ns: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec {
            tv_sec: mtime_ns.div_euclid(1_000_000_000),
            tv_nsec: mtime_ns.rem_euclid(1_000_000_000),
        },
    }
}
