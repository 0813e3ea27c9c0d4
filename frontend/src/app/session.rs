//! Who is signed in, and the worker that holds their keys. Locking ends the worker: the keys are gone.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_events::{EventListener, EventListenerOptions};
use gloo_timers::callback::Interval;
use protocol::sessions::AccountRole;
use tokio::sync::oneshot;
use yew::prelude::*;
use yew_nested_router::prelude::use_router;

use super::browser::{now_ms, window};
use super::components::step_up::StepUpDialog;
use super::port::Port;
use super::routes::Route;
use crate::failure::Failure;
use crate::message::{Operation, SignedIn};

/// Nobody there for this long locks the page.
const IDLE_MS_MAX: f64 = 15.0 * 60.0 * 1000.0;
const IDLE_CHECK_MS: u32 = 10_000;

/// Locked or not.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Status {
    /// No keys here.
    Locked {
        /// Who was here, to save them the typing.
        login: String,
        /// Why it is locked, if there is something to say.
        note: Option<String>,
    },
    /// The worker holds the keys.
    Unlocked(SignedIn),
}

impl Status {
    /// Who is here, or was; empty where nobody was yet.
    pub(super) fn login(&self) -> &str {
        match self {
            Self::Locked { login, .. } => login,
            Self::Unlocked(signed_in) => &signed_in.login,
        }
    }
}

/// The session, for all pages.
#[derive(Clone, PartialEq)]
pub(super) struct Session {
    pub(super) status: Status,
    worker: PortHandle,
    enter: Callback<SignedIn>,
    lock: Callback<Option<String>>,
    step_up: Callback<oneshot::Sender<bool>>,
    presence: Presence,
}

/// A running worker, or why there is none.
#[derive(Clone)]
struct PortHandle(Rc<Result<Port, Failure>>);

impl PartialEq for PortHandle {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// When somebody was last there.
#[derive(Clone)]
pub(super) struct Presence(Rc<Cell<f64>>);

impl PartialEq for Presence {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Session {
    /// A handle to ask the worker with, that lives as long as its call.
    pub(super) fn worker(&self) -> Worker {
        Worker(self.worker.clone())
    }

    /// Asks the worker for an operation. What needs the passphrase asks for it, and then goes on.
    pub(super) async fn ask<O: Operation>(&self, operation: O) -> Result<O::Answer, Failure> {
        let worker = self.worker();
        match worker.port()?.call(operation.clone()).await {
            Err(failure) if failure.needs_passphrase => {
                let (answer, is_proven) = oneshot::channel();
                self.step_up.emit(answer);
                // Nobody answers any more where the page was locked.
                if is_proven.await.unwrap_or(false) {
                    worker.port()?.call(operation).await
                } else {
                    Err(failure)
                }
            }
            answer => answer,
        }
    }

    /// Whether an operator is signed in.
    pub(super) fn is_operator(&self) -> bool {
        matches!(&self.status, Status::Unlocked(signed_in) if signed_in.role == AccountRole::Operator)
    }

    /// The keys are in the worker now.
    pub(super) fn enter(&self, signed_in: SignedIn) {
        self.enter.emit(signed_in);
    }

    /// Drops the keys, for a reason.
    pub(super) fn lock(&self, note: Option<String>) {
        self.lock.emit(note);
    }

    /// Shows a failure where it belongs: an ended session on the sign-in page, all else where it happened.
    pub(super) fn handle(&self, failure: Failure) -> Option<Failure> {
        if failure.signed_out {
            self.lock(Some(failure.what));
            return None;
        }
        Some(failure)
    }

    /// Something happens that counts as somebody being there.
    pub(super) fn presence(&self) -> Presence {
        self.presence.clone()
    }
}

impl Presence {
    /// Somebody is there now.
    pub(super) fn note(&self) {
        self.0.set(now_ms());
    }
}

/// The worker at the time of asking.
#[derive(Clone, PartialEq)]
pub(super) struct Worker(PortHandle);

impl Worker {
    pub(super) fn port(&self) -> Result<&Port, Failure> {
        self.0.0.as_ref().as_ref().map_err(Clone::clone)
    }
}

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) children: Html,
}

