//! A link that is shown once, to be copied.

use patternfly_yew::prelude::*;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use crate::app::browser::copy;

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    pub(in crate::app) link: String,
}

#[component]
pub(in crate::app) fn CopyableLink(props: &Props) -> Html {
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
    html!(
        <>
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
        </>
    )
}
