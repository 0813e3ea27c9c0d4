//! Deleting from the target what is not in the snapshot, but for what no snapshot of the folder holds: that it is
//! missing there says nothing.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use backup::Name;
use client::{Error, Path, SnapshotRef, TreeNode, Vault};
use rustix::fs::{fstat, futimens};

use super::Options;
use super::attributes::{mtime_ns, times};
use super::directory::{Directory, list, look, open_beneath, remove};
use super::plan::{Kind, Look};
use super::report::{Event, Report};
use super::sink::join;
use crate::scan::{Exclude, TreePath, is_cache, is_node_store};

/// What a folder's snapshots leave out, and so is never deleted.
#[derive(Debug, Clone, Default)]
pub struct LeftOut {
    /// By the folder's settings, and by those that it had before: a snapshot lacks what was left out when it was made,
    /// and what is left out now is not the restore's to delete.
    pub excludes: Vec<Exclude>,
    /// Folders that are never backed up, wherever they lie.
    pub own: Vec<PathBuf>,
}

/// A target where what is not in the snapshot is deleted.
pub(super) struct Deletion {
    root: Arc<Directory>,
    options: Arc<Options>,
    report: Arc<Report>,
    excludes: Vec<Exclude>,
    /// What the target stands for in the folder: its patterns are relative to that folder.
    base: TreePath,
    /// The target's file system: what is mounted beneath is left alone.
    device: u64,
    /// Device and inode of the folders that are never backed up.
    own: Vec<(u64, u64)>,
}

impl Deletion {
    /// # Errors
    /// If the target cannot be looked at.
    pub(super) fn new(
        root: &Arc<Directory>,
        options: &Arc<Options>,
        report: &Arc<Report>,
        left_out: &LeftOut,
        base: &[Name],
    ) -> io::Result<Self> {
        let own = left_out.own.iter().filter_map(|path| rustix::fs::stat(path).ok());
        Ok(Self {
            root: root.clone(),
            options: options.clone(),
            report: report.clone(),
            excludes: left_out.excludes.clone(),
            base: beneath(&TreePath::default(), base),
            device: fstat(root)?.st_dev,
            own: own.map(|stat| (stat.st_dev, stat.st_ino)).collect(),
        })
    }

    /// Deletes from every directory of the snapshot that is also in the target what the snapshot has not, as far as
    /// the filter takes it.
    ///
    /// # Errors
    /// As reading the tree allows.
    pub(super) async fn run(&self, vault: &Vault, snapshot: SnapshotRef) -> Result<(), Error> {
        let mut pending: Vec<Vec<Name>> = vec![Vec::new()];
        while let Some(names) = pending.pop() {
            let directory = match self.open(&self.root, &names, &names) {
                Ok(Some(directory)) => directory,
                Ok(None) => continue,
                Err(error) => {
                    self.fail(&names, &error);
                    continue;
                }
            };
            let path = beneath(&self.base, &names);
            let path: Vec<&[u8]> = path.components().collect();
            let mut wanted = HashSet::new();
            for entry in vault.tree_entries(snapshot, &path).await? {
                let name = Name::new(entry.name).expect("entries have names");
                if matches!(entry.node, TreeNode::Directory { .. }) {
                    pending.push(names.iter().chain([&name]).cloned().collect());
                }
                wanted.insert(name);
            }
            if let Err(error) = self.delete_in(&directory, &names, &wanted) {
                self.fail(&names, &error);
            }
        }
        Ok(())
    }

    fn delete_in(&self, directory: &OwnedFd, names: &[Name], wanted: &HashSet<Name>) -> io::Result<()> {
        let mtime_ns = mtime_ns(&fstat(directory)?);
        let mut changed = false;
        for name in list(directory)?.into_iter().filter(|name| !wanted.contains(name)) {
            let path: Vec<Name> = names.iter().cloned().chain([name]).collect();
            changed |= self.delete(directory, &path);
        }
        if changed && let Ok(mtime_ns) = i64::try_from(mtime_ns) {
            futimens(directory, &times(mtime_ns))?;
        }
        Ok(())
    }

