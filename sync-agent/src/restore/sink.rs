//! Where restored entries go: looks at what is there, makes what is missing, several files at a time.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use backup::Name;
use client::{LeftOver, Path, RestoreSink, TreeEntry, TreeNode, WriteAt};
use futures_util::future::LocalBoxFuture;
use rustix::fs::{AtFlags, utimensat};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::Options;
use super::attributes::{Applied, apply, permitted_mode, times};
use super::batch::Batch;
use super::delete::Deletion;
use super::directory::{Directory, Wanted, look, mode_of, open_beneath, remove};
use super::file::{has_hash, open_present, points_to, write_symlink};
use super::plan::{Kind, Look, Plan};
use super::report::{Event, Report};
use super::writer::{Place, Writer};

/// MiB of contents that are being written at the same time.
pub(super) const WRITING_MIB: u32 = 32;

/// A target. Without a root, it is a dry run into a folder that is not there.
pub(super) struct Sink {
    pub(super) root: Option<Arc<Directory>>,
    /// Names that paths begin with and the target has not: that of the folder whose content is restored.
    pub(super) strip: usize,
    pub(super) options: Arc<Options>,
    /// If what is not in the snapshot is to be deleted.
    pub(super) deletion: Option<Arc<Deletion>>,
    pub(super) report: Arc<Report>,
    pub(super) writing: Arc<Semaphore>,
    pub(super) batch: Arc<Batch>,
    /// The directories that the walk is in, outermost first.
    pub(super) levels: RefCell<Vec<Level>>,
    /// The directory that was looked into last.
    pub(super) looked: RefCell<Option<Looked>>,
}

/// A directory of the target that was looked into.
pub(super) struct Looked {
    names: Vec<Name>,
    directory: Rc<OwnedFd>,
}

/// A directory that is being restored.
pub(super) struct Level {
    path: Path,
    entry: TreeEntry,
    /// Once something wanted is in it.
    directory: Option<Arc<Directory>>,
}

impl Sink {
    fn takes(&self, names: &[Name], is_directory: bool) -> bool {
        let filter = &self.options.filter;
        filter.takes_all() || filter.takes(&join(names), is_directory)
    }

    fn tell(&self, event: &Event) {
        self.report.tell(event);
    }

    fn tell_notes(&self, path: &Path, applied: Applied) {
        for note in applied.refused {
            self.tell(&Event::Note(path.clone(), note));
        }
    }

    /// What is at the path, without following links.
    fn look(&self, parents: &[Name], name: &Name) -> io::Result<Option<(Rc<OwnedFd>, Look)>> {
        let Some(directory) = self.open_to_look(parents)? else { return Ok(None) };
        Ok(look(&directory, name)?.map(|present| (directory, present)))
    }

    pub(super) fn open_to_look(&self, parents: &[Name]) -> io::Result<Option<Rc<OwnedFd>>> {
        let Some(root) = &self.root else { return Ok(None) };
        if let Some(looked) = &*self.looked.borrow()
            && looked.names == parents
        {
            return Ok(Some(looked.directory.clone()));
        }
        let Some(directory) = open_beneath(root, parents)?.map(Rc::new) else { return Ok(None) };
        self.looked.replace(Some(Looked { names: parents.to_vec(), directory: directory.clone() }));
        Ok(Some(directory))
    }

    async fn is_there(&self, path: &Path, entry: &TreeEntry) -> bool {
        let TreeNode::File { size, hash, .. } = entry.node else { return false };
        let names = &path.names()[self.strip..];
        let Some((name, parents)) = names.split_last() else { return false };
        if !self.takes(names, false) {
            self.tell(&Event::Filtered(size));
            return true;
        }
        let wanted = Look { kind: Kind::File, size, mtime_ns: entry.mtime_ns };
        // What cannot be looked at cannot be written either, and that will tell why.
        let found = self.look(parents, name).unwrap_or_default();
        let plan = self.options.rules.plan(&wanted, found.as_ref().map(|(_, present)| present));
        let kept = match (plan, found) {
            (Plan::Leave, _) => Some(Ok(Applied::default())),
            (Plan::Keep | Plan::Compare, Some((directory, _))) => {
                let hash = (plan == Plan::Compare).then_some(hash);
                self.keep(&directory, name, entry, hash).await
            }
            _ => None,
        };
        match kept {
            Some(Err(error)) => {
                self.tell(&Event::Failed(path.clone(), error.to_string()));
                true
            }
            Some(Ok(applied)) => {
                let kind = if applied.changed { Event::Updated } else { Event::Unchanged };
                self.tell(&kind(path.clone(), size));
                self.tell_notes(path, applied);
                true
            }
            None if self.options.dry_run => {
                self.tell(&Event::Restored(path.clone(), size));
                true
            }
            None => false,
        }
    }

