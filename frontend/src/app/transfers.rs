//! Backups and restores under way: starts, stops and repeats them, and tells the pages how they are.
//!
//! They need an unlocked page. Locking it ends those under way; what they need to begin again stays.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use futures_util::future::{AbortHandle, abortable};
use gloo_events::EventListener;
use wasm_bindgen_futures::spawn_local;
use web_sys::File;
use yew::prelude::*;

use super::browser::{now_ms, window};
use super::download;
use super::drop::Gathered;
use super::port::{Attachments, Report};
use super::session::{Session, Status, use_session};
use crate::drop_list::DropList;
use crate::estimate::Movement;
use crate::failure::Failure;
use crate::message::{Backup, Open, Phase};
use crate::outcome::{self, Given};
use crate::transfer::{Direction, Event, TransferId, Transfers};

/// All transfers, and how to start and stop them.
#[derive(Clone)]
pub(super) struct TransfersContext {
    list: UseReducerHandle<Store>,
    desk: Rc<Desk>,
}

impl PartialEq for TransfersContext {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

/// The reducer's state.
#[derive(Default, PartialEq)]
struct Store {
    transfers: Transfers,
    /// Counts finished backups: what was listed before is old.
    backups: u32,
}

impl Reducible for Store {
    type Action = (TransferId, Event);

    fn reduce(self: Rc<Self>, (id, event): Self::Action) -> Rc<Self> {
        let is_backup =
            self.transfers.iter().any(|known| known.id == id && known.direction == Direction::Backup);
        let finished = is_backup && matches!(event, Event::Done(_));
        Rc::new(Self {
            transfers: self.transfers.after(id, event),
            backups: self.backups + u32::from(finished),
        })
    }
}

/// What can be started, and started again.
enum Job {
    Backup { title: String, list: DropList, files: Vec<File>, given: Given },
    Restore { open: Open, title: String },
}

struct Desk {
    session: RefCell<Session>,
    dispatch: UseReducerDispatcher<Store>,
    jobs: RefCell<HashMap<TransferId, (Rc<Job>, AbortHandle)>>,
    next: Cell<TransferId>,
}

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) children: Html,
}

#[component]
pub(super) fn TransfersProvider(props: &Props) -> Html {
    let session = use_session();
    let list = use_reducer(Store::default);
    let desk = {
        let (session, dispatch) = (session.clone(), list.dispatcher());
        use_memo((), move |()| Desk {
            session: RefCell::new(session),
            dispatch,
            jobs: RefCell::default(),
            next: Cell::new(0),
        })
    };
    *desk.session.borrow_mut() = session;
    use_leave_warning(list.transfers.any_running());
    let context = TransfersContext { list, desk };
    html!(<ContextProvider<TransfersContext> {context}>{ props.children.clone() }</ContextProvider<TransfersContext>>)
}

/// All transfers.
#[hook]
pub(super) fn use_transfers() -> TransfersContext {
    use_context::<TransfersContext>().expect("pages stand below TransfersProvider")
}

impl TransfersContext {
    pub(super) fn transfers(&self) -> &Transfers {
        &self.list.transfers
    }

    /// Changes whenever a backup is finished.
    pub(super) fn backups(&self) -> u32 {
        self.list.backups
    }

    /// Backs up what was gathered into a folder.
    pub(super) fn backup(&self, folder: &[String], gathered: Gathered) {
        let list = DropList::new(folder, gathered.found);
        let title = if list.files.is_empty() { gathered.given.title() } else { list.title(folder) };
        self.add(Job::Backup { title, list, files: gathered.files, given: gathered.given });
    }

    /// Restores a file, or a folder as a zip; `title` is what a person calls it.
    pub(super) fn restore(&self, open: Open, title: String) {
        self.add(Job::Restore { open, title });
    }

    pub(super) fn cancel(&self, id: TransferId) {
        if let Some((_, handle)) = self.desk.jobs.borrow().get(&id) {
            handle.abort();
        }
        self.desk.dispatch.dispatch((id, Event::Cancelled));
    }

    pub(super) fn retry(&self, id: TransferId) {
        let job = self.desk.jobs.borrow().get(&id).map(|(job, _)| job.clone());
        if let Some(job) = job {
            Desk::start(&self.desk, id, job);
        }
    }

    pub(super) fn dismiss(&self, id: TransferId) {
        self.desk.jobs.borrow_mut().remove(&id);
        self.desk.dispatch.dispatch((id, Event::Dismissed));
    }

