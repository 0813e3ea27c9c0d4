//! Which nodes the browser lets the worker reach. That stays as it was when the worker was started: a node that joins
//! later needs a new one.

use std::rc::Rc;

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{RequestInit, Response};
use yew::prelude::*;

use crate::app::browser::window;
use crate::app::port::WORKER_URL;
use crate::app::session::use_session;
use crate::policy::connect_origins;

/// The nodes' origins that the running worker may reach; nothing while that is not known, or where all may be reached.
#[derive(Clone, PartialEq, Default)]
pub(in crate::app) struct Reach(pub(in crate::app) Option<Rc<Vec<String>>>);

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    pub(in crate::app) children: Html,
}

/// Stands above the door: it asks when a worker starts, which is before anybody is signed in.
#[component]
pub(in crate::app) fn ReachProvider(props: &Props) -> Html {
    let worker = use_session().worker();
    let reach = use_state_eq(Reach::default);
    {
        let reach = reach.setter();
        use_effect_with(worker, move |_| {
            spawn_local(async move {
                // Without an answer nothing is known, and nothing is said.
                if let Ok(origins) = ask().await {
                    reach.set(Reach(origins.map(Rc::new)));
                }
            });
        });
    }
    html!(<ContextProvider<Reach> context={(*reach).clone()}>{ props.children.clone() }</ContextProvider<Reach>>)
}

/// What the worker may reach.
#[hook]
pub(in crate::app) fn use_reach() -> Reach {
    use_context::<Reach>().expect("pages stand below ReachProvider")
}

/// A worker obeys the policy that came with its script.
async fn ask() -> Result<Option<Vec<String>>, JsValue> {
    let head = RequestInit::new();
    head.set_method("HEAD");
    let response = JsFuture::from(window().fetch_with_str_and_init(WORKER_URL, &head)).await?;
    let policy = response.unchecked_into::<Response>().headers().get("content-security-policy")?;
    Ok(policy.as_deref().and_then(connect_origins))
}
