//! What a snapshot of a folder would change, as data: collected on a thread of its own, judged, and then either carried
//! out or not.

use std::path::PathBuf;

use protocol::id::SourceId;

use super::deletions::{Vanished, is_mass_deletion};
use super::links::are_among;
use super::parts::{Part, parts};
use super::schedule::Work;
use super::settle::settled;
use crate::index::{FolderState, HoldReason, Index, IndexError, Record, RowChange};
use crate::scan::{
    Compare, Difference, Exclude, Kind, Meta, Note, Reason, Root, ScanError, Seen, TreePath, Walk,
};

/// Entries that one snapshot takes in at most, and as many that it takes away: what bounds the memory of one.
const PART_CHANGES_MAX: usize = 20_000;
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
    /// The source has a snapshot with all its files. Then one that does not hold all changes yet lacks nothing that is
    /// there: what is gone goes from it last.
    pub(super) is_complete: bool,
    /// What comes up to it was looked at for the part before.
    pub(super) after: Option<TreePath>,
    /// The newest snapshot's tree is lost: the next one takes nothing from it, and holds all that is there.
    pub(super) is_anew: bool,
}

/// One change to be made.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// New, or changed from what the index says.
    Put(TreePath, Meta, Option<Record>),
    /// Gone, with all that was beneath it.
    Remove(TreePath),
}

impl Step {
    /// What it adds to the counts of its snapshot. What is taken away is counted when it is found.
    pub(super) fn counts(&self) -> Counts {
        match self {
            Self::Put(_, meta, before) if meta.kind == Kind::File => {
                let (new, changed) = (u64::from(before.is_none()), u64::from(before.is_some()));
                Counts { new, changed, bytes: meta.size, ..Counts::default() }
            }
            Self::Put(..) | Self::Remove(_) => Counts::default(),
        }
    }
}

/// What a snapshot would change, and the folder to read it from.
pub(super) struct Plan {
    pub(super) root: Root,
    pub(super) found: Findings,
    /// A changed file has other names, which may lie beyond what was looked at.
    pub(super) has_other_names: bool,
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
    /// There are more changes than one snapshot takes: another follows.
    pub(super) has_more: bool,
    /// Entries to be taken away that were met. Without any, each step lies after the one before it.
    pub(super) met_to_remove: usize,
    /// What the snapshot will hold less of.
    removals: Vec<Step>,
    /// Entries are new or changed that `steps` has no room for.
    puts_wait: bool,
    /// See [`Target`]. Such a snapshot is made at once, whatever its size: part of it would lack what the old one had.
    is_anew: bool,
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

impl Counts {
    /// Of both, which met nothing twice.
    pub(super) fn and(self, next: Self) -> Self {
        Self {
            new: self.new + next.new,
            changed: self.changed + next.changed,
            unmodified: self.unmodified + next.unmodified,
            removed: self.removed + next.removed,
            bytes: self.bytes + next.bytes,
        }
    }

    /// Without what was left undone of it.
    pub(super) fn without(self, left: Self) -> Self {
        Self {
            new: self.new - left.new,
            changed: self.changed - left.changed,
            bytes: self.bytes - left.bytes,
            ..self
        }
    }

