//! What would be backed up and what left out, counted by the device itself.

use client::message::{DryRunResult, ToDevice};
use gloo_timers::callback::Timeout;
use patternfly_yew::prelude::*;
use protocol::id::{DeviceId, SourceId};
use yew::prelude::*;

use crate::app::browser::distinct;
use crate::app::components::failure_alert::FailureAlert;
use crate::app::hooks::ask::use_ask;
use crate::app::hooks::live::use_live;
use crate::folder_form::FolderForm;
use crate::message::Tell;
use crate::words;

/// A device that said nothing for so long is slow, or did not hear.
const PATIENCE_MS: u32 = 60_000;

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) device: DeviceId,
    pub(super) source: SourceId,
    pub(super) form: FolderForm,
}

#[component]
pub(super) fn Preview(props: &Props) -> Html {
    let live = use_live();
    let asked = use_state(|| None::<u64>);
    let late = use_state(|| false);
    let tell = use_ask(Callback::noop());
    let larger_than = props.form.larger_than();
    let onclick = {
        let (asked, late, submit) = (asked.clone(), late.clone(), tell.submit.clone());
        let (device, source, exclude) = (props.device, props.source, props.form.patterns());
        Callback::from(move |_| {
            let Ok(larger_than) = larger_than else { return };
            let id = u64::from(distinct());
            asked.set(Some(id));
            late.set(false);
            let exclude = exclude.clone();
            submit.emit(Tell { device, message: ToDevice::DryRun { id, source, exclude, larger_than } });
        })
    };
    {
        let late = late.setter();
        use_effect_with(*asked, move |asked| {
            let timer = asked.map(|_| Timeout::new(PATIENCE_MS, move || late.set(true)));
            move || drop(timer)
        });
    }
    let result = live.dry_run.filter(|result| Some(result.id) == *asked);
    let is_waiting = asked.is_some() && result.is_none() && tell.failure.is_none() && !*late;
    html!(
        <div class="tri-preview" data-test="preview">
            <Button
                variant={ButtonVariant::Secondary}
                label={if is_waiting { "Counting…" } else { "Show what this leaves out" }}
                loading={is_waiting}
                disabled={is_waiting || larger_than.is_err()}
                {onclick}
            />
            <div role="status">
                if let Some(result) = result {
                    { counted(&result) }
                } else if *late {
                    <p>{ "The device has not answered. Look at the Devices page, then try again." }</p>
                }
            </div>
            if let Some(failure) = &tell.failure {
                <FailureAlert failure={failure.clone()} />
            }
        </div>
    )
}

fn counted(result: &DryRunResult) -> Html {
    if let Some(error) = &result.error {
        return html!(<Alert inline=true plain=true r#type={AlertType::Warning} title={error.clone()} />);
    }
    let told =
        |files: u64, bytes: u64| format!("{}, {}", words::count(files, "file", "files"), words::size(bytes));
    html!(
        <>
            <dl class="tri-facts">
                <div><dt>{ "Backed up" }</dt><dd>{ told(result.included.files, result.included.bytes) }</dd></div>
                <div><dt>{ "Left out" }</dt><dd>{ told(result.excluded.files, result.excluded.bytes) }</dd></div>
            </dl>
            if !result.examples.is_empty() {
                <table class="pf-v6-c-table pf-m-compact pf-m-grid-md" aria-label="The largest that are left out">
                    <thead class="pf-v6-c-table__thead">
                        <tr class="pf-v6-c-table__tr">
                            { for ["Left out", "Size", "By"].map(|name| html!(<th class="pf-v6-c-table__th" scope="col">{ name }</th>)) }
                        </tr>
                    </thead>
                    <tbody class="pf-v6-c-table__tbody">
                        { for result.examples.iter().map(|example| html!(
                            <tr class="pf-v6-c-table__tr" data-test="left-out">
                                <td class="pf-v6-c-table__td pf-m-break-word" data-label="Left out">{ &example.path }</td>
                                <td class="pf-v6-c-table__td pf-m-nowrap" data-label="Size">{ words::size(example.bytes) }</td>
                                <td class="pf-v6-c-table__td" data-label="By"><code>{ &example.rule }</code></td>
                            </tr>
                        )) }
                    </tbody>
                </table>
            }
        </>
    )
}
