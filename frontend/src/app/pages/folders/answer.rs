//! Answering a folder that waits because so much of it is gone.

use client::message::{ToDevice, Vanished};
use yew::prelude::*;

use crate::app::components::dialog::Confirm;
use crate::app::hooks::ask::use_ask;
use crate::message::{Tell, WatchedFolder};
use crate::vanished::question;

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) folder: WatchedFolder,
    /// What its device asks about.
    pub(super) vanished: Vanished,
    pub(super) onclose: Callback<()>,
}

#[component]
pub(super) fn Answer(props: &Props) -> Html {
    let tell = use_ask(props.onclose.clone());
    let (device, source, vanished) = (props.folder.device, props.folder.source, props.vanished);
    let asked = question(&props.folder, vanished);
    html!(
        <Confirm
            title={asked.title}
            verb={asked.verb}
            busy={tell.busy}
            failure={tell.failure.clone()}
            onconfirm={tell.submit.reform(move |()| Tell { device, message: ToDevice::Confirm { source, vanished } })}
            onclose={props.onclose.clone()}
        >
            <p>{ asked.consequence }</p>
            <p>{ asked.otherwise }</p>
        </Confirm>
    )
}
