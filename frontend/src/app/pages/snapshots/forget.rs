//! Forgetting one snapshot.

use protocol::id::SourceId;
use yew::prelude::*;

use crate::app::browser::exact_moment;
use crate::app::components::dialog::Confirm;
use crate::app::hooks::ask::use_ask;
use crate::message::{Forget, Snapshot};

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) source: Option<SourceId>,
    pub(super) snapshot: Snapshot,
    pub(super) onclose: Callback<()>,
}

#[component]
pub(super) fn ForgetDialog(props: &Props) -> Html {
    let forget = use_ask(props.onclose.clone());
    let (source, seq) = (props.source, props.snapshot.seq);
    html!(
        <Confirm
            title={format!("Forget the snapshot of {}?", exact_moment(props.snapshot.created_ms as f64))}
            verb="Forget"
            busy={forget.busy}
            failure={forget.failure.clone()}
            onconfirm={forget.submit.reform(move |()| Forget { source, seqs: [seq].into() })}
            onclose={props.onclose.clone()}
        >
            <p>{ "It cannot be opened or restored any more. What it alone needs is deleted from the storage nodes within \
                  about two days, and gives their space back some days later." }</p>
            <p>{ "All other snapshots stay as they are." }</p>
        </Confirm>
    )
}
