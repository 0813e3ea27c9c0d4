//! One loop that makes snapshots of folders when something changed in them. Everything that happens is an [`Event`];
//! what takes long runs beside the loop, which stays ready to answer.

mod deletions;
mod error;
mod folder;
mod folders;
mod limiter;
mod links;
mod make;
mod messages;
mod parts;
mod plan;
mod proof;
mod proof_schedule;
mod proving;
mod read;
mod rebuild;
mod requests;
mod schedule;
mod settle;
mod snapshot;

pub use error::EngineError;
pub use limiter::{Bandwidth, BandwidthError, Limiter};
pub use schedule::{FRESHNESS_MS, Outcome, Pace, Schedule, Work};

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use client::{Account, Vault};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, LocalBoxStream, StreamExt as _};
use protocol::events::Event as ServerEvent;
use protocol::id::{DeviceId, SourceId, VaultId};
use tokio::sync::mpsc;

use crate::config::{Config, Watch};
use crate::control::{BackupReport, Question, Reply};
use crate::exit::Exit;
use crate::index::{Hold, HoldReason, Index, IndexError};
use crate::platform::{boot_ms, now_ms};
use crate::report::AgentReport;
use crate::watch::{Hint, Hints, Watcher};
use folder::{Folder, Meter, Waiting};
use messages::Listeners;
use proof::Proven;
use proving::Proving;
use snapshot::{BackedUp, Backup};

/// The longest sleep: a machine that sleeps itself does not count it.
const TICK_MAX: Duration = Duration::from_secs(30);

/// What the engine works with. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// The device's account.
    pub account: Account,
    /// The vault that its folders go to.
    pub vault: Vault,
    /// Its id.
    pub vault_id: VaultId,
    /// The device.
    pub device: DeviceId,
    /// Its coordinator.
    pub origin: String,
    /// This machine's name.
    pub host: String,
    /// The index.
    pub index: Arc<Index>,
    /// The agent's configuration.
    pub config: Rc<Config>,
    /// Folders that are never backed up.
    pub own: Vec<PathBuf>,
}

/// Whether folders are watched, or only what is asked for is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Until told to stop.
    Service,
    /// For one command.
    Command,
}

/// What happens.
enum Event {
    /// Paths may have changed.
    Hints,
    /// Something may be due.
    Tick,
    /// The backup under way ended.
    Finished(Result<BackedUp, EngineError>),
    /// The proof under way ended.
    Proven(Result<Proven, EngineError>),
    /// Something that ran beside the loop ended.
    Happened(Happened),
    /// Somebody on this machine asks.
    Question(Question),
    /// The coordinator says something, or does not admit this device any more.
    Server(Result<ServerEvent, client::Error>),
    /// Told to stop.
    Stop,
}

/// How something ended that ran beside the loop.
enum Happened {
    /// The settings may be others now.
    Settings,
    /// The web app said something.
    Told(client::message::ToDevice),
    /// Nothing that the loop needs to know.
    Nothing,
}

/// The backup under way.
struct Working {
    source: SourceId,
    work: Work,
    started_ms: u64,
    meter: Meter,
    /// Who asked before it began, and so is answered by its end.
    waiting: Vec<Waiting>,
    future: LocalBoxFuture<'static, Result<BackedUp, EngineError>>,
}

/// See the module.
pub struct Engine {
    parts: Parts,
    mode: Mode,
    folders: BTreeMap<SourceId, Folder>,
    watcher: Option<Watcher>,
    hints: Arc<Hints>,
    limiter: Rc<RefCell<Limiter>>,
    working: Option<Working>,
    proving: Option<Proving>,
    /// What runs beside the loop.
    beside: FuturesUnordered<LocalBoxFuture<'static, Happened>>,
    online: bool,
    listeners: Listeners,
}

impl Engine {
    /// With the folders that the vault's settings name.
    pub fn new(parts: Parts, mode: Mode) -> Self {
        let hints = Arc::new(Hints::default());
        let is_told = mode == Mode::Service && parts.config.watch == Watch::Auto;
        let watcher = is_told.then(|| Watcher::new(hints.clone())).and_then(|watcher| {
            watcher.inspect_err(|error| tracing::warn!(%error, "folders are scanned instead")).ok()
        });
        let limiter = Rc::new(RefCell::new(Limiter::new(parts.config.upload_limit.clone())));
        let mut engine = Self {
            parts,
            mode,
            folders: BTreeMap::new(),
            watcher,
            hints,
            limiter,
            working: None,
            proving: None,
            beside: FuturesUnordered::new(),
            online: true,
            listeners: Listeners::default(),
        };
        engine.read_settings();
        engine
    }

