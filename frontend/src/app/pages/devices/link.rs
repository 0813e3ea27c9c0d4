//! The link to a device: to copy, as a QR code, and how long it is good.

use patternfly_yew::prelude::*;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use crate::app::browser::copy;
use crate::qr;

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) link: String,
    /// How long it is good.
    pub(super) left: String,
}

#[component]
pub(super) fn LinkView(props: &Props) -> Html {
    let told = use_state(|| "");
    let onclick = {
        let (link, told) = (props.link.clone(), told.clone());
        Callback::from(move |_| {
            let (link, told) = (link.clone(), told.clone());
            spawn_local(async move {
                let done = copy(&link).await;
                told.set(if done {
                    "Copied."
                } else {
                    "The browser did not allow it: select the link and copy it."
                });
            });
        })
    };
    let code = use_memo(props.link.clone(), |link| qr::draw(link));
    html!(
        <>
            <p>{ "On the device, run " }<code>{ "triplicate-agent enroll" }</code>
                { " and paste this link. Show it to nobody else." }</p>
            <label class="pf-v6-c-form__label" for="link"><span class="pf-v6-c-form__label-text">{ "Link" }</span></label>
            <div class="pf-v6-c-input-group">
                <div class="pf-v6-c-input-group__item pf-m-fill">
                    <span class="pf-v6-c-form-control pf-m-readonly">
                        <input id="link" type="text" readonly=true value={props.link.clone()} data-test="link" />
                    </span>
                </div>
                <div class="pf-v6-c-input-group__item">
                    <Button
                        variant={ButtonVariant::Control}
                        aria_label="Copy the link"
                        icon={html!({ Icon::Copy })}
                        {onclick}
                    />
                </div>
            </div>
            <p role="status">{ *told }</p>
            if let Some(code) = &*code {
                <svg
                    class="tri-qr"
                    viewBox={format!("0 0 {0} {0}", code.size)}
                    role="img"
                    aria-label="The link as a QR code"
                    shape-rendering="crispEdges"
                >
                    <rect width="100%" height="100%" fill="#fff" />
                    <path d={code.path.clone()} fill="#000" />
                </svg>
            }
            <p data-test="countdown">{ Icon::History }{ format!(" Waiting for the device. The link is good for {}.", props.left) }</p>
        </>
    )
}
