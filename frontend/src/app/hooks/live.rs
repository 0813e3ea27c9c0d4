//! What the coordinator tells without being asked: nodes and new snapshots, over one event stream.

use std::rc::Rc;

use gloo_events::EventListener;
use gloo_timers::callback::Timeout;
use protocol::events::Event;
use protocol::nodes::NodeStatus;
use wasm_bindgen::JsCast;
use web_sys::{EventSource, MessageEvent};
use yew::prelude::*;

use crate::app::browser::now_ms;

/// How long to wait before a stream that the browser gave up on is opened again.
const REOPEN_MS: u32 = 3_000;

/// What is known at the moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::app) struct Live {
    /// All nodes, once they are known.
    pub(in crate::app) nodes: Option<Rc<Vec<NodeStatus>>>,
    /// When that was, on the page's clock.
    pub(in crate::app) nodes_ms: f64,
    /// The newest commit that was heard of.
    pub(in crate::app) head: u64,
    /// The stream is open.
    pub(in crate::app) connected: bool,
}

pub(in crate::app) enum Change {
    Opened,
    Lost,
    Event(Event),
}

impl Reducible for Live {
    type Action = Change;

    fn reduce(self: Rc<Self>, change: Change) -> Rc<Self> {
        let mut next = (*self).clone();
        match change {
            Change::Opened => next.connected = true,
            Change::Lost => next.connected = false,
            Change::Event(Event::Nodes { nodes }) => {
                next.nodes = Some(Rc::new(nodes));
                next.nodes_ms = now_ms();
            }
            Change::Event(Event::Head { seq, .. }) => next.head = next.head.max(seq),
            Change::Event(
                Event::AccountState { .. }
                | Event::Devices
                | Event::EnrolmentRequest { .. }
                | Event::Message { .. },
            ) => {}
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
    let attempt = use_state(|| 0_u32);
    {
        let (dispatch, attempt) = (live.dispatcher(), attempt.clone());
        use_effect_with(*attempt, move |&number| {
            let stream = EventSource::new(protocol::routes::coordinator::EVENTS.path).ok();
            let listeners = stream.as_ref().map(|stream| listen(stream, &dispatch, &attempt, number));
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

fn listen(
    stream: &EventSource,
    dispatch: &UseReducerDispatcher<Live>,
    attempt: &UseStateHandle<u32>,
    number: u32,
) -> [EventListener; 3] {
    let (opened, lost, told) = (dispatch.clone(), dispatch.clone(), dispatch.clone());
    let (source, attempt) = (stream.clone(), attempt.clone());
    [
        EventListener::new(stream, "open", move |_| opened.dispatch(Change::Opened)),
        EventListener::new(stream, "error", move |_| {
            lost.dispatch(Change::Lost);
            if source.ready_state() == EventSource::CLOSED {
                let attempt = attempt.clone();
                Timeout::new(REOPEN_MS, move || attempt.set(number + 1)).forget();
            }
        }),
        EventListener::new(stream, "message", move |event| {
            let text = event.unchecked_ref::<MessageEvent>().data().as_string();
            // An event that this build does not know is for a newer one.
            if let Some(event) = text.and_then(|text| serde_json::from_str(&text).ok()) {
                told.dispatch(Change::Event(event));
            }
        }),
    ]
}
