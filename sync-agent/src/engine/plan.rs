//! What a snapshot of a folder would change, as data: collected on a thread of its own, judged, and then either carried
//! out or not.

use std::path::PathBuf;

use protocol::id::SourceId;

use super::deletions::{Vanished, is_mass_deletion};
use super::links::are_among;
use super::parts::{Part, parts};
use super::schedule::Work;
use super::settle::settled;
use crate::index::{FolderState, HoldReason, Index, Record, RowChange};
use crate::scan::{
    Compare, Difference, Exclude, Kind, Meta, Note, Reason, Root, ScanError, Seen, TreePath, Walk,
};

/// Changes that one part of a first backup takes at most: what bounds the memory of one.
pub(super) const PART_CHANGES_MAX: usize = 40_000;
/// Notes that are kept; more are counted.
const NOTES_MAX: usize = 1_000;

/// A folder to look at.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) source: SourceId,
    pub(super) path: PathBuf,
    pub(super) exclude: Exclude,
    /// Folders that are never backed up.
    pub(super) own: Vec<PathBuf>,
    /// The source has a snapshot with all its files: then nothing less than all changes makes another.
    pub(super) is_complete: bool,
}

/// One change to be made.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// New, or changed from what the index says.
    Put(TreePath, Meta, Option<Record>),
    /// Gone. What lies beneath a directory that is gone follows, with `covered` set.
    Remove { path: TreePath, covered: bool },
}

/// What a snapshot would change, and the folder to read it from.
pub(super) struct Plan {
    pub(super) root: Root,
    pub(super) found: Findings,
}

/// What a scan found.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) steps: Vec<Step>,
    pub(super) notes: Vec<Note>,
    /// Entries that should be backed up and cannot be read, as far as the scan could tell.
    pub(super) failures: u64,
    pub(super) seen: Seen,
    pub(super) counts: Counts,
    /// What a mass deletion is told by.
    pub(super) vanished: Vanished,
    /// Rows of files that were too fresh to be sure of, and are as they were.
    pub(super) settled: Vec<RowChange>,
    /// The scan ended early: another part follows.
    pub(super) has_more: bool,
    /// A changed file has other names, which may lie beyond what was looked at.
    pub(super) has_other_names: bool,
}

/// Files by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) new: u64,
    pub(super) changed: u64,
    pub(super) unmodified: u64,
    pub(super) removed: u64,
    /// Bytes of new and changed files.
    pub(super) bytes: u64,
}

impl Plan {
    /// Compares what the work names with the index. Blocks.
    ///
    /// # Errors
    /// If the folder itself cannot be opened, or the index cannot be read.
    pub(super) fn make(target: &Target, work: &Work, index: &Index) -> Result<Self, ScanError> {
        let root = Root::open(&target.path, target.exclude.clone(), &target.own)?;
        let mut found = Findings::default();
        match work {
            Work::Everything { .. } => found.compare(target, &root, index, &TreePath::default())?,
            Work::Paths(paths) => {
                for part in parts(&target.source, paths, index)? {
                    match part {
                        Part::Itself(path) => found.compare_itself(target, &root, index, path)?,
                        Part::Within(path) => found.compare(target, &root, index, &path)?,
                    }
                }
            }
        }
        found.pass_over_unreadable(&root);
        found.settle(&root);
        found.has_other_names = are_among(&found.steps, &root);
        Ok(Self { root, found })
    }

    /// Whether a person should say first that this was meant.
    pub(super) fn hold(&self, state: &FolderState) -> Option<HoldReason> {
        if state.is_confirmed {
            return None;
        }
        let removed = self.found.vanished.count();
        let is_elsewhere = state.place.is_some_and(|place| place != self.root.place());
        if is_elsewhere && state.files > 0 && removed >= state.files {
            return Some(HoldReason::Missing);
        }
        let is_mass = is_mass_deletion(removed, state.files);
        is_mass.then_some(HoldReason::MassDeletion { removed, files: state.files })
    }
}

