//! Says that something was deleted, and offers to take it back, for a while. The while does not pass during an attempt,
//! and begins anew after one that failed.
//!
//! Written with PatternFly's own markup: the library's toasts outlive what they offer and stand outside all landmarks.

use gloo_timers::callback::Timeout;
use patternfly_yew::prelude::*;
use yew::prelude::*;

use crate::message::RemovalId;

/// Long enough to notice a mistake.
const OFFER_MS: u32 = 20_000;

/// Something deleted.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::app) struct Removal {
    pub(in crate::app) id: RemovalId,
    /// What a person calls it.
    pub(in crate::app) name: String,
    /// It is being taken back.
    pub(in crate::app) undoing: bool,
}

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    pub(in crate::app) removal: Option<Removal>,
    pub(in crate::app) onundo: Callback<RemovalId>,
    /// The time is over.
    pub(in crate::app) onexpire: Callback<RemovalId>,
}

#[component]
pub(in crate::app) fn UndoToast(props: &Props) -> Html {
    {
        let onexpire = props.onexpire.clone();
        let offered = props.removal.as_ref().filter(|removal| !removal.undoing).map(|removal| removal.id);
        use_effect_with(offered, move |offered| {
            let timer = offered.map(|id| Timeout::new(OFFER_MS, move || onexpire.emit(id)));
            move || drop(timer)
        });
    }
    let toast = props.removal.as_ref().map(|Removal { id, name, undoing }| {
        let id = *id;
        let title =
            if *undoing { format!("Bringing {name} back…") } else { format!("{name} is in the bin.") };
        let undo = (!undoing).then(|| Action::new("Undo", props.onundo.reform(move |()| id)));
        html!(
            <ul class="pf-v6-c-alert-group pf-m-toast" role="list">
                <li class="pf-v6-c-alert-group__item">
                    <Alert r#type={AlertType::Info} {title} actions={Vec::from_iter(undo)}>
                        { "Its bytes are kept for 30 days." }
                    </Alert>
                </li>
            </ul>
        )
    });
    html!(<div role="status" data-test="undo">{ toast }</div>)
}
