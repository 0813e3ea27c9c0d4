//! One folder's backup: what changed is planned, read, stored and committed, and then noted in the index. Cut off at any
//! point it leaves the last snapshot, and the next run goes on with the upload.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use client::{
    Error, Fingerprint, KnownChunks, Path, Progress, TreeChange, TreeEdits, TreeTarget, TreeWriter, Vault,
};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use protocol::id::{BlobId, IdempotencyKey, SourceId};

use super::EngineError;
use super::limiter::Limiter;
use super::plan::{Counts, Findings, Plan, Step, Target};
use super::read::{metadata, read_directory, read_file, read_link, read_metadata};
use super::rebuild::rebuild;
use super::schedule::Work;
use crate::index::{FolderState, HoldReason, Index, Record, RowChange};
use crate::platform::{now_ms, random};
use crate::scan::{Kind, Meta, Note, Reason, Root, ScanError, TreePath};

/// Entries that are read at the same time; how many bytes, the client decides.
const ENTRIES_AT_ONCE: usize = 64;
/// Parts of a first backup that are made without looking at the folder's other events.
const PARTS_MAX: usize = 1000;

/// What a backup of a folder came to.
#[derive(Debug, Default)]
pub(super) struct BackedUp {
    /// The commit, unless nothing had changed.
    pub(super) seq: Option<u64>,
    pub(super) counts: Counts,
    /// Bytes of all files that were looked at.
    pub(super) bytes: u64,
    pub(super) new_bytes_sent: u64,
    pub(super) notes: Vec<Note>,
    /// Files that are missing from it.
    pub(super) unreadable: u64,
    /// A person has to say something first; nothing was done.
    pub(super) hold: Option<HoldReason>,
    pub(super) is_full_scan: bool,
    /// A person had something to say before this.
    pub(super) was_held: bool,
    /// The folder is another one than before, in the same place.
    pub(super) is_elsewhere: bool,
}

/// What a folder's backup needs.
pub(super) struct Backup {
    pub(super) vault: Vault,
    pub(super) index: Arc<Index>,
    pub(super) target: Target,
    pub(super) progress: Rc<Progress>,
    /// Files and bytes to read, for who looks on.
    pub(super) totals: Rc<Cell<Option<(u64, u64)>>>,
    pub(super) limiter: Rc<RefCell<Limiter>>,
}

/// An entry as it goes into the snapshot and into the index.
type Made = (TreeChange, RowChange);

impl Backup {
    /// Looks at what the work names, and commits what changed.
    pub(super) async fn run(mut self, work: Work) -> Result<BackedUp, EngineError> {
        self.check_index().await?;
        let before = self.index.folder(&self.target.source)?;
        let mut out = BackedUp { was_held: before.hold.is_some(), ..BackedUp::default() };
        // An incomplete source is always looked at as a whole.
        let source = self.target.source;
        let mut work =
            if self.vault.is_complete(source) { work } else { Work::Everything { freshness: true } };
        for _ in 0..PARTS_MAX {
            out.is_full_scan = matches!(work, Work::Everything { .. });
            self.target.is_complete = self.vault.is_complete(source);
            let plan = match self.plan(&work).await {
                Ok(plan) => plan,
                Err(ScanError::Root { .. }) if self.index.folder(&source)?.seq.is_some() => {
                    out.hold = Some(HoldReason::Missing);
                    return Ok(out);
                }
                Err(error) => return Err(error.into()),
            };
            out.is_elsewhere = before.place.is_some_and(|place| place != plan.root.place());
            out.hold = plan.hold(&self.index.folder(&source)?);
            if (out.hold.is_some() || plan.found.has_other_names) && !out.is_full_scan {
                // What is gone from these paths may lie elsewhere by now, and what changed be seen elsewhere too.
                work = Work::Everything { freshness: false };
                continue;
            }
            let freshness = matches!(work, Work::Everything { freshness: true });
            let is_unchanged = plan.found.steps.is_empty() && self.target.is_complete;
            if out.hold.is_some() || is_unchanged && !freshness {
                self.note_scan(&mut out, plan)?;
                return Ok(out);
            }
            let counts = plan.found.counts;
            self.totals.set(Some((counts.new + counts.changed, counts.bytes)));
            if !self.commit(plan, &mut out).await? {
                return Ok(out);
            }
        }
        Err(EngineError::NeverComplete)
    }

