//! Files and folders dropped anywhere go into the open folder.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_events::{EventListener, EventListenerOptions};
use patternfly_yew::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{DataTransfer, DragEvent};
use yew::prelude::*;

use crate::app::browser::window;
use crate::app::drop::{entries, walk};
use crate::app::hooks::place::{Place, use_place};
use crate::app::transfers::{TransfersContext, use_transfers};

#[component]
pub(in crate::app) fn DropZone() -> Html {
    let is_over = use_state_eq(|| false);
    let (place, transfers) = (use_place(), use_transfers());
    // The listeners outlive a rendering; they look here for what is current.
    let current = use_mut_ref(|| None);
    *current.borrow_mut() = Some((place.clone(), transfers));
    use_drop_listeners(is_over.setter(), current);
    let target =
        place.spot.upload_folder().last().map_or_else(|| "your files".to_owned(), |name| format!("“{name}”"));
    html!(
        if *is_over {
            <div class="tri-drop" data-test="drop-zone">
                <div class="tri-drop__card">
                    { Icon::Upload }
                    <p>{ format!("Drop to back up into {target}") }</p>
                </div>
            </div>
        }
    )
}

#[hook]
fn use_drop_listeners(
    is_over: UseStateSetter<bool>,
    current: Rc<RefCell<Option<(Place, TransfersContext)>>>,
) {
    use_effect_with((), move |()| {
        let options = EventListenerOptions::enable_prevent_default();
        let over = is_over.clone();
        let listeners = [
            EventListener::new_with_options(&window(), "dragover", options, move |event| {
                if carries_files(event).is_some() {
                    event.prevent_default();
                    over.set(true);
                }
            }),
            EventListener::new(&window(), "dragleave", {
                let is_over = is_over.clone();
                // Leaving one element for another is no leaving.
                move |event| {
                    if event.unchecked_ref::<DragEvent>().related_target().is_none() {
                        is_over.set(false);
                    }
                }
            }),
            EventListener::new_with_options(&window(), "drop", options, move |event| {
                is_over.set(false);
                let Some(transfer) = carries_files(event) else { return };
                event.prevent_default();
                let Some((place, transfers)) = current.borrow().clone() else { return };
                let entries = entries(&transfer);
                spawn_local(async move {
                    let gathered = walk(entries).await;
                    transfers.backup(place.spot.upload_folder(), gathered);
                });
            }),
        ];
        move || drop(listeners)
    });
}

/// What is dragged, if it is files.
fn carries_files(event: &web_sys::Event) -> Option<DataTransfer> {
    let transfer = event.unchecked_ref::<DragEvent>().data_transfer()?;
    transfer.types().includes(&"Files".into(), 0).then_some(transfer)
}
