//! Deleting from the target what is not in the snapshot.

use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use backup::Name;
use client::{Error, Path, SnapshotRef, TreeNode, Vault};
use rustix::fs::{AtFlags, fstat, futimens, unlinkat};

use super::Options;
use super::attributes::times;
use super::directory::{Directory, list, look, open_beneath, remove};
use super::plan::Kind;
use super::report::{Event, Report};
use super::sink::join;

/// A target that is being tidied.
pub(super) struct Extra<'a> {
    pub(super) root: &'a Arc<Directory>,
    pub(super) options: &'a Options,
    pub(super) report: &'a Report,
}

impl Extra<'_> {
    /// Deletes beneath every directory of the snapshot that is also in the target what the snapshot has not, as far as
    /// the filter takes it.
    ///
    /// # Errors
    /// As reading the tree allows.
    pub(super) async fn delete(
        &self,
        vault: &Vault,
        snapshot: SnapshotRef,
        base: &Path,
    ) -> Result<(), Error> {
        let mut pending: Vec<Vec<Name>> = vec![Vec::new()];
        while let Some(names) = pending.pop() {
            let full: Vec<&[u8]> = base.names().iter().chain(&names).map(Name::as_bytes).collect();
            let entries = vault.tree_entries(snapshot, &full).await?;
            let mut wanted = HashSet::new();
            for entry in entries {
                let name = Name::new(entry.name).expect("entries have names");
                if matches!(entry.node, TreeNode::Directory { .. }) {
                    pending.push(names.iter().chain([&name]).cloned().collect());
                }
                wanted.insert(name);
            }
            if let Err(error) = self.delete_in(&names, &wanted) {
                self.report.tell(&Event::Failed(path_of(&names), error.to_string()));
            }
        }
        Ok(())
    }

    fn delete_in(&self, names: &[Name], wanted: &HashSet<Name>) -> io::Result<()> {
        let Some(directory) = open_beneath(self.root, names)? else { return Ok(()) };
        let mtime_ns = super::attributes::mtime_ns(&fstat(&directory)?);
        let mut changed = false;
        for name in list(&directory)?.into_iter().filter(|name| !wanted.contains(name)) {
            let mut path = names.to_vec();
            path.push(name);
            changed |= match self.delete_tree(&directory, &path) {
                Ok(gone) => gone,
                Err(error) => {
                    self.report.tell(&Event::Failed(path_of(&path), error.to_string()));
                    true
                }
            };
        }
        if changed && let Ok(mtime_ns) = i64::try_from(mtime_ns) {
            futimens(&directory, &times(mtime_ns))?;
        }
        Ok(())
    }

    /// Deletes an entry with what is beneath it, but for what the filter does not take; returns whether it is gone.
    fn delete_tree(&self, parent: &impl AsFd, path: &[Name]) -> io::Result<bool> {
        let name = path.last().expect("entries have names");
        let Some(present) = look(parent, name)? else { return Ok(false) };
        let is_directory = present.kind == Kind::Directory;
        let taken = self.options.filter.takes(&join(path), is_directory);
        if !is_directory {
            if !taken {
                return Ok(false);
            }
            if !self.options.dry_run {
                unlinkat(parent, name.as_bytes(), AtFlags::empty())?;
            }
            self.report.tell(&Event::Deleted(path_of(path)));
            return Ok(true);
        }
        let Some(directory) = open_beneath(parent, std::slice::from_ref(name))? else { return Ok(false) };
        let mut all = taken;
        for name in list(&directory)? {
            let mut child = path.to_vec();
            child.push(name);
            all &= self.delete_tree(&directory, &child)?;
        }
        if all {
            if !self.options.dry_run {
                remove(parent, name, &present)?;
            }
            self.report.tell(&Event::Deleted(path_of(path)));
        }
        Ok(all)
    }
}

fn path_of(names: &[Name]) -> Path {
    let names: Vec<&[u8]> = names.iter().map(Name::as_bytes).collect();
    Path::parse(&names).expect("made of names")
}