    /// The rows must tell of the vault's newest snapshot.
    async fn check_index(&self) -> Result<(), EngineError> {
        let source = self.target.source;
        let state = self.index.folder(&source)?;
        let newest = self.vault.snapshots(source).last().map(|snapshot| snapshot.seq);
        if state.seq != newest {
            tracing::info!(source = %source.short(), "the index is made anew from the newest snapshot");
            rebuild(&self.vault, &self.index, source, state).await?;
        }
        Ok(())
    }

    async fn plan(&self, work: &Work) -> Result<Plan, ScanError> {
        let (target, work, index) = (self.target.clone(), work.clone(), self.index.clone());
        let planned = tokio::task::spawn_blocking(move || Plan::make(&target, &work, &index));
        planned.await.expect("scanning does not panic")
    }

    /// Entries that are missing, as far as is known: a scan of a part does not meet those elsewhere.
    fn unreadable(&self, out: &BackedUp, found: u64) -> Result<u64, EngineError> {
        let before = self.index.folder(&self.target.source)?.unreadable;
        Ok(if out.is_full_scan { found } else { found.max(before) })
    }

    fn note_scan(&self, out: &mut BackedUp, plan: Plan) -> Result<(), EngineError> {
        let place = plan.root.place();
        let (is_held, is_full) = (out.hold.is_some(), out.is_full_scan);
        out.counts = plan.found.counts;
        out.bytes = plan.found.seen.bytes;
        out.unreadable = self.unreadable(out, plan.found.failures)?;
        out.notes = plan.found.notes;
        let unreadable = out.unreadable;
        let source = self.target.source;
        let state = self.index.update_folder(&source, |state| {
            state.unreadable = unreadable;
            state.place = Some(place).filter(|_| !is_held).or(state.place);
            if is_full && !is_held {
                state.full_scan_ms = Some(now_ms());
                state.is_confirmed = false;
            }
        })?;
        if !is_held && !plan.found.settled.is_empty() {
            self.index.apply(&source, &plan.found.settled, &state)?;
        }
        Ok(())
    }

    /// Commits a plan; returns whether there is more to do.
    async fn commit(&self, plan: Plan, out: &mut BackedUp) -> Result<bool, EngineError> {
        let source = self.target.source;
        let Plan { root, found } = plan;
        let Findings { steps, notes, failures, counts, has_more, seen, settled, .. } = found;
        let place = root.place();
        let learned: Learned = Rc::default();
        let session = self.session_key()?;
        let target = TreeTarget { source, session, known: Some(self.known_chunks(&learned)) };
        let mut rows = settled;
        let before = self.index.folder(&source)?;
        let mut unreadable = 0;
        let mut own_notes = Vec::new();
        let mut is_cut_short = false;
        let make = async |writer: TreeWriter| {
            let may_stop = !self.target.is_complete;
            let (root, limiter) = (Arc::new(root), self.limiter.clone());
            let maker = Maker { writer, root, limiter, index: &self.index, source, may_stop };
            let made = maker.make(steps).await?;
            let mut changes = Vec::with_capacity(made.entries.len());
            for (change, row) in made.entries {
                changes.extend(change);
                rows.push(row);
            }
            is_cut_short = made.is_cut_short;
            own_notes = made.notes;
            let found = failures + own_notes.len() as u64;
            unreadable = if out.is_full_scan { found } else { found.max(before.unreadable) };
            Ok(TreeEdits { changes, unreadable_files: unreadable, partial: has_more || is_cut_short })
        };
        let written = self.vault.write_tree(target, &self.progress, make).await;
        let written = written.map_err(|error| self.forget_if_gone(error))?;
        refuse(&written.refused, &mut rows, &mut own_notes);
        unreadable += written.refused.len() as u64;
        let newest = self.vault.snapshots(source).last().cloned();
        let state = FolderState {
            seq: Some(written.seq),
            files: newest.as_ref().map_or(before.files, |newest| newest.files),
            bytes: newest.as_ref().map_or(before.bytes, |newest| newest.bytes),
            upload: None,
            full_scan_ms: if out.is_full_scan { Some(now_ms()) } else { before.full_scan_ms },
            backup_ms: Some(now_ms()),
            place: Some(place),
            unreadable,
            is_confirmed: false,
            hold: None,
            ..before
        };
        self.index.apply(&source, &rows, &state)?;
        self.index.add_chunks(&learned.take())?;
        out.seq = Some(written.seq);
        out.new_bytes_sent += written.new_bytes_sent;
        out.counts.new += counts.new;
        out.counts.changed += counts.changed;
        out.counts.removed += counts.removed;
        out.counts.bytes += counts.bytes;
        out.counts.unmodified = counts.unmodified;
        out.bytes = seen.bytes;
        out.unreadable = unreadable;
        out.notes.extend(notes.into_iter().chain(own_notes));
        Ok(has_more || is_cut_short)
    }

