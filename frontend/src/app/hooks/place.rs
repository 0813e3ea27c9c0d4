//! The open place, with the browser's back and forward buttons.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_events::EventListener;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::PopStateEvent;
use yew::prelude::*;
use yew_nested_router::prelude::use_router;

use crate::app::browser::{distinct, window};
use crate::app::routes::Route;
use crate::spot::Spot;
use crate::visited::Visited;

/// Where the person is.
#[derive(Clone, PartialEq)]
pub(in crate::app) struct Place {
    /// The open place.
    pub(in crate::app) spot: Spot,
    go: Callback<(Route, Spot)>,
}

impl Place {
    /// Opens a place on a page.
    pub(in crate::app) fn go(&self, route: Route, spot: Spot) {
        self.go.emit((route, spot));
    }
}

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    pub(in crate::app) children: Html,
}

#[component]
pub(in crate::app) fn PlaceProvider(props: &Props) -> Html {
    let visited = use_memo((), |()| RefCell::new(Visited::new(distinct())));
    let spot = use_state_eq(Spot::default);
    let router = use_router::<Route>();
    let go = {
        let (visited, spot) = (visited.clone(), spot.clone());
        Callback::from(move |(route, target): (Route, Spot)| {
            let mark = visited.borrow_mut().remember(target.clone());
            spot.set(target);
            if let Some(router) = &router {
                router.push_with(route, JsValue::from_str(&mark).into());
            }
        })
    };
    use_back_and_forward(visited, spot.setter());
    let place = Place { spot: (*spot).clone(), go };
    html!(<ContextProvider<Place> context={place}>{ props.children.clone() }</ContextProvider<Place>>)
}

/// Where the person is.
#[hook]
pub(in crate::app) fn use_place() -> Place {
    use_context::<Place>().expect("pages stand below PlaceProvider")
}

#[hook]
fn use_back_and_forward(visited: Rc<RefCell<Visited>>, spot: UseStateSetter<Spot>) {
    use_effect_with((), move |()| {
        let listener = EventListener::new(&window(), "popstate", move |event| {
            let mark = event.unchecked_ref::<PopStateEvent>().state().as_string();
            spot.set(visited.borrow().recall(mark.as_deref()));
        });
        move || drop(listener)
    });
}
