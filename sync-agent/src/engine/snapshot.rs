//! One folder's backup: what changed is planned, read, stored and committed, and then noted in the index. Cut off at any
//! point it leaves the last snapshot, and the next run goes on with the upload.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use client::{
    Error, Fingerprint, KnownChunks, Pace, Path, Progress, Repair, TreeEdits, TreeTarget, TreeWriter, Vault,
};
use protocol::id::{BlobId, IdempotencyKey};

use super::EngineError;
use super::limiter::Limiter;
use super::make::Maker;
use super::plan::{Counts, Findings, Plan, Target};
use super::rebuild::{Keep, rebuild};
use super::schedule::Work;
use crate::index::{Damage, FolderState, HoldReason, Index, IndexError, RowChange};
use crate::platform::{boot_ms, now_ms, random};
use crate::scan::{Note, Reason, ScanError, Seen, TreePath};

/// Parts of a first backup that are made without looking at the folder's other events.
const PARTS_MAX: usize = 1000;
/// How often what stands in the way of a snapshot is put right before the next try waits.
const MENDS_MAX: usize = 3;

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

/// What is left to do after a part of a backup.
enum Rest {
    Nothing,
    /// What comes after this path, or everything is to be looked at again.
    After(Option<TreePath>),
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
    /// What is only known to be in the vault is read and sent again.
    pub(super) reads_all: bool,
}

impl Backup {
    /// Looks at what the work names, and commits what changed.
    pub(super) async fn run(mut self, work: Work) -> Result<BackedUp, EngineError> {
        let source = self.target.source;
        let damage = self.index.folder(&source)?.damage;
        self.target.is_anew = damage.is_some_and(|damage| damage.in_tree);
        // A tree that is lost tells of no rows.
        let is_rebuilt = !self.target.is_anew && self.check_index().await?;
        let before = self.index.folder(&source)?;
        let mut out = BackedUp { was_held: before.hold.is_some(), ..BackedUp::default() };
        let mut work = match work {
            _ if self.target.is_anew || !self.vault.is_complete(source) => {
                Work::Everything { freshness: true }
            }
            // What an event told of may by now be nothing that this index knows, and more may be.
            Work::Paths(_) if is_rebuilt => Work::Everything { freshness: false },
            work => work,
        };
        let mut mends = 0;
        for _ in 0..PARTS_MAX {
            out.is_full_scan = matches!(work, Work::Everything { .. });
            self.target.is_complete = self.vault.is_complete(source);
            let mut plan = match self.plan(&work).await {
                Ok(plan) => plan,
                Err(ScanError::Root { .. }) if self.index.folder(&source)?.seq.is_some() => {
                    out.hold = Some(HoldReason::Missing);
                    return Ok(out);
                }
                Err(error) => return Err(error.into()),
            };
            out.is_elsewhere = before.place.is_some_and(|place| place != plan.root.place());
            out.hold = plan.hold(&self.index.folder(&source)?);
            if (out.hold.is_some() || plan.has_other_names) && !out.is_full_scan {
                // What is gone from these paths may lie elsewhere by now, and what changed be seen elsewhere too.
                work = Work::Everything { freshness: false };
                continue;
            }
            let freshness = matches!(work, Work::Everything { freshness: true });
            let is_unchanged = plan.found.steps.is_empty() && self.target.is_complete;
            if out.hold.is_some() || is_unchanged && !freshness {
                let has_more = plan.found.has_more && out.hold.is_none();
                self.note_scan(&mut out, plan)?;
                if has_more {
                    continue;
                }
                return Ok(out);
            }
            let counts = plan.found.counts;
            self.totals.set(Some((counts.new + counts.changed, counts.bytes)));
            match self.commit(plan, &mut out).await {
                Ok(Rest::Nothing) => return Ok(out),
                Ok(Rest::After(path)) => self.target.after = path,
                Err(error) if mends < MENDS_MAX => {
                    self.mend(error).await?;
                    mends += 1;
                    self.target.after = None;
                    work = Work::Everything { freshness };
                }
                Err(error) => return Err(error),
            }
        }
        Err(EngineError::NeverComplete)
    }

    /// The rows must tell of the vault's newest snapshot. Returns whether they had to be made anew.
    async fn check_index(&self) -> Result<bool, EngineError> {
        let source = self.target.source;
        let state = self.index.folder(&source)?;
        let newest = self.vault.snapshots(source).last().map(|snapshot| snapshot.seq);
        if state.seq == newest {
            return Ok(false);
        }
        tracing::info!(source = %source.short(), "the index is made anew from the newest snapshot");
        rebuild(&self.vault, &self.index, source, state, Keep::Proven).await?;
        Ok(true)
    }