    /// The key of the upload: that of a run that did not finish, or a new one, noted before it is used.
    fn session_key(&self) -> Result<IdempotencyKey, EngineError> {
        let new = IdempotencyKey::from_bytes(random()).expect("16 random bytes are not all zero");
        let source = self.target.source;
        let state = self.index.update_folder(&source, |state| state.upload = state.upload.or(Some(new)))?;
        Ok(state.upload.unwrap_or(new))
    }

    fn known_chunks(&self, learned: &Learned) -> Rc<KnownChunks> {
        let (index, found, new) = (self.index.clone(), learned.clone(), learned.clone());
        Rc::new(KnownChunks {
            // An index that cannot be read costs a chunk that is sent again, and fails the backup later by itself.
            find: Box::new(move |fingerprint| {
                let known = index.chunk(fingerprint).ok().flatten();
                known.or_else(|| found.borrow().get(fingerprint).copied())
            }),
            learn: Box::new(move |fingerprint, blob| {
                new.borrow_mut().insert(fingerprint, blob);
            }),
        })
    }

    fn forget_if_gone(&self, error: Error) -> EngineError {
        if let Error::Gone(_) = &error
            && let Err(error) = self.index.forget_chunks()
        {
            return error.into();
        }
        error.into()
    }
}

type Learned = Rc<RefCell<HashMap<Fingerprint, BlobId>>>;

/// What the client did not take is not in the snapshot, so it must not be in the index.
fn refuse(refused: &[(Path, String)], rows: &mut Vec<RowChange>, notes: &mut Vec<Note>) {
    for (path, reason) in refused {
        let path = path.names().iter().fold(TreePath::default(), |path, name| path.join(name.as_bytes()));
        let is_directory = |row: &RowChange| matches!(row, RowChange::Put(put, record) if *put == path && record.meta.kind == Kind::Directory);
        // In the place of a directory it would have covered what was in that.
        let is_covering = !rows.iter().any(is_directory);
        rows.retain(|row| match row {
            RowChange::Put(put, _) => *put != path,
            RowChange::Remove(gone) => !(is_covering && gone.is_within(&path)),
        });
        notes.push(Note { path, reason: Reason::Unreadable(reason.clone()) });
    }
}

/// Makes entries from what lies on the disk.
struct Maker<'a> {
    writer: TreeWriter,
    root: Arc<Root>,
    limiter: Rc<RefCell<Limiter>>,
    index: &'a Index,
    source: SourceId,
    /// A part of a first backup may end before all steps are made.
    may_stop: bool,
}

/// What entries became, where they became anything.
type Outcome = Result<(Option<TreeChange>, RowChange), Note>;

struct MadeAll {
    entries: Vec<(Option<TreeChange>, RowChange)>,
    notes: Vec<Note>,
    /// Some steps were left for the next part.
    is_cut_short: bool,
}