    /// Of both, where the second met again what the first had taken in.
    pub(super) fn followed_by(self, next: Self) -> Self {
        Self { unmodified: next.unmodified.saturating_sub(self.new + self.changed), ..self.and(next) }
    }
}

impl Plan {
    /// Compares what the work names with the index. Blocks.
    ///
    /// # Errors
    /// If the folder itself cannot be opened, or the index cannot be read.
    pub(super) fn make(target: &Target, work: &Work, index: &Index) -> Result<Self, ScanError> {
        let root = Root::open(&target.path, target.exclude.clone(), &target.own)?;
        let mut found = Findings { is_anew: target.is_anew, ..Findings::default() };
        match work {
            Work::Everything { .. } if let Some(after) = &target.after => {
                let walk = Walk::after(&root, after.clone());
                let walk = walk.map_err(|source| ScanError::Root { path: target.path.clone(), source })?;
                found.take_all(
                    target,
                    &root,
                    Compare::new(walk, index.rows_after(&target.source, after)?),
                )?;
            }
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
        found.let_removals_wait();
        let has_other_names = are_among(&found.steps, &root);
        Ok(Self { root, found, has_other_names })
    }

    /// Whether a person should say first that this was meant.
    pub(super) fn hold(&mut self, state: &FolderState) -> Option<HoldReason> {
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
        self.take_all(target, root, Compare::new(walk, index.rows(&target.source, within)?))
    }

    fn take_all(
        &mut self,
        target: &Target,
        root: &Root,
        mut compare: Compare<'_, impl Iterator<Item = Result<(TreePath, Record), IndexError>>>,
    ) -> Result<(), ScanError> {
        let mut cover: Option<TreePath> = None;
        for difference in &mut compare {
            self.take(root, difference?, &mut cover);
            if self.has_more && !target.is_complete {
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

    /// Takes in what is new or changed.
    fn put(&mut self, root: &Root, path: TreePath, meta: Meta, row: Option<Record>) {
        if !self.is_anew && self.steps.len() + self.settled.len() >= PART_CHANGES_MAX {
            (self.has_more, self.puts_wait) = (true, true);
            return;
        }
        // A file that may not be read is told of now, so that it alone never makes a snapshot.
        if meta.kind == Kind::File
            && let Err(error) = root.check_readable(&path)
        {
            if self.is_anew {
                // There is no tree that it could stay in.
                self.settled.push(RowChange::Remove(path.clone()));
            }
            return self.note(Note { path, reason: Reason::Unreadable(error.to_string()) });
        }
        // Most files that are only too fresh to be sure of are as they were, and make no snapshot.
        let fresh = row.as_ref().filter(|_| !self.is_anew);
        if let Some(record) = fresh.and_then(|row| settled(root, &path, &meta, row)) {
            self.counts.unmodified += 1;
            self.settled.push(RowChange::Put(path, record));
            return;
        }
        // A directory that gives way to something else takes with it what was in it.
        let was_directory = row.as_ref().is_some_and(|row| row.meta.kind == Kind::Directory);
        if was_directory && meta.kind != Kind::Directory {
            let step = Step::Put(path, meta, row);
            let counts = step.counts();
            if self.take_away(step) {
                self.counts = self.counts.and(counts);
            }
            return;
        }
        let step = Step::Put(path, meta, row);
        self.counts = self.counts.and(step.counts());
        self.steps.push(step);
    }

    /// Takes in what the snapshot will hold less of. Returns whether there was room.
    fn take_away(&mut self, step: Step) -> bool {
        let has_room = self.is_anew || self.removals.len() < PART_CHANGES_MAX;
        self.has_more |= !has_room;
        if has_room {
            self.removals.push(step);
        }
        has_room
    }

    /// What moved is taken in where it is now before it is taken away from where it was, in whatever order the paths
    /// come: no snapshot lacks what is there.
    fn let_removals_wait(&mut self) {
        self.met_to_remove = self.removals.len();
        if self.puts_wait {
            self.removals.clear();
            self.counts.removed = 0;
        }
        self.steps.append(&mut self.removals);
    }

    fn note(&mut self, note: Note) {
        self.failures += u64::from(note.reason.is_failure());
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note);
        }
    }

    fn take(&mut self, root: &Root, difference: Difference, cover: &mut Option<TreePath>) {
        match difference {
            // The row's times are the entry's: else it had changed.
            Difference::Same(path, row) if self.is_anew => {
                self.counts.unmodified += u64::from(row.meta.kind == Kind::File);
                self.steps.push(Step::Put(path, row.meta, Some(row)));
            }
            Difference::Kept(path, _) if self.is_anew => self.settled.push(RowChange::Remove(path)),
            Difference::Same(_, row) | Difference::Kept(_, row) => {
                self.counts.unmodified += u64::from(row.meta.kind == Kind::File);
            }
            Difference::New(path, meta) => {
                self.vanished.arrives(&meta);
                self.put(root, path, meta, None);
            }
            Difference::Changed(path, meta, row) => {
                if row.meta.inode != meta.inode {
                    self.vanished.arrives(&meta);
                }
                if row.meta.kind == Kind::Directory && meta.kind != Kind::Directory {
                    *cover = Some(path.clone());
                }
                self.put(root, path, meta, Some(row));
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
        if self.is_anew {
            // From a tree that is made anew nothing is removed but its row.
            self.counts.removed += u64::from(row.meta.kind == Kind::File);
            self.settled.push(RowChange::Remove(path));
            return;
        }
        let is_covered = cover.as_ref().is_some_and(|cover| path.is_within(cover));
        if !is_covered {
            if !self.take_away(Step::Remove(path.clone())) {
                return;
            }
            if row.meta.kind == Kind::Directory {
                *cover = Some(path);
            }
        }
        self.counts.removed += u64::from(row.meta.kind == Kind::File);
    }
}
