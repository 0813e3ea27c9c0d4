//! Directories of the target. Each is opened from the one above without following links, and everything in it is done
//! relative to it: neither a link in the snapshot nor one in the target leads elsewhere, even if the target changes
//! meanwhile.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use backup::Name;
use client::{Path, TreeEntry};
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fchmod, fstat, fsync, mkdirat, openat, statat, unlinkat,
};
use rustix::io::Errno;

use super::attributes::{Privileges, apply, mtime_ns, permitted_mode};
use super::plan::{Kind, Look};
use super::report::{Event, Report};

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// What a directory's mode has at least while something is put into it.
const WORK_MODE: Mode = Mode::RWXU;

/// A directory of the target. What is being done in it keeps it open; when the last of that is done, it gets its mode
/// and time.
pub(super) struct Directory {
    fd: OwnedFd,
    /// What it has when nothing else gives it one: that of before, if it was there.
    mode: Option<Mode>,
    finish: Option<Finish>,
}

/// What happens to a directory at its end.
struct Finish {
    path: Path,
    entry: TreeEntry,
    privileges: Privileges,
    report: Arc<Report>,
    /// Later than this one, because its own end changes that one's time.
    _parent: Arc<Directory>,
}

/// How a directory is restored.
pub(super) struct Wanted<'a> {
    pub(super) path: &'a Path,
    pub(super) entry: &'a TreeEntry,
    pub(super) privileges: Privileges,
    /// Whether one that is there gets the mode, time and attributes of the snapshot.
    pub(super) updates_present: bool,
    pub(super) report: &'a Arc<Report>,
}

impl Directory {
    /// The target itself, which keeps its mode and time.
    pub(super) fn root(path: &std::path::Path) -> io::Result<Arc<Self>> {
        // Whoever names the target may do so by a link.
        let flags = OPEN.difference(OFlags::NOFOLLOW);
        let fd = openat(rustix::fs::CWD, path, flags, Mode::empty())?;
        Ok(Arc::new(Self { fd, mode: None, finish: None }))
    }

    /// Makes or opens the directory. What is there instead must have been removed.
    pub(super) fn make(parent: &Arc<Self>, name: &Name, wanted: &Wanted<'_>) -> io::Result<Arc<Self>> {
        // A restore that is killed leaves it like this, and the next one may be told to leave what is there.
        let wanted_mode = Mode::from_raw_mode(permitted_mode(wanted.entry, wanted.privileges));
        let first_mode = wanted_mode.difference(Mode::WGRP | Mode::WOTH) | WORK_MODE;
        let is_new = match mkdirat(parent, name.as_bytes(), first_mode) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let fd = openat(parent, name.as_bytes(), OPEN, Mode::empty())?;
        let present = Mode::from_raw_mode(fstat(&fd)?.st_mode & 0o7777);
        let needs_more = !present.contains(WORK_MODE);
        if needs_more {
            fchmod(&fd, present | WORK_MODE)?;
        }
        let mode = if is_new { Some(wanted_mode) } else { needs_more.then_some(present) };
        let finish = (is_new || wanted.updates_present).then(|| Finish {
            path: wanted.path.clone(),
            entry: wanted.entry.clone(),
            privileges: wanted.privileges,
            report: wanted.report.clone(),
            _parent: parent.clone(),
        });
        Ok(Arc::new(Self { fd, mode, finish }))
    }
}

impl Directory {
    fn put_mode_back(&self) {
        if let Some(mode) = self.mode {
            // Who could give it more may take that away, unless the disk fails; then more than this is lost.
            let _ = fchmod(&self.fd, mode);
        }
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let Some(finish) = &self.finish else { return self.put_mode_back() };
        let applied = apply(&self.fd, &finish.entry, finish.privileges)
            .and_then(|applied| fsync(&self.fd).map(|()| applied).map_err(Into::into));
        match applied {
            Ok(applied) => {
                for note in applied.refused {
                    finish.report.tell(&Event::Note(finish.path.clone(), note));
                }
            }
            Err(error) => {
                self.put_mode_back();
                finish.report.tell(&Event::Failed(finish.path.clone(), error.to_string()));
            }
        }
    }
}

/// Opens the directory at `names` beneath another; `None` if there is none, or a link on the way.
pub(super) fn open_beneath(root: &impl AsFd, names: &[Name]) -> io::Result<Option<OwnedFd>> {
    let mut fd: Option<OwnedFd> = None;
    for name in names {
        let above = fd.as_ref().map_or_else(|| root.as_fd(), AsFd::as_fd);
        match openat(above, name.as_bytes(), OPEN, Mode::empty()) {
            Ok(next) => fd = Some(next),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    match fd {
        Some(fd) => Ok(Some(fd)),
        None => Ok(Some(root.as_fd().try_clone_to_owned()?)),
    }
}

/// What has this name in a directory.
pub(super) fn look(directory: &impl AsFd, name: &Name) -> io::Result<Option<Look>> {
    match statat(directory, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(look_of(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn look_of(stat: &Stat) -> Look {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Other,
    };
    let mtime_ns = i64::try_from(mtime_ns(stat)).unwrap_or(i64::MAX);
    Look { kind, size: u64::try_from(stat.st_size).unwrap_or_default(), mtime_ns }
}

/// The permission bits of what has this name.
pub(super) fn mode_of(directory: &impl AsFd, name: &Name) -> io::Result<u32> {
    Ok(statat(directory, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)?.st_mode & 0o7777)
}

/// Removes what has this name: a directory only if it is empty.
pub(super) fn remove(directory: &impl AsFd, name: &Name, present: &Look) -> io::Result<()> {
    let flags = if present.kind == Kind::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    match unlinkat(directory, name.as_bytes(), flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(io::Error::new(
            io::ErrorKind::DirectoryNotEmpty,
            "a folder that is not empty is in its place; --delete removes it",
        )),
        Err(error) => Err(error.into()),
    }
}

/// The names in a directory.
pub(super) fn list(directory: &impl AsFd) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        // What is no name in a backup is `.` or `..`.
        names.extend(Name::new(entry?.file_name().to_bytes()).ok());
    }
    Ok(names)
}