    /// Puts right what kept a snapshot from being made, if that can be: then another plan may be carried out.
    async fn mend(&mut self, error: EngineError) -> Result<(), EngineError> {
        match error {
            EngineError::Client(Error::StaleBase) => self.check_index().await.map(drop),
            EngineError::Client(Error::Gone(blobs)) => {
                tracing::warn!(count = blobs.len(), "files are read again, because parts of them are gone");
                self.index.forget_chunks(&blobs.into_iter().collect())?;
                if std::mem::replace(&mut self.reads_all, true) {
                    // They belong to what did not even change.
                    let source = self.target.source;
                    let state = self.index.folder(&source)?;
                    rebuild(&self.vault, &self.index, source, state, Keep::Nothing).await?;
                }
                Ok(())
            }
            EngineError::Client(Error::Unverified(blob)) => Ok(self.note_lost(blob)?),
            error => Err(error),
        }
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

    /// A part that looks at everything meets again what those before it could not take in; one that goes on after the
    /// last does not.
    fn begin_part(&self, out: &mut BackedUp) {
        if self.target.after.is_none() {
            (out.bytes, out.unreadable) = (0, 0);
            out.notes.clear();
        }
    }

    fn count(&self, out: &mut BackedUp, counts: Counts, seen: Seen) {
        let meets_again = self.target.after.is_none();
        out.counts = if meets_again { out.counts.followed_by(counts) } else { out.counts.and(counts) };
        out.bytes += seen.bytes;
    }

    fn note_scan(&self, out: &mut BackedUp, plan: Plan) -> Result<(), EngineError> {
        let place = plan.root.place();
        let (is_held, is_full) = (out.hold.is_some(), out.is_full_scan);
        self.begin_part(out);
        self.count(out, plan.found.counts, plan.found.seen);
        out.unreadable = self.unreadable(out, out.unreadable + plan.found.failures)?;
        out.notes.extend(plan.found.notes);
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

    /// Commits a plan.
    async fn commit(&self, plan: Plan, out: &mut BackedUp) -> Result<Rest, EngineError> {
        let source = self.target.source;
        let Plan { root, found, .. } = plan;
        self.begin_part(out);
        let Findings { steps, notes, failures, counts, has_more, seen, settled, met_to_remove, .. } = found;
        let failures = out.unreadable + failures;
        let place = root.place();
        let learned: Learned = Rc::default();
        let session = self.session_key()?;
        let before = self.index.folder(&source)?;
        // Changes that are all that there is go on top of whatever is newest.
        let newest = || self.vault.snapshots(source).last().map(|snapshot| snapshot.seq);
        let base = if self.target.is_anew { newest() } else { before.seq };
        let repair = repair(before.damage.as_ref());
        let known = Some(self.known_chunks(&learned));
        let target = TreeTarget { source, base, session, known, repair, pace: Some(pace(&self.limiter)) };
        let mut rows = settled;
        let mut unreadable = 0;
        let mut own_notes = Vec::new();
        let mut left = Vec::new();
        let mut last = None;
        let make = async |writer: TreeWriter| {
            let may_stop = !self.target.is_complete && !self.target.is_anew;
            let root = Arc::new(root);
            let reads_all = self.reads_all;
            let maker = Maker { writer, root, index: &self.index, source, may_stop, reads_all };
            let made = maker.make(steps).await?;
            let mut changes = Vec::with_capacity(made.entries.len());
            for (change, row) in made.entries {
                changes.push(change);
                rows.push(row);
            }
            (left, last) = (made.left, made.last);
            own_notes = made.notes;
            let found = failures + own_notes.len() as u64;
            unreadable = if out.is_full_scan { found } else { found.max(before.unreadable) };
            Ok(TreeEdits { changes, unreadable_files: unreadable, partial: has_more || !left.is_empty() })
        };
        let written = self.vault.write_tree(target, &self.progress, make).await?;
        refuse(&written.refused, &mut rows, &mut own_notes);
        if self.target.is_anew {
            // There is no tree that they could have stayed in.
            rows.extend(own_notes.iter().map(|note| RowChange::Remove(note.path.clone())));
        }
        unreadable += written.refused.len() as u64;
        let is_last = !has_more && left.is_empty();
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
            is_confirmed: before.is_confirmed && !is_last,
            hold: None,
            damage: before.damage.and_then(Damage::mended),
            ..before
        };
        self.index.apply(&source, &rows, &state)?;
        self.index.add_chunks(&learned.take())?;
        out.seq = Some(written.seq);
        out.new_bytes_sent += written.new_bytes_sent;
        self.count(out, left.into_iter().fold(counts, Counts::without), seen);
        out.unreadable = unreadable;
        out.notes.extend(notes.into_iter().chain(own_notes));
        let goes_on = met_to_remove == 0 && !self.target.is_complete && !self.target.is_anew;
        Ok(if is_last { Rest::Nothing } else { Rest::After(last.filter(|_| goes_on)) })
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

    /// A part that the vault does not give back is sent again by the next attempt.
    fn note_lost(&self, blob: BlobId) -> Result<(), IndexError> {
        let source = self.target.source;
        self.index.distrust(&source, &HashSet::from([blob]), &HashSet::new())?;
        let note = |state: &mut FolderState| {
            let damage = state.damage.get_or_insert_default();
            if !damage.blobs.contains(&blob) {
                damage.blobs.push(blob);
            }
        };
        self.index.update_folder(&source, note).map(drop)
    }
}

/// What the snapshot stores again.
fn repair(damage: Option<&Damage>) -> Repair {
    let Some(damage) = damage else { return Repair::default() };
    Repair { blobs: Rc::new(damage.blobs.iter().copied().collect()), trees: damage.in_tree }
}

/// What asks the limiter before bytes leave.
fn pace(limiter: &Rc<RefCell<Limiter>>) -> Pace {
    let limiter = limiter.clone();
    Rc::new(move |bytes| {
        let wait_ms = limiter.borrow_mut().wait_ms(bytes as u64, boot_ms(), now_ms())?;
        Some(Box::pin(tokio::time::sleep(Duration::from_millis(wait_ms))))
    })
}

type Learned = Rc<RefCell<HashMap<Fingerprint, BlobId>>>;

/// What the client did not take is not in the snapshot, so it must not be in the index.
fn refuse(refused: &[(Path, String)], rows: &mut Vec<RowChange>, notes: &mut Vec<Note>) {
    for (path, reason) in refused {
        let path = path.names().iter().fold(TreePath::default(), |path, name| path.join(name.as_bytes()));
        rows.retain(|row| !matches!(row, RowChange::Put(put, _) if *put == path));
        notes.push(Note { path, reason: Reason::Unreadable(reason.clone()) });
    }
}
