//! Walks a folder in the order of [`TreePath`]s. Directories are opened one from the other without following links,
//! so what is renamed meanwhile cannot lead the walk out of the folder.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::vec;

use backup::{Name, PATH_DEPTH_MAX};
use rustix::fs::{Access, AtFlags, Dir, Mode, OFlags, Stat, accessat, openat, statat};
use rustix::io::Errno;

use super::{Exclude, Kind, Meta, Note, Reason, TreePath};

/// Directories of more entries are asked for by several threads.
const PARALLEL_FROM: usize = 2048;
/// Stands for the pattern of what is left out by its size.
pub const LARGER_THAN: &str = "larger than the limit";
/// How the names begin that a restore gives to files on their way: one that was killed leaves some.
pub const RESTORE_PREFIX: &str = ".triplicate-restore-";
const THREADS_MAX: usize = 4;
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// How a folder begins that asks to be left out: <https://bford.info/cachedir/>.
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// A folder to be walked.
pub struct Root {
    path: PathBuf,
    directory: OwnedFd,
    device: u64,
    inode: u64,
    exclude: Exclude,
    /// Device and inode of the folders that hold our own data.
    own: Vec<(u64, u64)>,
}

/// The folder itself cannot be walked.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// It is not there, or cannot be opened.
    #[error("{} cannot be opened", path.display())]
    Root {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The index cannot be read.
    #[error(transparent)]
    Index(#[from] crate::index::IndexError),
}

/// What a walk meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An entry; of a directory, what is in it follows.
    Entry(TreePath, Meta),
    /// An entry that is passed over.
    Note(Note),
    /// An entry that a pattern leaves out; of a directory, with all that is in it.
    Excluded(TreePath, Meta, String),
}

impl Item {
    /// Where it is.
    pub(super) fn path(&self) -> &TreePath {
        match self {
            Self::Entry(path, _) | Self::Excluded(path, ..) | Self::Note(Note { path, .. }) => path,
        }
    }
}

