//! What an account takes of what it may.

use yew::prelude::*;

use crate::quota::{self, Fill};

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    /// What it is about, for screen readers.
    pub(in crate::app) label: AttrValue,
    pub(in crate::app) used_bytes: u64,
    pub(in crate::app) quota_bytes: Option<u64>,
}

#[component]
pub(in crate::app) fn QuotaBar(props: &Props) -> Html {
    let told = quota::told(props.used_bytes, props.quota_bytes);
    let Some(limit) = props.quota_bytes else { return html!(<span>{ told }</span>) };
    let percent = (quota::share(props.used_bytes, limit) * 100.0).round();
    let (tone, word) = match quota::fill(props.used_bytes, limit) {
        Fill::Room => (None, ""),
        Fill::Nearly => (Some("pf-m-warning"), ", nearly full"),
        Fill::Full => (Some("pf-m-danger"), ", full"),
    };
    html!(
        <div class={classes!("tri-quota", "pf-v6-c-progress", "pf-m-sm", "pf-m-outside", tone)}>
            <div class="tri-quota__told">{ format!("{told}{word}") }</div>
            <div
                class="pf-v6-c-progress__bar"
                role="progressbar"
                aria-label={props.label.clone()}
                aria-valuemin="0"
                aria-valuemax="100"
                aria-valuenow={percent.to_string()}
                aria-valuetext={told}
            >
                <div class="pf-v6-c-progress__indicator" style={format!("width:{percent}%")}></div>
            </div>
        </div>
    )
}
