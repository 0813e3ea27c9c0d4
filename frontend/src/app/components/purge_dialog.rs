//! Deleting for good: says what goes, what stays and when the space returns, before it does.

use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::dialog::{Confirm, Dialog};
use crate::app::hooks::answer::use_answer;
use crate::app::hooks::ask::use_ask;
use crate::message::{DeleteForGood, Moment, PlanPurge, PurgePreview, StillIn};
use crate::purge::{what_goes, what_stays};

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    pub(in crate::app) moment: Moment,
    pub(in crate::app) path: Vec<String>,
    /// Hears when the dialog is to go, whether something was deleted or not.
    pub(in crate::app) onclose: Callback<()>,
}

#[component]
pub(in crate::app) fn PurgeDialog(props: &Props) -> Html {
    let plan = use_answer((props.moment, props.path.clone()), (), |(moment, path)| PlanPurge {
        moment: *moment,
        path: path.clone(),
    });
    let title = format!("Delete “{}” for good?", props.path.last().map_or("", String::as_str));
    match plan.known() {
        Some(preview) => html!(
            <Decide
                {title}
                moment={props.moment}
                path={props.path.clone()}
                preview={**preview}
                onclose={props.onclose.clone()}
            />
        ),
        None => html!(
            <Dialog {title} onclose={props.onclose.clone()} footer={html!()}>
                <p>{ "Looking through all snapshots for what else needs it." }</p>
                { plan.show(|_| html!()) }
            </Dialog>
        ),
    }
}

#[derive(Properties, PartialEq)]
struct DecideProps {
    title: String,
    moment: Moment,
    path: Vec<String>,
    preview: PurgePreview,
    onclose: Callback<()>,
}

#[component]
fn Decide(props: &DecideProps) -> Html {
    let preview = props.preview;
    let delete = use_ask(props.onclose.clone());
    let (forget, exclude) = (use_state(|| false), use_state(|| preview.watched));
    let ask = DeleteForGood {
        moment: props.moment,
        path: props.path.clone(),
        forget: *forget,
        exclude: *exclude && preview.watched,
    };
    let option = |id: &'static str, label: String, chosen: &UseStateHandle<bool>| {
        let checked = **chosen;
        let chosen = chosen.clone();
        let onchange = Callback::from(move |event: Event| {
            let Some(target) = event.target() else { return };
            chosen.set(target.unchecked_into::<HtmlInputElement>().checked());
        });
        html!(
            <div class="pf-v6-c-check">
                <input class="pf-v6-c-check__input" type="checkbox" {id} {checked} {onchange} disabled={delete.busy} />
                <label class="pf-v6-c-check__label" for={id}>{ label }</label>
            </div>
        )
    };
    html!(
        <Confirm
            title={props.title.clone()}
            verb="Delete for good"
            busy={delete.busy}
            failure={delete.failure.clone()}
            onconfirm={delete.submit.reform(move |()| ask.clone())}
            onclose={props.onclose.clone()}
        >
            <div data-test="purge">
                <p>{ what_goes(&preview) }</p>
                if preview.still_in == StillIn::Uploads {
                    <p>{ "It is deleted from your files as well." }</p>
                }
                { for what_stays(&preview).into_iter().map(|words| html!(<p>{ words }</p>)) }
                if preview.bytes_gone > 0 {
                    <p>{ "Nobody can restore it afterwards, you neither. The storage nodes delete it within about two days, \
                          and give its space back some days later." }</p>
                }
            </div>
            if preview.watched {
                { option("purge-exclude", "And leave it out of this folder's backups from now on".to_owned(), &exclude) }
            }
            if preview.snapshots > 0 {
                { option("purge-forget", forgetting(preview.snapshots), &forget) }
            }
        </Confirm>
    )
}

fn forgetting(snapshots: u64) -> String {
    match snapshots {
        1 => "And forget the older snapshot that has it, with everything else in it".to_owned(),
        _ => format!("And forget the {snapshots} older snapshots that have it, with everything else in them"),
    }
}