impl Root {
    /// Opens a folder; `own` are folders that are never backed up.
    ///
    /// # Errors
    /// If it is missing or not a directory, which may mean that its disk is not mounted.
    pub fn open(path: &Path, exclude: Exclude, own: &[PathBuf]) -> Result<Self, ScanError> {
        let cannot = |source: io::Error| ScanError::Root { path: path.to_owned(), source };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| cannot(error.into()))?;
        let stat = rustix::fs::fstat(&directory).map_err(|error| cannot(error.into()))?;
        let own = own.iter().filter_map(|path| rustix::fs::stat(path).ok());
        let own = own.map(|stat| (stat.st_dev, stat.st_ino)).collect();
        let (device, inode) = (stat.st_dev, stat.st_ino);
        Ok(Self { path: path.to_owned(), directory, device, inode, exclude, own })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode of the folder itself.
    pub fn place(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Opens what lies at a path, following no link on the way.
    pub fn open_beneath(&self, path: &TreePath, flags: OFlags) -> io::Result<OwnedFd> {
        let Some(name) = path.name() else { return self.directory.try_clone() };
        let parent = self.open_directory(&path.parent().unwrap_or_default())?;
        Ok(openat(parent, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
    }

    fn open_directory(&self, path: &TreePath) -> io::Result<OwnedFd> {
        let mut directory = self.directory.try_clone()?;
        for name in path.components() {
            directory = openat(&directory, name, OFlags::PATH | DIRECTORY, Mode::empty())?;
        }
        Ok(directory)
    }

    /// What lies at a path now, itself; `None` if nothing does.
    pub fn stat(&self, path: &TreePath) -> io::Result<Option<Stat>> {
        let Some(name) = path.name() else { return Ok(Some(rustix::fs::fstat(&self.directory)?)) };
        let parent = match self.open_directory(&path.parent().unwrap_or_default()) {
            Ok(parent) => parent,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if is_gone(&error.into()) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a file may be read, without opening it.
    pub fn check_readable(&self, path: &TreePath) -> io::Result<()> {
        let parent = self.open_directory(&path.parent().unwrap_or_default())?;
        let name = path.name().unwrap_or_default();
        Ok(accessat(parent, name, Access::READ_OK, AtFlags::EACCESS)?)
    }

    /// Where a link points.
    pub fn read_link(&self, path: &TreePath) -> io::Result<Vec<u8>> {
        let parent = self.open_directory(&path.parent().unwrap_or_default())?;
        let target = rustix::fs::readlinkat(parent, path.name().unwrap_or_default(), Vec::new())?;
        Ok(target.into_bytes())
    }

    /// What stands for an entry in a snapshot: itself, nothing, or a note why not.
    fn judge(&self, path: TreePath, stat: &Stat) -> Item {
        let Some(meta) = Meta::from_stat(stat) else {
            return Item::Note(Note { path, reason: Reason::Special });
        };
        if let Some(Err(error)) = path.name().map(Name::new) {
            return Item::Note(Note { path, reason: Reason::Unreadable(error.to_string()) });
        }
        if path.name().is_some_and(|name| name.starts_with(RESTORE_PREFIX.as_bytes())) {
            return Item::Excluded(path, meta, format!("{RESTORE_PREFIX}*"));
        }
        if let Some(pattern) = self.exclude.matching(&path, meta.kind == Kind::Directory) {
            let pattern = pattern.to_owned();
            return Item::Excluded(path, meta, pattern);
        }
        if meta.kind == Kind::File && self.exclude.is_too_large(meta.size) {
            return Item::Excluded(path, meta, LARGER_THAN.to_owned());
        }
        if meta.kind == Kind::Directory && self.own.contains(&(meta.device, meta.inode)) {
            return Item::Note(Note { path, reason: Reason::OurOwn });
        }
        // What is in a directory lies one deeper.
        let deepest = if meta.kind == Kind::Directory { PATH_DEPTH_MAX - 1 } else { PATH_DEPTH_MAX };
        if path.depth() > deepest {
            return Item::Note(Note { path, reason: Reason::TooDeep });
        }
        Item::Entry(path, meta)
    }

    /// Whether a walk goes into a directory, and else why not.
    fn admits(&self, path: &TreePath, meta: &Meta, directory: &OwnedFd) -> Result<bool, Reason> {
        if self.exclude.one_file_system && meta.device != self.device {
            return Ok(false);
        }
        if is_node_store(directory) {
            return Err(Reason::OurOwn);
        }
        // The folder itself was asked for, tag or not.
        Ok(path.is_root() || !is_cache(directory))
    }

    /// The outermost directory of a path's ancestors that a walk does not go into, as it would be met there.
    pub(super) fn barrier(&self, path: &TreePath) -> io::Result<Option<TreePath>> {
        for ancestor in path.ancestors() {
            let Some(stat) = self.stat(&ancestor)? else { return Ok(Some(ancestor)) };
            let Item::Entry(_, meta) = self.judge(ancestor.clone(), &stat) else { return Ok(Some(ancestor)) };
            if meta.kind != Kind::Directory {
                return Ok(Some(ancestor));
            }
            let directory = self.open_beneath(&ancestor, DIRECTORY)?;
            if !self.admits(&ancestor, &meta, &directory).unwrap_or(false) {
                return Ok(Some(ancestor));
            }
        }
        Ok(None)
    }
}

fn is_gone(error: &io::Error) -> bool {
    let gone = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP];
    error.raw_os_error().is_some_and(|code| gone.iter().any(|errno| errno.raw_os_error() == code))
}

/// A storage node's folder, by the two names that only such a one has.
pub(crate) fn is_node_store(directory: impl AsFd) -> bool {
    let exists = |name: &str| statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    exists("node.json") && exists("packs")
}

pub(crate) fn is_cache(directory: impl AsFd) -> bool {
    use std::io::Read as _;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut start = [0; CACHE_TAG.len()];
    openat(&directory, "CACHEDIR.TAG", flags, Mode::empty())
        .is_ok_and(|tag| File::from(tag).read_exact(&mut start).is_ok() && start == *CACHE_TAG)
}

/// A walk under way. Holds the entries of one directory per level.
pub struct Walk<'a> {
    root: &'a Root,
    /// Only what comes after it is given.
    after: Option<TreePath>,
    levels: Vec<Level>,
    /// A directory that was given last, to be entered next.
    pending: Option<(TreePath, Meta)>,
    first: Option<Item>,
}

/// A name, and what the system says of it.
type Named = (Vec<u8>, Result<Stat, Errno>);

struct Level {
    path: TreePath,
    directory: OwnedFd,
    entries: vec::IntoIter<Named>,
}

impl<'a> Walk<'a> {
    /// Of what lies at `start` and beneath. The folder itself is not given, only what is in it.
    pub fn new(root: &'a Root, start: &TreePath) -> io::Result<Self> {
        let mut walk = Self { root, after: None, levels: Vec::new(), pending: None, first: None };
        let Some(now) = root.stat(start)? else { return Ok(walk) };
        if start.is_root() {
            walk.pending = Meta::from_stat(&now).map(|meta| (TreePath::default(), meta));
        } else if root.barrier(start)?.is_none() {
            walk.first = Some(root.judge(start.clone(), &now));
        }
        Ok(walk)
    }

    /// Of what comes after `after`, which need not be there any more. The state of what comes before is not asked for.
    pub fn after(root: &'a Root, after: TreePath) -> io::Result<Self> {
        Ok(Self { after: Some(after), ..Self::new(root, &TreePath::default())? })
    }

    fn enter(&mut self, path: TreePath, meta: &Meta) -> Option<Note> {
        let note = |reason| Some(Note { path: path.clone(), reason });
        let opened = match (self.levels.last(), path.name()) {
            (Some(level), Some(name)) if level.path == path.parent().unwrap_or_default() => {
                openat(&level.directory, name, DIRECTORY, Mode::empty()).map_err(io::Error::from)
            }
            _ => self.root.open_beneath(&path, DIRECTORY),
        };
        let directory = match opened {
            Ok(directory) => directory,
            // Gone since its parent was read: as if it had never been there is close enough, the next event tells.
            Err(error) if is_gone(&error) => return None,
            Err(error) => return note(Reason::Unreadable(error.to_string())),
        };
        match self.root.admits(&path, meta, &directory) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(reason) => return note(reason),
        }
        let is_wanted = |name: &[u8]| {
            self.after.as_ref().is_none_or(|after| {
                let entry = path.join(name);
                entry > *after || after.is_within(&entry)
            })
        };
        match read(&directory, is_wanted) {
            Ok(entries) => {
                self.levels.push(Level { path, directory, entries: entries.into_iter() });
                None
            }
            Err(error) => note(Reason::Unreadable(error.to_string())),
        }
    }

    fn give(&mut self, item: Item) -> Item {
        if let Item::Entry(path, meta) = &item
            && meta.kind == Kind::Directory
        {
            self.pending = Some((path.clone(), *meta));
        }
        item
    }
}

impl Iterator for Walk<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if let Some(first) = self.first.take() {
            return Some(self.give(first));
        }
        loop {
            if let Some((path, meta)) = self.pending.take()
                && let Some(note) = self.enter(path, &meta)
            {
                return Some(Item::Note(note));
            }
            let level = self.levels.last_mut()?;
            let Some((name, stat)) = level.entries.next() else {
                self.levels.pop();
                continue;
            };
            let path = level.path.join(&name);
            let item = match stat {
                Ok(stat) => self.root.judge(path, &stat),
                Err(error) if is_gone(&error.into()) => continue,
                Err(error) => {
                    Item::Note(Note { path, reason: Reason::Unreadable(io::Error::from(error).to_string()) })
                }
            };
            let item = self.give(item);
            // A directory that was given before is gone into again.
            if self.after.as_ref().is_none_or(|after| item.path() > after) {
                return Some(item);
            }
        }
    }
}