    /// Runs until `stop` resolves, or until this device is not admitted any more.
    ///
    /// # Errors
    /// [`client::Error::NotAdmitted`].
    pub async fn run(
        mut self,
        mut questions: mpsc::UnboundedReceiver<Question>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), EngineError> {
        let mut stop = std::pin::pin!(stop);
        let mut server: LocalBoxStream<'static, _> = match self.mode {
            Mode::Service => self.parts.account.events(),
            Mode::Command => Box::pin(futures_util::stream::pending()),
        };
        loop {
            self.begin_work();
            self.begin_proof();
            self.tell_listeners();
            let hints = self.hints.clone();
            let working_on = self.working.as_ref().map(|working| working.source);
            let sleep = self.until_due();
            let event = tokio::select! {
                biased;
                () = &mut stop => Event::Stop,
                Some(question) = questions.recv() => Event::Question(question),
                Some(happened) = self.beside.next() => Event::Happened(happened),
                Some(event) = server.next() => Event::Server(event),
                result = finished(&mut self.working) => Event::Finished(result),
                result = proven(&mut self.proving, working_on) => Event::Proven(result),
                () = hints.arrived() => Event::Hints,
                () = tokio::time::sleep(sleep) => Event::Tick,
            };
            match event {
                Event::Stop => return Ok(()),
                Event::Hints => self.take_hints(),
                Event::Finished(result) => self.finish_work(result)?,
                Event::Proven(result) => self.finish_proof(result)?,
                Event::Happened(Happened::Settings) => self.read_settings(),
                Event::Happened(Happened::Told(message)) => self.obey(message),
                Event::Tick | Event::Happened(Happened::Nothing) => {}
                Event::Question(question) => self.answer(question),
                Event::Server(event) => self.hear(event?),
            }
        }
    }

    fn until_due(&self) -> Duration {
        if self.working.is_some() {
            // The meter moves, and listeners want to see it.
            return if self.listeners.are_there(boot_ms()) { Duration::from_secs(1) } else { TICK_MAX };
        }
        let due = self.folders.values().filter(|folder| self.may_work(folder));
        let due = due.map(|folder| folder.schedule.due_at_ms()).min().unwrap_or(u64::MAX);
        let due = due.min(self.proof_due_at_ms());
        Duration::from_millis(due.saturating_sub(boot_ms())).min(TICK_MAX)
    }

    fn may_work(&self, folder: &Folder) -> bool {
        let is_asked = !folder.waiting.is_empty();
        is_asked || self.mode == Mode::Service && !folder.settings.paused
    }

    /// Begins what is due longest, if nothing is under way.
    fn begin_work(&mut self) {
        if self.working.is_some() {
            return;
        }
        let now = boot_ms();
        let may_work = self.folders.iter().filter(|(_, folder)| self.may_work(folder));
        let next = may_work.min_by_key(|(_, folder)| folder.schedule.due_at_ms()).map(|(source, _)| *source);
        let Some((source, folder)) = next.and_then(|source| Some((source, self.folders.get_mut(&source)?)))
        else {
            return;
        };
        let Some(work) = folder.schedule.take(now) else { return };
        if matches!(work, Work::Everything { .. }) && folder.polling.is_none() {
            // Nothing tells that a watch is gone, as when a disk was unmounted and mounted again.
            self.renew_watch(source);
        }
        let Some(folder) = self.folders.get_mut(&source) else { return };
        let waiting = match work {
            Work::Everything { .. } => std::mem::take(&mut folder.waiting),
            Work::Paths(_) => Vec::new(),
        };
        let meter = Meter::default();
        let future: LocalBoxFuture<'static, _> = match folder.target(self.parts.own.clone()) {
            Ok(target) => Box::pin(
                Backup {
                    vault: self.parts.vault.clone(),
                    index: self.parts.index.clone(),
                    target,
                    progress: meter.progress.clone(),
                    totals: meter.totals.clone(),
                    limiter: self.limiter.clone(),
                    reads_all: false,
                }
                .run(work.clone()),
            ),
            Err(error) => Box::pin(async { Err(error.into()) }),
        };
        self.working = Some(Working { source, work, started_ms: now, meter, waiting, future });
    }

    fn finish_work(&mut self, result: Result<BackedUp, EngineError>) -> Result<(), EngineError> {
        let Some(Working { source, work, started_ms, waiting, .. }) = self.working.take() else {
            return Ok(());
        };
        let Some(folder) = self.folders.get_mut(&source) else { return Ok(()) };
        let now = boot_ms();
        let out = match result {
            Ok(out) => out,
            Err(EngineError::Client(error @ client::Error::NotAdmitted(_))) => return Err(error.into()),
            Err(error) => {
                let message = error.chain();
                tracing::warn!(folder = %folder.path.display(), %message, "not backed up");
                self.online = !error.is_offline();
                folder.schedule.done(work, Outcome::Failed, now);
                let exit = if error.is_missing_key() { Exit::WrongKey } else { Exit::Failed };
                for waiting in waiting {
                    // Whoever asked may have gone.
                    let _ = waiting.send(Reply::Failed { exit: exit.code(), message: message.clone() });
                }
                folder.failure = Some(message);
                // An index that failed once answers nothing more until it is opened again, by the next run.
                return if error.index_error().is_some() { Err(self.give_up_index(error)) } else { Ok(()) };
            }
        };
        self.online = true;
        folder.failure = None;
        folder.note(&out);
        let hold = out.hold.clone();
        let was_held = out.was_held;
        let state = self.parts.index.update_folder(&source, |state| match (&hold, &state.hold) {
            (None, _) if out.is_full_scan => state.hold = None,
            (Some(new), Some(old)) if old.reason == *new => {}
            (Some(new), _) => state.hold = Some(Hold { reason: new.clone(), since_ms: now_ms() }),
            (None, _) => {}
        })?;
        let outcome = match (&out.hold, out.seq) {
            (Some(HoldReason::Missing), _) => Outcome::Missing,
            (Some(HoldReason::MassDeletion { .. }), _) => Outcome::Held,
            (None, Some(_)) => Outcome::Committed,
            (None, None) => Outcome::Unchanged,
        };
        folder.schedule.done(work, outcome, now);
        let is_mended = state.damage.is_some_and(|damage| !damage.is_open());
        if outcome == Outcome::Committed && is_mended {
            folder.proofs.mended(now);
        }
        if outcome == Outcome::Committed {
            let (new, changed, removed) = (out.counts.new, out.counts.changed, out.counts.removed);
            tracing::info!(folder = %folder.path.display(), seq = out.seq, new, changed, removed, "backed up");
        }
        requests::answer_waiting(folder, waiting, &out, now.saturating_sub(started_ms));
        if out.is_elsewhere || out.hold.is_none() && was_held {
            folder.schedule.hint(Hint::Everything, now);
            self.renew_watch(source);
        }
        Ok(())
    }

    /// A damaged index would stop the next run too; without one, it makes another.
    fn give_up_index(&self, error: EngineError) -> EngineError {
        if error.index_error().is_some_and(IndexError::is_damage)
            && let Err(error) = self.parts.index.set_aside()
        {
            tracing::error!(%error, "the damaged index stays where it is");
        }
        error
    }

    /// How everything is.
    fn report(&self) -> AgentReport {
        let now = boot_ms();
        let folders = self.folders.iter().map(|(source, folder)| {
            let state = self.parts.index.folder(source).unwrap_or_default();
            let meter = self.working.as_ref().filter(|working| working.source == *source);
            folder.report(&state, meter.map(|working| &working.meter), now)
        });
        AgentReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: self.parts.host.clone(),
            running: self.mode == Mode::Service,
            device: self.parts.device,
            origin: self.parts.origin.clone(),
            online: self.online,
            folders: folders.collect(),
        }
    }
}

/// The end of the backup under way; never, if there is none.
async fn finished(working: &mut Option<Working>) -> Result<BackedUp, EngineError> {
    match working {
        Some(working) => (&mut working.future).await,
        None => std::future::pending().await,
    }
}

/// The end of the proof under way; never, if there is none. It rests while a backup of its folder is under way.
async fn proven(proving: &mut Option<Proving>, working_on: Option<SourceId>) -> Result<Proven, EngineError> {
    match proving {
        Some(proving) if working_on != Some(proving.source) => (&mut proving.future).await,
        _ => std::future::pending().await,
    }
}

/// What a backup came to, for whoever asked.
fn backup_report(folder: &Folder, out: &BackedUp, duration_ms: u64) -> BackupReport {
    BackupReport {
        path: folder.path.clone(),
        source: folder.settings.source,
        seq: out.seq,
        files_new: out.counts.new,
        files_changed: out.counts.changed,
        files_unmodified: out.counts.unmodified,
        files_removed: out.counts.removed,
        data_added: out.new_bytes_sent,
        files: out.counts.new + out.counts.changed + out.counts.unmodified,
        bytes: out.bytes,
        unreadable: out.unreadable,
        duration_ms,
    }
}