impl Maker<'_> {
    /// In the order of the steps, whatever is read first.
    async fn make(&self, steps: Vec<Step>) -> Result<MadeAll, Error> {
        let mut all =
            MadeAll { entries: Vec::with_capacity(steps.len()), notes: Vec::new(), is_cut_short: false };
        let mut left = steps.len();
        let mut made = stream::iter(steps).map(|step| self.step(step)).buffered(ENTRIES_AT_ONCE);
        while let Some(outcome) = made.try_next().await? {
            match outcome {
                // What it would have covered stays, as it does in the tree.
                Ok((None, RowChange::Remove(path)))
                    if all.notes.last().is_some_and(|note| path.is_within(&note.path)) => {}
                Ok(made) => all.entries.push(made),
                Err(note) => all.notes.push(note),
            }
            left -= 1;
            if self.may_stop && self.writer.is_part_due() {
                break;
            }
        }
        all.is_cut_short = left > 0;
        Ok(all)
    }

    async fn step(&self, step: Step) -> Result<Outcome, Error> {
        match step {
            Step::Remove { path, covered } => {
                let change = if covered { None } else { Some(TreeChange::Removed { path: to_path(&path)? }) };
                Ok(Ok((change, RowChange::Remove(path))))
            }
            Step::Put(path, meta, before) => match self.put(&path, meta, before).await? {
                Ok((change, row)) => Ok(Ok((Some(change), row))),
                Err(reason) => Ok(Err(Note { path, reason: Reason::Unreadable(reason) })),
            },
        }
    }

    async fn put(
        &self,
        path: &TreePath,
        meta: Meta,
        before: Option<Record>,
    ) -> Result<Result<Made, String>, Error> {
        let at = to_path(path)?;
        match meta.kind {
            Kind::Directory => {
                let metadata = match read_directory(&self.root, path, meta).await {
                    Ok(metadata) => metadata,
                    // It can be listed by its parent; that it cannot be entered is noted by the walk.
                    Err(_) => metadata(&meta, BTreeMap::new()),
                };
                let row = RowChange::Put(path.clone(), Record::new(meta, None, i64::MAX));
                Ok(Ok((TreeChange::Directory { path: at, metadata }, row)))
            }
            Kind::Symlink => match read_link(&self.root, path).await {
                Ok(target) => {
                    let metadata = metadata(&meta, BTreeMap::new());
                    let row = RowChange::Put(path.clone(), Record::new(meta, None, i64::MAX));
                    Ok(Ok((TreeChange::Symlink { path: at, metadata, target }, row)))
                }
                Err(error) => Ok(Err(error.to_string())),
            },
            Kind::File => self.put_file(path, at, meta, before).await,
        }
    }

    async fn put_file(
        &self,
        path: &TreePath,
        at: Path,
        meta: Meta,
        before: Option<Record>,
    ) -> Result<Result<Made, String>, Error> {
        // A file that only lies elsewhere now need not be read. One that was here before is another.
        if before.is_none()
            && let Some(made) = self.moved(path, &at, meta).await
        {
            return Ok(Ok(made));
        }
        let read = match read_file(&self.root, path, &self.writer, &self.limiter).await? {
            Ok(read) => read,
            Err(reason) => return Ok(Err(reason)),
        };
        let change = TreeChange::File {
            path: at,
            metadata: read.metadata,
            content: read.content,
            changed: read.changed,
        };
        Ok(Ok((change, RowChange::Put(path.clone(), read.record))))
    }

    async fn moved(&self, path: &TreePath, at: &Path, meta: Meta) -> Option<Made> {
        let record = self.index.moved(&meta).ok()??;
        let stored = record.file.clone()?;
        let content = stored.content.into_content()?;
        let metadata = read_metadata(&self.root, path, meta).await.ok()?;
        tracing::debug!(source = %self.source.short(), %path, "moved here");
        let content = client::StoredContent { size: meta.size, hash: stored.hash, content };
        let change = TreeChange::File { path: at.clone(), metadata, content, changed: false };
        Some((change, RowChange::Put(path.clone(), record)))
    }
}

fn to_path(path: &TreePath) -> Result<Path, Error> {
    Path::parse(&path.components().collect::<Vec<_>>())
}