impl Findings {
    fn compare(
        &mut self,
        target: &Target,
        root: &Root,
        index: &Index,
        within: &TreePath,
    ) -> Result<(), ScanError> {
        let walk = match Walk::new(root, within) {
            Ok(walk) => walk,
            Err(source) if within.is_root() => {
                return Err(ScanError::Root { path: target.path.clone(), source });
            }
            // A folder above it may not be entered: what is known of it stays.
            Err(error) => {
                self.note(Note { path: within.clone(), reason: Reason::Unreadable(error.to_string()) });
                return Ok(());
            }
        };
        let mut compare = Compare::new(walk, index.rows(&target.source, within)?);
        let mut cover: Option<TreePath> = None;
        for difference in &mut compare {
            self.take(difference?, &mut cover);
            if !target.is_complete && self.steps.len() >= PART_CHANGES_MAX {
                self.has_more = true;
                break;
            }
        }
        let seen = compare.seen();
        self.seen.files += seen.files;
        self.seen.bytes += seen.bytes;
        self.seen.excluded += seen.excluded;
        Ok(())
    }

    /// A directory above a hint: its times have changed if something in it has.
    fn compare_itself(
        &mut self,
        target: &Target,
        root: &Root,
        index: &Index,
        path: TreePath,
    ) -> Result<(), ScanError> {
        let Some(row) = index.row(&target.source, &path)? else { return Ok(()) };
        let stat = root.stat(&path).ok().flatten();
        match stat.and_then(|stat| Meta::from_stat(&stat)) {
            Some(meta) if meta.kind == Kind::Directory && !row.is_current(&meta) => {
                self.steps.push(Step::Put(path, meta, Some(row)));
            }
            // Gone meanwhile: the walk of what is beneath it, or the next event, tells.
            _ => {}
        }
        Ok(())
    }

    /// A file that may not be read is told of now, so that it alone never makes a snapshot.
    fn pass_over_unreadable(&mut self, root: &Root) {
        let mut notes: Vec<Note> = Vec::new();
        self.steps.retain(|step| match step {
            // It stays what it was, with all that was in it.
            Step::Remove { path, covered: true } => {
                notes.last().is_none_or(|note| !path.is_within(&note.path))
            }
            Step::Put(path, meta, _) if meta.kind == Kind::File => match root.check_readable(path) {
                Ok(()) => true,
                Err(error) => {
                    notes.push(Note { path: path.clone(), reason: Reason::Unreadable(error.to_string()) });
                    false
                }
            },
            _ => true,
        });
        self.failures += notes.len() as u64;
        notes.truncate(NOTES_MAX.saturating_sub(self.notes.len()));
        self.notes.append(&mut notes);
    }

    /// Most files that are only too fresh to be sure of are as they were, and make no snapshot.
    fn settle(&mut self, root: &Root) {
        let (rows, counts) = (&mut self.settled, &mut self.counts);
        self.steps.retain(|step| {
            let Step::Put(path, meta, Some(row)) = step else { return true };
            let Some(record) = settled(root, path, meta, row) else { return true };
            counts.changed -= 1;
            counts.unmodified += 1;
            counts.bytes -= meta.size;
            rows.push(RowChange::Put(path.clone(), record));
            false
        });
    }

    fn note(&mut self, note: Note) {
        self.failures += u64::from(note.reason.is_failure());
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note);
        }
    }

    fn take(&mut self, difference: Difference, cover: &mut Option<TreePath>) {
        match difference {
            Difference::Same(_, row) | Difference::Kept(_, row) => {
                self.counts.unmodified += u64::from(row.meta.kind == Kind::File);
            }
            Difference::New(path, meta) => {
                self.vanished.arrives(&meta);
                if meta.kind == Kind::File {
                    self.counts.new += 1;
                    self.counts.bytes += meta.size;
                }
                self.steps.push(Step::Put(path, meta, None));
            }
            Difference::Changed(path, meta, row) => {
                if meta.kind == Kind::File {
                    self.counts.changed += 1;
                    self.counts.bytes += meta.size;
                }
                if row.meta.inode != meta.inode {
                    self.vanished.arrives(&meta);
                }
                if row.meta.kind == Kind::Directory && meta.kind != Kind::Directory {
                    *cover = Some(path.clone());
                }
                self.steps.push(Step::Put(path, meta, Some(row)));
            }
            Difference::Removed(path, row) => {
                self.vanished.leaves(&row.meta);
                self.remove(path, &row, cover);
            }
            Difference::LeftOut(path, row) => self.remove(path, &row, cover),
            Difference::Note(note) => self.note(note),
        }
    }

    fn remove(&mut self, path: TreePath, row: &Record, cover: &mut Option<TreePath>) {
        self.counts.removed += u64::from(row.meta.kind == Kind::File);
        let covered = cover.as_ref().is_some_and(|cover| path.is_within(cover));
        if !covered && row.meta.kind == Kind::Directory {
            *cover = Some(path.clone());
        }
        self.steps.push(Step::Remove { path, covered });
    }
}
