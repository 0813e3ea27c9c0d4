//! The open folder, with the browser's back and forward buttons.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_events::EventListener;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::PopStateEvent;
use yew::prelude::*;
use yew_nested_router::prelude::use_router;

use crate::app::browser::{distinct, window};
use crate::app::routes::Route;
use crate::folder::Folder;
use crate::visited::Visited;

/// Where the person is.
#[derive(Clone, PartialEq)]
pub(in crate::app) struct Place {
    /// The open folder.
    pub(in crate::app) folder: Folder,
    go: Callback<Folder>,
}

impl Place {
    /// Opens a folder on the Files page.
    pub(in crate::app) fn go(&self, folder: Folder) {
        self.go.emit(folder);
    }
}

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    pub(in crate::app) children: Html,
}

#[component]
pub(in crate::app) fn PlaceProvider(props: &Props) -> Html {
    let visited = use_memo((), |()| RefCell::new(Visited::new(distinct())));
    let folder = use_state_eq(Folder::new);
    let router = use_router::<Route>();
    let go = {
        let (visited, folder) = (visited.clone(), folder.clone());
        Callback::from(move |target: Folder| {
            let mark = visited.borrow_mut().remember(target.clone());
            folder.set(target);
            if let Some(router) = &router {
                router.push_with(Route::Files, JsValue::from_str(&mark).into());
            }
        })
    };
    use_back_and_forward(visited, folder.setter());
    let place = Place { folder: (*folder).clone(), go };
    html!(<ContextProvider<Place> context={place}>{ props.children.clone() }</ContextProvider<Place>>)
}

/// Where the person is.
#[hook]
pub(in crate::app) fn use_place() -> Place {
    use_context::<Place>().expect("pages stand below PlaceProvider")
}

#[hook]
fn use_back_and_forward(visited: Rc<RefCell<Visited>>, folder: UseStateSetter<Folder>) {
    use_effect_with((), move |()| {
        let listener = EventListener::new(&window(), "popstate", move |event| {
            let mark = event.unchecked_ref::<PopStateEvent>().state().as_string();
            folder.set(visited.borrow().recall(mark.as_deref()));
        });
        move || drop(listener)
    });
}