#[component]
pub(super) fn SessionProvider(props: &Props) -> Html {
    let start = || PortHandle(Rc::new(Port::start()));
    let worker = use_state(start);
    let status = use_state(|| Status::Locked { login: String::new(), note: None });
    let presence = use_memo((), |()| Presence(Rc::new(Cell::new(now_ms()))));
    let router = use_router::<Route>();
    let step_up = use_step_up();

    let enter = {
        let (status, presence, router) = (status.clone(), presence.clone(), router.clone());
        Callback::from(move |signed_in| {
            presence.note();
            status.set(Status::Unlocked(signed_in));
            // An address that only makes sense outside leads to the overview.
            if let Some(router) =
                router.as_ref().filter(|router| matches!(router.active(), Some(Route::Setup | Route::SignIn)))
            {
                router.replace(Route::Overview);
            }
        })
    };
    let lock = {
        let (status, worker, proven) = (status.clone(), worker.clone(), step_up.onanswer.clone());
        Callback::from(move |note| {
            proven.emit(false);
            let login = status.login().to_owned();
            if let Ok(port) = &*worker.0 {
                port.end();
            }
            worker.set(start());
            status.set(Status::Locked { login, note });
        })
    };
    use_idle_lock(matches!(*status, Status::Unlocked(_)), (*presence).clone(), lock.clone());

    let session = Session {
        status: (*status).clone(),
        worker: (*worker).clone(),
        enter,
        lock,
        step_up: step_up.ask,
        presence: (*presence).clone(),
    };
    html!(
        <ContextProvider<Session> context={session}>
            { props.children.clone() }
            { step_up.dialog }
        </ContextProvider<Session>>
    )
}

/// Asking for a proof of the passphrase.
struct StepUp {
    ask: Callback<oneshot::Sender<bool>>,
    /// Ends it for all who wait.
    onanswer: Callback<bool>,
    /// Empty while nobody waits.
    dialog: Html,
}

#[hook]
fn use_step_up() -> StepUp {
    let waiting = use_memo((), |()| RefCell::new(Vec::<oneshot::Sender<bool>>::new()));
    let is_shown = use_state(|| false);
    let ask = {
        let (waiting, is_shown) = (waiting.clone(), is_shown.setter());
        Callback::from(move |answer| {
            waiting.borrow_mut().push(answer);
            is_shown.set(true);
        })
    };
    let onanswer = {
        let (waiting, is_shown) = (waiting, is_shown.setter());
        Callback::from(move |is_proven| {
            is_shown.set(false);
            for answer in waiting.take() {
                // Whoever asked may have gone away.
                let _ = answer.send(is_proven);
            }
        })
    };
    let dialog = if *is_shown { html!(<StepUpDialog onanswer={onanswer.clone()} />) } else { html!() };
    StepUp { ask, onanswer, dialog }
}

/// The session. Every page stands below its provider.
#[hook]
pub(super) fn use_session() -> Session {
    use_context::<Session>().expect("pages stand below SessionProvider")
}

#[hook]
fn use_idle_lock(unlocked: bool, presence: Presence, lock: Callback<Option<String>>) {
    // The callback of the rendering that unlocked: it was made with the worker and login that it is to end.
    use_effect_with(unlocked, move |&unlocked| {
        let watch = unlocked.then(|| {
            let listeners = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"].map(|event| {
                let presence = presence.clone();
                let options =
                    EventListenerOptions { passive: true, ..EventListenerOptions::run_in_capture_phase() };
                EventListener::new_with_options(&window(), event, options, move |_| presence.note())
            });
            let clock = Interval::new(IDLE_CHECK_MS, move || {
                if now_ms() - presence.0.get() >= IDLE_MS_MAX {
                    let note = "Locked, because nobody was here for 15 minutes. Your files are safe.";
                    lock.emit(Some(note.to_owned()));
                }
            });
            (listeners, clock)
        });
        move || drop(watch)
    });
}
