//! What the coordinator tells without being asked: nodes and new snapshots, over one event stream.

use std::collections::BTreeMap;
use std::rc::Rc;

use client::message::{AgentStatus, DryRunResult, FromDevice};
use gloo_events::EventListener;
use gloo_timers::callback::Timeout;
use protocol::events::Event;
use protocol::id::{DeviceId, VaultId};
use protocol::nodes::{ClusterStatus, NodeStatus};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{EventSource, MessageEvent};
use yew::prelude::*;

use crate::app::browser::now_ms;
use crate::app::session::{Session, use_session};
use crate::message::{Hear, Reopen};

/// How long to wait before a stream that the browser gave up on is opened again.
const REOPEN_MS: u32 = 3_000;

/// What is known at the moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::app) struct Live {
    /// All nodes, once they are known.
    pub(in crate::app) nodes: Option<Rc<Vec<NodeStatus>>>,
    /// How the blobs of all are.
    pub(in crate::app) cluster: ClusterStatus,
    /// When that was, on the page's clock.
    pub(in crate::app) nodes_ms: f64,
    /// The newest commit of each vault that was heard of.
    pub(in crate::app) heads: Rc<BTreeMap<VaultId, u64>>,
    /// The newest account state that the worker has read since.
    pub(in crate::app) state: u64,
    /// Counts news of devices: one came, went, was added or revoked.
    pub(in crate::app) devices: u32,
    /// Counts uses of links to add a device.
    pub(in crate::app) guests: u32,
    /// What each device said of itself last.
    pub(in crate::app) agents: Rc<BTreeMap<DeviceId, AgentStatus>>,
    /// What a device counted last when it was asked to.
    pub(in crate::app) dry_run: Option<Rc<DryRunResult>>,
    /// The stream is open.
    pub(in crate::app) connected: bool,
}

pub(in crate::app) enum Change {
    Opened,
    Lost,
    Event(Event),
    Heard(DeviceId, FromDevice),
}

impl Reducible for Live {
    type Action = Change;

    fn reduce(self: Rc<Self>, change: Change) -> Rc<Self> {
        let mut next = (*self).clone();
        match change {
            Change::Opened => next.connected = true,
            Change::Lost => next.connected = false,
            Change::Event(Event::Nodes { nodes, cluster }) => {
                next.nodes = Some(Rc::new(nodes));
                next.cluster = cluster;
                next.nodes_ms = now_ms();
            }
            Change::Event(Event::Head { vault, seq }) => {
                let newest = Rc::make_mut(&mut next.heads).entry(vault).or_default();
                *newest = seq.max(*newest);
            }
            Change::Event(Event::AccountState { seq }) => next.state = next.state.max(seq),
            Change::Event(Event::Devices) => next.devices += 1,
            Change::Event(Event::EnrolmentRequest { .. }) => next.guests += 1,
            Change::Heard(device, FromDevice::Status(status)) => {
                Rc::make_mut(&mut next.agents).insert(device, status);
            }
            Change::Heard(_, FromDevice::DryRunResult(result)) => next.dry_run = Some(Rc::new(result)),
            // Sealed: the worker opens it first.
            Change::Event(Event::Message { .. }) => {}
        }
        Rc::new(next)
    }
}

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    pub(in crate::app) children: Html,
}

#[component]
pub(in crate::app) fn LiveProvider(props: &Props) -> Html {
    let live = use_reducer(Live::default);
    let session = use_session();
    let attempt = use_state(|| 0_u32);
    {
        let attempt = attempt.clone();
        let tell = teller(session, live.dispatcher());
        use_effect_with(*attempt, move |&number| {
            let stream = EventSource::new(protocol::routes::coordinator::EVENTS.path).ok();
            let listeners = stream.as_ref().map(|stream| listen(stream, &tell, &attempt, number));
            move || {
                if let Some(stream) = stream {
                    stream.close();
                }
                drop(listeners);
            }
        });
    }
    html!(<ContextProvider<Live> context={(*live).clone()}>{ props.children.clone() }</ContextProvider<Live>>)
}

/// What the event stream told last.
#[hook]
pub(in crate::app) fn use_live() -> Live {
    use_context::<Live>().expect("pages stand below LiveProvider")
}

/// Tells the pages what changed. What needs keys goes through the worker first: of another account state they hear only
/// when the worker has read it, and with it the vaults that came.
fn teller(session: Session, live: UseReducerDispatcher<Live>) -> Callback<Change> {
    Callback::from(move |change| {
        let (session, live) = (session.clone(), live.clone());
        match change {
            Change::Event(Event::AccountState { seq }) => spawn_local(async move {
                match session.ask(Reopen {}).await {
                    Ok(()) => live.dispatch(Change::Event(Event::AccountState { seq })),
                    // A failure that lasts is told by what a page asks next.
                    Err(failure) => drop(session.handle(failure)),
                }
            }),
            Change::Event(Event::Message { message }) => spawn_local(async move {
                let device = message.device;
                if let Ok(Some(heard)) = session.ask(Hear { message }).await {
                    live.dispatch(Change::Heard(device, heard));
                }
            }),
            other => live.dispatch(other),
        }
    })
}

fn listen(
    stream: &EventSource,
    tell: &Callback<Change>,
    attempt: &UseStateHandle<u32>,
    number: u32,
) -> [EventListener; 3] {
    let (opened, lost, told) = (tell.clone(), tell.clone(), tell.clone());
    let (source, attempt) = (stream.clone(), attempt.clone());
    [
        EventListener::new(stream, "open", move |_| opened.emit(Change::Opened)),
        EventListener::new(stream, "error", move |_| {
            lost.emit(Change::Lost);
            if source.ready_state() == EventSource::CLOSED {
                let attempt = attempt.clone();
                Timeout::new(REOPEN_MS, move || attempt.set(number + 1)).forget();
            }
        }),
        EventListener::new(stream, "message", move |event| {
            let text = event.unchecked_ref::<MessageEvent>().data().as_string();
            // An event that this build does not know is for a newer one.
            if let Some(event) = text.and_then(|text| serde_json::from_str(&text).ok()) {
                told.emit(Change::Event(event));
            }
        }),
    ]
}
