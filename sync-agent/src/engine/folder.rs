//! One folder while the agent runs: its settings, its schedule, and what went wrong with it.

use std::cell::Cell;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::rc::Rc;

use client::{Progress, Source};
use tokio::sync::mpsc;

use super::plan::Target;
use super::proof_schedule::ProofSchedule;
use super::schedule::Schedule;
use super::snapshot::BackedUp;
use crate::control::Reply;
use crate::index::{Damage, FolderState};
use crate::report::{Activity, FolderReport, Problem};
use crate::scan::{Exclude, ExcludeError};

/// Problems that are remembered; the web app and `status` show no more.
const PROBLEMS_MAX: usize = 50;

/// A folder that this agent backs up.
pub(super) struct Folder {
    pub(super) settings: Source,
    pub(super) path: PathBuf,
    pub(super) schedule: Schedule,
    /// Why changes are found by scans alone.
    pub(super) polling: Option<String>,
    pub(super) overflows: u64,
    /// Entries that could not be backed up, of the last scan of everything.
    pub(super) problems: Vec<Problem>,
    /// Why the last attempt failed.
    pub(super) failure: Option<String>,
    /// Who waits for the end of a backup that did not begin yet.
    pub(super) waiting: Vec<Waiting>,
    pub(super) proofs: ProofSchedule,
    /// Who waits for the end of a proof.
    pub(super) waiting_for_proof: Vec<Waiting>,
}

/// Somebody who is told when a backup ends.
pub(super) type Waiting = mpsc::UnboundedSender<Reply>;

/// How far the backup under way is.
#[derive(Default)]
pub(super) struct Meter {
    pub(super) progress: Rc<Progress>,
    /// Files and bytes to read, once they are known.
    pub(super) totals: Rc<Cell<Option<(u64, u64)>>>,
}

impl Folder {
    pub(super) fn new(settings: Source, schedule: Schedule, proofs: ProofSchedule) -> Self {
        Self {
            path: path_of(&settings),
            settings,
            schedule,
            polling: None,
            overflows: 0,
            problems: Vec::new(),
            failure: None,
            waiting: Vec::new(),
            proofs,
            waiting_for_proof: Vec::new(),
        }
    }

    /// What a backup of it looks at.
    pub(super) fn target(&self, own: Vec<PathBuf>) -> Result<Target, ExcludeError> {
        Ok(Target {
            source: self.settings.source,
            path: self.path.clone(),
            exclude: exclude_of(&self.settings)?,
            own,
            is_complete: false,
            after: None,
            is_anew: false,
        })
    }

    /// Remembers what could not be backed up.
    pub(super) fn note(&mut self, out: &BackedUp) {
        if out.is_full_scan {
            self.problems.clear();
        }
        let room = PROBLEMS_MAX.saturating_sub(self.problems.len());
        let new = out.notes.iter().take(room);
        self.problems
            .extend(new.map(|note| Problem { path: note.path.to_string(), reason: note.reason.to_string() }));
    }

    pub(super) fn report(&self, state: &FolderState, meter: Option<&Meter>, now_ms: u64) -> FolderReport {
        FolderReport {
            source: self.settings.source,
            name: self.settings.name.clone(),
            path: self.path.clone(),
            activity: self.activity(state, meter, now_ms),
            polling: self.polling.clone(),
            hold: state.hold.clone(),
            files: state.files,
            bytes: state.bytes,
            full_scan_ms: state.full_scan_ms,
            backup_ms: state.backup_ms,
            proven_ms: state.proven_ms,
            queued: self.schedule.queued(),
            overflows: self.overflows,
            unreadable: state.unreadable,
            failure: self.failure.clone(),
            unrestorable: state.damage.as_ref().map_or_else(Vec::new, unrestorable),
            problems: self.problems.clone(),
        }
    }

    fn activity(&self, state: &FolderState, meter: Option<&Meter>, now_ms: u64) -> Activity {
        if let Some(Meter { progress, totals }) = meter {
            let Some((files_total, bytes_total)) = totals.get() else { return Activity::Scanning };
            let now = progress.get();
            return Activity::BackingUp {
                files_total,
                files_done: now.files_done,
                bytes_total,
                bytes_done: now.bytes_read,
                bytes_sent: now.bytes_sent,
            };
        }
        if self.settings.paused {
            Activity::Paused
        } else if state.hold.is_some() {
            Activity::Held
        } else if self.schedule.queued() > 0 || self.schedule.due_at_ms() <= now_ms || self.failure.is_some()
        {
            Activity::Waiting
        } else {
            Activity::Idle
        }
    }
}

fn unrestorable(damage: &Damage) -> Vec<Problem> {
    let problem = |(path, reason): &(String, String)| Problem { path: path.clone(), reason: reason.clone() };
    damage.files.iter().map(problem).collect()
}

/// Where a source's folder is.
pub(super) fn path_of(settings: &Source) -> PathBuf {
    OsString::from_vec(settings.path.clone()).into()
}

/// What a source's settings leave out.
pub(super) fn exclude_of(settings: &Source) -> Result<Exclude, ExcludeError> {
    let exclude = Exclude::parse(&settings.exclude)?;
    Ok(exclude.with_limits(settings.larger_than, settings.one_file_system))
}

/// Identifies a folder among a device's sources.
pub(super) fn is_own(settings: &Source, device: protocol::id::DeviceId) -> bool {
    settings.device == Some(device) && !settings.path.is_empty()
}
