//! One of several, by the browser's own list: it works by keyboard, with a screen reader and on a phone.

use patternfly_yew::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlSelectElement;
use yew::prelude::*;

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    /// Unique on the page.
    pub(in crate::app) id: AttrValue,
    pub(in crate::app) label: AttrValue,
    pub(in crate::app) options: Vec<String>,
    /// Which of them.
    pub(in crate::app) chosen: usize,
    pub(in crate::app) onchoose: Callback<usize>,
}

#[component]
pub(in crate::app) fn Choice(props: &Props) -> Html {
    let onchange = {
        let onchoose = props.onchoose.clone();
        Callback::from(move |event: Event| {
            let select = event.target().map(JsCast::unchecked_into::<HtmlSelectElement>);
            if let Some(at) = select.and_then(|select| usize::try_from(select.selected_index()).ok()) {
                onchoose.emit(at);
            }
        })
    };
    html!(
        <div class="tri-choice">
            <label class="pf-v6-c-form__label" for={props.id.clone()}>
                <span class="pf-v6-c-form__label-text">{ &props.label }</span>
            </label>
            <span class="pf-v6-c-form-control">
                <select id={props.id.clone()} data-test={props.id.clone()} {onchange}>
                    { for props.options.iter().enumerate().map(|(at, option)| html!(
                        <option key={at} selected={at == props.chosen}>{ option }</option>
                    )) }
                </select>
                <span class="pf-v6-c-form-control__utilities">
                    <span class="pf-v6-c-form-control__toggle-icon">{ Icon::CaretDown }</span>
                </span>
            </span>
        </div>
    )
}