    fn add(&self, job: Job) {
        let id = self.desk.next.replace(self.desk.next.get() + 1);
        Desk::start(&self.desk, id, Rc::new(job));
    }
}

impl Desk {
    fn start(self: &Rc<Self>, id: TransferId, job: Rc<Job>) {
        self.dispatch.dispatch((id, job.started()));
        let (desk, running) = (self.clone(), job.clone());
        let (work, handle) = abortable(async move {
            let session = desk.session.borrow().clone();
            let result = match &*running {
                // Gathering took its time, and the page was locked meanwhile.
                _ if matches!(session.status, Status::Locked { .. }) => Err(Failure::stopped_by_lock()),
                Job::Backup { list, files, given, .. } => desk.backup(id, list, files, given).await,
                Job::Restore { open, .. } => desk.restore(id, open).await,
            };
            match result {
                Ok(sentence) => desk.dispatch.dispatch((id, Event::Done(sentence))),
                Err(failure) if failure.signed_out => {
                    desk.dispatch.dispatch((id, Event::Failed(Failure::stopped_by_lock())));
                    session.handle(failure);
                }
                Err(failure) => desk.dispatch.dispatch((id, Event::Failed(failure))),
            }
        });
        self.jobs.borrow_mut().insert(id, (job, handle));
        spawn_local(async move {
            // Aborted or not, what there was to tell has been told.
            let _ = work.await;
        });
    }

    async fn backup(
        self: &Rc<Self>,
        id: TransferId,
        list: &DropList,
        files: &[File],
        given: &Given,
    ) -> Result<String, Failure> {
        if let Some(failure) = outcome::objection(list, given) {
            return Err(failure);
        }
        let ask = Backup { files: list.files.iter().map(|(_, file)| file.clone()).collect() };
        let cloned = list.files.iter().map(|(at, _)| files[*at].clone().into()).collect();
        let worker = self.session.borrow().worker();
        let (desk, movement) = (self.clone(), Movement::default());
        let summary = worker.port()?.call_with(ask, Attachments { cloned, port: None }, move |report| {
            if let Report::Backup(progress) = report {
                desk.stay_unlocked(movement.is_on(progress.bytes_done + progress.bytes_sent));
                desk.progress(id, progress.phase, progress.files_done, progress.bytes_done);
            }
        });
        outcome::told(&summary.await?, list, given)
    }

    async fn restore(self: &Rc<Self>, id: TransferId, open: &Open) -> Result<String, Failure> {
        let worker = self.session.borrow().worker();
        let (desk, movement) = (self.clone(), Movement::default());
        let opened = |file: &crate::message::Opened| {
            let event = Event::Started {
                direction: Direction::Restore,
                title: file.name.clone(),
                files: 1,
                bytes: file.bytes,
            };
            self.dispatch.dispatch((id, event));
        };
        download::restore(worker.port()?, open.clone(), opened, move |bytes| {
            desk.stay_unlocked(movement.is_on(bytes));
            desk.progress(id, Phase::Transferring, 0, bytes);
        })
        .await?;
        Ok("Restored. Every byte was checked on the way.".to_owned())
    }

    /// A transfer that moves counts as somebody being there; one that hangs does not keep the page open.
    fn stay_unlocked(&self, moves: bool) {
        if moves {
            self.session.borrow().presence().note();
        }
    }

    fn progress(&self, id: TransferId, phase: Phase, files_done: u64, bytes_done: u64) {
        self.dispatch.dispatch((id, Event::Progress { now_ms: now_ms(), phase, files_done, bytes_done }));
    }
}

impl Job {
    fn started(&self) -> Event {
        match self {
            Self::Backup { title, list, .. } => Event::Started {
                direction: Direction::Backup,
                title: title.clone(),
                files: list.files.len() as u64,
                bytes: Some(list.bytes()),
            },
            Self::Restore { title, .. } => {
                Event::Started { direction: Direction::Restore, title: title.clone(), files: 1, bytes: None }
            }
        }
    }
}

/// Asks before the page is left while something runs.
#[hook]
fn use_leave_warning(running: bool) {
    use_effect_with(running, |&running| {
        let listener = running.then(|| {
            let options = gloo_events::EventListenerOptions::enable_prevent_default();
            EventListener::new_with_options(
                &window(),
                "beforeunload",
                options,
                web_sys::Event::prevent_default,
            )
        });
        move || drop(listener)
    });
}