    /// Gives a file that is there its attributes, if it has the content; `None` if not.
    async fn keep(
        &self,
        directory: &Rc<OwnedFd>,
        name: &Name,
        entry: &TreeEntry,
        hash: Option<[u8; 32]>,
    ) -> Option<io::Result<Applied>> {
        let (entry, privileges, dry_run) = (entry.clone(), self.options.privileges, self.options.dry_run);
        let file = match open_present(directory, name) {
            Ok(file) => file,
            Err(_) if hash.is_some() => return None,
            // Its time is right, or it would not be kept.
            Err(error) if mode_of(directory, name).ok() == Some(permitted_mode(&entry, privileges)) => {
                let refused = vec![format!("its attributes cannot be looked at: {error}")];
                return Some(Ok(Applied { changed: false, refused }));
            }
            Err(error) => return Some(Err(error)),
        };
        let work = move || {
            if let Some(hash) = hash
                && !has_hash(&file, &hash).unwrap_or(false)
            {
                return None;
            }
            if dry_run {
                return Some(Ok(Applied::default()));
            }
            Some(apply(&file, &entry, privileges))
        };
        spawn_blocking(work).await.expect("reading a file does not panic")
    }

    /// The directory that something is put into; it and those above it are made where they are missing.
    fn directory(&self, depth: usize) -> io::Result<Arc<Directory>> {
        let mut levels = self.levels.borrow_mut();
        let mut above = self.root.clone().ok_or_else(|| io::Error::other("a dry run makes nothing"))?;
        if levels.len() < depth {
            return Err(io::Error::other("its folder could not be made"));
        }
        for level in &mut levels[..depth] {
            let directory = match level.directory.take() {
                Some(directory) => directory,
                None => self.make_directory(&above, level)?,
            };
            level.directory = Some(directory.clone());
            above = directory;
        }
        Ok(above)
    }

    fn make_directory(&self, parent: &Arc<Directory>, level: &Level) -> io::Result<Arc<Directory>> {
        let name = level.path.names().last().expect("only entries have levels");
        let wanted = Look { kind: Kind::Directory, size: 0, mtime_ns: level.entry.mtime_ns };
        let present = look(parent, name)?;
        let plan = self.options.rules.plan(&wanted, present.as_ref());
        match present {
            Some(present) if present.kind != Kind::Directory && plan == Plan::Leave => {
                return Err(io::Error::other("something that is not a folder is in its place, and stays"));
            }
            Some(present) if present.kind != Kind::Directory => remove(parent, name, &present)?,
            _ => {}
        }
        let wanted = Wanted {
            path: &level.path,
            entry: &level.entry,
            privileges: self.options.privileges,
            updates_present: plan != Plan::Leave,
            report: &self.report,
        };
        Directory::make(parent, name, &wanted)
    }

    fn begin_directory(&self, path: &Path, entry: &TreeEntry) -> io::Result<()> {
        let names = &path.names()[self.strip..];
        if names.is_empty() {
            return Ok(());
        }
        self.levels.borrow_mut().push(Level { path: path.clone(), entry: entry.clone(), directory: None });
        if self.options.dry_run || !self.takes(names, true) {
            return Ok(());
        }
        let made = self.directory(names.len()).map(drop);
        if made.is_err() {
            self.levels.borrow_mut().pop();
        }
        made
    }