    /// Deletes an entry of the target with what is beneath it, but for what the filter does not take and what no
    /// snapshot holds; returns whether it is gone. `names` lead to it from the target.
    pub(super) fn delete(&self, parent: &impl AsFd, names: &[Name]) -> bool {
        self.try_delete(parent, names).unwrap_or_else(|error| {
            self.fail(names, &error);
            false
        })
    }

    fn try_delete(&self, parent: &impl AsFd, names: &[Name]) -> io::Result<bool> {
        let name = names.last().expect("entries have names");
        let Some(present) = look(parent, name)? else { return Ok(true) };
        let is_directory = present.kind == Kind::Directory;
        if self.is_left_out(names, &present) {
            return Ok(false);
        }
        let mut all = self.options.filter.takes(&join(names), is_directory);
        if is_directory {
            let Some(directory) = self.open(parent, std::slice::from_ref(name), names)? else {
                return Ok(false);
            };
            for name in list(&directory)? {
                let child: Vec<Name> = names.iter().cloned().chain([name]).collect();
                all &= self.delete(&directory, &child);
            }
        }
        if all {
            if !self.options.dry_run {
                remove(parent, name, &present)?;
            }
            self.report.tell(&Event::Deleted(path_of(names)));
        }
        Ok(all)
    }

    /// Opens a directory, if snapshots hold what is in it. `names` lead to it from the target.
    fn open(&self, above: &impl AsFd, way: &[Name], names: &[Name]) -> io::Result<Option<OwnedFd>> {
        let path = beneath(&self.base, names);
        if self.is_excluded(&path, true) {
            return Ok(None);
        }
        let Some(directory) = open_beneath(above, way)? else { return Ok(None) };
        let stat = fstat(&directory)?;
        let is_ours = self.own.contains(&(stat.st_dev, stat.st_ino)) || is_node_store(&directory);
        // The folder itself is backed up, tag or not.
        let is_cache = !path.is_root() && is_cache(&directory);
        Ok((stat.st_dev == self.device && !is_ours && !is_cache).then_some(directory))
    }

    fn is_left_out(&self, names: &[Name], present: &Look) -> bool {
        let is_too_large = |exclude: &Exclude| exclude.is_too_large(present.size);
        let is_too_large = present.kind == Kind::File && self.excludes.iter().any(is_too_large);
        let is_directory = present.kind == Kind::Directory;
        let path = beneath(&self.base, names);
        present.kind == Kind::Other || is_too_large || self.is_excluded(&path, is_directory)
    }

    /// By a pattern, itself or with a directory that it is in.
    fn is_excluded(&self, path: &TreePath, is_directory: bool) -> bool {
        if path.is_root() {
            return false;
        }
        let above = path.ancestors();
        self.excludes.iter().any(|exclude| {
            let is_above = |path: &TreePath| exclude.matching(path, true).is_some();
            exclude.matching(path, is_directory).is_some() || above.iter().any(is_above)
        })
    }

    fn fail(&self, names: &[Name], error: &io::Error) {
        self.report.tell(&Event::Failed(path_of(names), error.to_string()));
    }
}

fn beneath(base: &TreePath, names: &[Name]) -> TreePath {
    names.iter().fold(base.clone(), |path, name| path.join(name.as_bytes()))
}

fn path_of(names: &[Name]) -> Path {
    let names: Vec<&[u8]> = names.iter().map(Name::as_bytes).collect();
    Path::parse(&names).expect("made of names")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_another_file_system_is_never_deleted() {
        let target = testkit::tempdir().unwrap();
        std::fs::create_dir(target.path().join("d")).unwrap();
        std::fs::write(target.path().join("d/x"), b"x").unwrap();
        let root = Directory::root(target.path()).unwrap();
        let report = Arc::new(Report::new(Box::new(|_, _| ())));
        let here = Deletion::new(&root, &Arc::default(), &report, &LeftOut::default(), &[]).unwrap();
        let device = here.device;
        let elsewhere = Deletion { device: device + 1, ..here };
        let path = [Name::new("d").unwrap()];
        assert!(!elsewhere.delete(&root, &path) && target.path().join("d/x").exists());
        let here = Deletion { device, ..elsewhere };
        assert!(here.delete(&root, &path) && !target.path().join("d").exists());
        assert_eq!(report.tally().files_deleted, 2);
    }
}
