//! How long the snapshots of a source are kept: its policy, and what it would do now.

use patternfly_yew::prelude::*;
use protocol::id::SourceId;
use protocol::snapshots::{RetentionPolicy, RetentionResponse};
use yew::prelude::*;

use crate::app::components::dialog::Dialog;
use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::field::Field;
use crate::app::hooks::answer::use_answer;
use crate::app::hooks::ask::use_ask;
use crate::message::{FindRetention, PreviewRetention, PutRetention};
use crate::retention_form::{RetentionForm, effect};

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) source: Option<SourceId>,
    pub(super) onclose: Callback<()>,
}

#[component]
pub(super) fn RetentionDialog(props: &Props) -> Html {
    let found = use_answer(props.source, (), |source| FindRetention { source: *source });
    match found.known() {
        Some(found) => html!(<Edit source={props.source} found={**found} onclose={props.onclose.clone()} />),
        None => html!(
            <Dialog title={TITLE} onclose={props.onclose.clone()} footer={html!()}>
                { found.show(|_| html!()) }
            </Dialog>
        ),
    }
}

const TITLE: &str = "How long snapshots are kept";

#[derive(Properties, PartialEq)]
struct EditProps {
    source: Option<SourceId>,
    found: RetentionResponse,
    onclose: Callback<()>,
}

#[component]
fn Edit(props: &EditProps) -> Html {
    let form = use_state(|| RetentionForm::of(&props.found.policy));
    let put = use_ask(props.onclose.clone());
    let policy = form.policy();
    let onsave = {
        let (submit, source) = (put.submit.clone(), props.source);
        Callback::from(move |_: MouseEvent| {
            if let Some(policy) = policy {
                submit.emit(PutRetention { source, policy });
            }
        })
    };
    let footer = html!(
        <>
            <Button
                variant={ButtonVariant::Primary}
                label="Save"
                loading={put.busy}
                disabled={put.busy || policy.is_none()}
                onclick={onsave}
            />
            <Button variant={ButtonVariant::Link} label="Cancel" onclick={props.onclose.reform(|_| ())} />
        </>
    );
    let field = |id: &'static str, label: &'static str, value: &str, set: fn(&mut RetentionForm, String)| {
        let onchange = {
            let form = form.clone();
            Callback::from(move |typed| {
                let mut next = (*form).clone();
                set(&mut next, typed);
                form.set(next);
            })
        };
        html!(<Field {id} {label} value={value.to_owned()} {onchange} disabled={put.busy} />)
    };
    html!(
        <Dialog title={TITLE} onclose={props.onclose.clone()} {footer}>
            <p>{ "A snapshot is kept if any of these keeps it; the newest always is. Times are those of UTC." }</p>
            if props.found.uploads {
                <p>{ "Of uploads, everything of the last 30 days is kept as well: it is the bin." }</p>
            }
            { field("within", "Everything of the last hours", &form.hours, |form, typed| form.hours = typed) }
            { field("last", "So many of the newest", &form.last, |form, typed| form.last = typed) }
            { field("hourly", "One an hour, for hours", &form.hourly, |form, typed| form.hourly = typed) }
            { field("daily", "One a day, for days", &form.daily, |form, typed| form.daily = typed) }
            { field("weekly", "One a week, for weeks", &form.weekly, |form, typed| form.weekly = typed) }
            { field("monthly", "One a month, for months", &form.monthly, |form, typed| form.monthly = typed) }
            { field("yearly", "One a year, for years", &form.yearly, |form, typed| form.yearly = typed) }
            { match policy {
                Some(policy) => html!(<Effect source={props.source} {policy} />),
                None => html!(
                    <Alert inline=true plain=true r#type={AlertType::Danger} title="These are whole numbers below a million" />
                ),
            } }
            if let Some(failure) = &put.failure {
                <FailureAlert failure={failure.clone()} />
            }
        </Dialog>
    )
}

#[derive(Properties, PartialEq)]
struct EffectProps {
    source: Option<SourceId>,
    policy: RetentionPolicy,
}

/// What the policy would do, before it is saved.
#[component]
fn Effect(props: &EffectProps) -> Html {
    let preview = use_answer((props.source, props.policy), (), |(source, policy)| PreviewRetention {
        source: *source,
        policy: *policy,
    });
    html!(<div role="status" data-test="effect">{ preview.show(|preview| html!({ effect(preview) })) }</div>)
}