    fn begin_symlink(&self, path: &Path, entry: &TreeEntry) -> io::Result<()> {
        let TreeNode::Symlink { target } = &entry.node else { return Ok(()) };
        let names = &path.names()[self.strip..];
        let Some((name, parents)) = names.split_last() else { return Ok(()) };
        if !self.takes(names, false) {
            return Ok(());
        }
        let wanted = Look { kind: Kind::Symlink, size: target.len() as u64, mtime_ns: entry.mtime_ns };
        let found = self.look(parents, name)?;
        let plan = self.options.rules.plan(&wanted, found.as_ref().map(|(_, present)| present));
        match found {
            Some(_) if plan == Plan::Leave => self.tell(&Event::Unchanged(path.clone(), 0)),
            Some((directory, present)) if plan == Plan::Compare && points_to(&directory, name, target)? => {
                if present.mtime_ns == wanted.mtime_ns || self.options.dry_run {
                    self.tell(&Event::Unchanged(path.clone(), 0));
                } else {
                    let times = times(entry.mtime_ns);
                    utimensat(&directory, name.as_bytes(), &times, AtFlags::SYMLINK_NOFOLLOW)?;
                    self.tell(&Event::Updated(path.clone(), 0));
                }
            }
            _ if self.options.dry_run => self.tell(&Event::Restored(path.clone(), 0)),
            _ => {
                let directory = self.directory(parents.len())?;
                make_way(&directory, names, self.deletion.as_deref())?;
                write_symlink(&directory, name, target, entry.mtime_ns)?;
                self.tell(&Event::Restored(path.clone(), 0));
            }
        }
        Ok(())
    }

    fn begin_file(&self, path: &Path, entry: &TreeEntry) -> io::Result<Box<dyn WriteAt>> {
        let names = &path.names()[self.strip..];
        let (Some((_, parents)), TreeNode::File { size, hash, .. }) = (names.split_last(), &entry.node)
        else {
            return Err(io::Error::other("not a file"));
        };
        let place = Place {
            directory: self.directory(parents.len())?,
            names: names.to_vec(),
            path: path.clone(),
            entry: entry.clone(),
            size: *size,
            hash: *hash,
            options: self.options.clone(),
            deletion: self.deletion.clone(),
            report: self.report.clone(),
        };
        Ok(Box::new(Writer::new(place, self.writing.clone(), self.batch.clone())))
    }
}

/// A directory gives way to a file or link if it is empty, or if all that is in it is to be deleted. Everything else is
/// replaced at once. `names` lead to it from the target.
pub(super) fn make_way(directory: &Directory, names: &[Name], deletion: Option<&Deletion>) -> io::Result<()> {
    let name = names.last().expect("entries have names");
    let Some(present) = look(directory, name)?.filter(|present| present.kind == Kind::Directory) else {
        return Ok(());
    };
    match deletion {
        Some(deletion) if deletion.delete(directory, names) => Ok(()),
        Some(_) => Err(io::Error::other("a folder is in its place, and holds what --delete spares")),
        None => remove(directory, name, &present),
    }
}

impl RestoreSink for Sink {
    fn has_file<'a>(&'a self, path: &'a Path, entry: &'a TreeEntry) -> LocalBoxFuture<'a, bool> {
        Box::pin(self.is_there(path, entry))
    }

    fn left_over<'a>(&'a self, path: &'a Path, entry: &'a TreeEntry) -> LocalBoxFuture<'a, Option<LeftOver>> {
        // Without it, all of the file is fetched.
        Box::pin(async { self.find_left_over(path, entry).unwrap_or_default() })
    }

    fn create_directory<'a>(
        &'a self,
        path: &'a Path,
        entry: &'a TreeEntry,
    ) -> LocalBoxFuture<'a, Result<(), String>> {
        Box::pin(async { self.begin_directory(path, entry).map_err(|error| error.to_string()) })
    }

    fn finish_directory<'a>(
        &'a self,
        path: &'a Path,
        _: &'a TreeEntry,
    ) -> LocalBoxFuture<'a, Result<(), String>> {
        // It ends when the last file in it does.
        self.levels.borrow_mut().pop_if(|level| level.path == *path);
        Box::pin(async { Ok(()) })
    }

    fn create_symlink<'a>(
        &'a self,
        path: &'a Path,
        entry: &'a TreeEntry,
    ) -> LocalBoxFuture<'a, Result<(), String>> {
        Box::pin(async { self.begin_symlink(path, entry).map_err(|error| error.to_string()) })
    }

    fn create_file<'a>(
        &'a self,
        path: &'a Path,
        entry: &'a TreeEntry,
    ) -> LocalBoxFuture<'a, Result<Box<dyn WriteAt>, String>> {
        Box::pin(async { self.begin_file(path, entry).map_err(|error| error.to_string()) })
    }

    fn failed(&self, path: &Path, reason: &str) {
        self.tell(&Event::Failed(path.clone(), reason.to_owned()));
    }
}

pub(super) fn join(names: &[Name]) -> Vec<u8> {
    let names: Vec<&[u8]> = names.iter().map(Name::as_bytes).collect();
    names.join(&b'/')
}