/// The wanted names in a directory, ascending, and what they stand for.
fn read(directory: &OwnedFd, is_wanted: impl Fn(&[u8]) -> bool) -> io::Result<Vec<Named>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && is_wanted(name) {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    let stat = |name: Vec<u8>| {
        let stat = statat(directory.as_fd(), OsStr::from_bytes(&name), AtFlags::SYMLINK_NOFOLLOW);
        (name, stat)
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    if names.len() < PARALLEL_FROM || threads < 2 {
        return Ok(names.into_iter().map(stat).collect());
    }
    let share = names.len().div_ceil(threads);
    Ok(thread::scope(|scope| {
        let mut parts = Vec::with_capacity(threads);
        while !names.is_empty() {
            let part = names.split_off(names.len().saturating_sub(share));
            parts.push(scope.spawn(move || part.into_iter().map(stat).collect::<Vec<_>>()));
        }
        let parts = parts
            .into_iter()
            .rev()
            .map(|part| part.join().expect("asking for a file's state does not panic"));
        parts.flatten().collect()
    }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// Some file systems have longer names than the format; those of most machines have not.
    #[test]
    fn a_name_that_the_format_refuses_is_noted_and_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path(), Exclude::default(), &[]).unwrap();
        let stat = root.stat(&TreePath::default()).unwrap().unwrap();
        let judge = |len| root.judge(TreePath::default().join(&vec![b'n'; len]), &stat);
        assert!(matches!(judge(255), Item::Entry(..)));
        let item = judge(256);
        assert!(matches!(&item, Item::Note(note) if note.reason.is_failure()), "{item:?}");
    }
}
