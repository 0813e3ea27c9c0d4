//! Adding a device: choose what it may do, carry a link to it, say that it is the right one.

use patternfly_yew::prelude::*;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use super::link::LinkView;
use crate::app::browser::unix_ms;
use crate::app::components::dialog::Dialog;
use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::field::Field;
use crate::app::hooks::answer::use_answer;
use crate::app::hooks::ask::use_ask;
use crate::app::hooks::clock::use_now;
use crate::app::hooks::live::use_live;
use crate::app::session::use_session;
use crate::device::{ROLES, countdown, role, role_explanation};
use crate::message::{self, Admit, DeviceRole, Guest, Invitation, Uninvite};

const TITLE: &str = "Add a device";

/// How far it is.
#[derive(Clone, PartialEq)]
enum Step {
    Choosing,
    Waiting(Invitation),
    Added(String),
}

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) onclose: Callback<()>,
}

#[component]
pub(super) fn Invite(props: &Props) -> Html {
    let session = use_session();
    let step = use_state(|| Step::Choosing);
    let onclose = {
        let onclose = props.onclose.clone();
        Callback::from(move |()| {
            let session = session.clone();
            spawn_local(async move {
                // Without the worker there is no link either.
                let _ = session.ask(Uninvite {}).await;
            });
            onclose.emit(());
        })
    };
    let set = |make: fn(Invitation) -> Step| {
        let step = step.clone();
        Callback::from(move |invitation| step.set(make(invitation)))
    };
    let restart = {
        let step = step.clone();
        Callback::from(move |()| step.set(Step::Choosing))
    };
    let onadmitted = {
        let step = step.clone();
        Callback::from(move |name| step.set(Step::Added(name)))
    };
    match &*step {
        Step::Choosing => html!(<Choose oninvited={set(Step::Waiting)} {onclose} />),
        Step::Waiting(invitation) => html!(
            <Wait invitation={invitation.clone()} {onadmitted} {restart} {onclose} />
        ),
        Step::Added(name) => {
            let footer = html!(
                <Button variant={ButtonVariant::Primary} label="Done" onclick={onclose.reform(|_| ())} />
            );
            html!(
                <Dialog title={TITLE} {onclose} {footer}>
                    <div role="status" data-test="added">
                        <Alert inline=true r#type={AlertType::Success} title={format!("{name} is added.")}>
                            { "It is connecting now. Choose its folders on the Folders page, or on the device itself with \
                               triplicate-agent folders add." }
                        </Alert>
                    </div>
                </Dialog>
            )
        }
    }
}

#[derive(Properties, PartialEq)]
struct ChooseProps {
    oninvited: Callback<Invitation>,
    onclose: Callback<()>,
}

#[component]
fn Choose(props: &ChooseProps) -> Html {
    let chosen = use_state(DeviceRole::default);
    let invite = use_ask(props.oninvited.clone());
    let submit = {
        let role = *chosen;
        invite.submit.reform(move |_: MouseEvent| message::Invite { role })
    };
    let option = |value: DeviceRole| {
        let (id, chosen) = (format!("role-{value:?}"), chosen.clone());
        let checked = *chosen == value;
        let onchange = Callback::from(move |_: Event| chosen.set(value));
        html!(
            <div class="pf-v6-c-radio">
                <input
                    class="pf-v6-c-radio__input"
                    type="radio"
                    name="role"
                    id={id.clone()}
                    aria-describedby={format!("{id}-means")}
                    {checked}
                    {onchange}
                />
                <label class="pf-v6-c-radio__label" for={id.clone()}>{ role(value) }</label>
                <span class="pf-v6-c-radio__description" id={format!("{id}-means")}>{ role_explanation(value) }</span>
            </div>
        )
    };
    let footer = html!(
        <>
            <Button
                variant={ButtonVariant::Primary}
                label="Make the link"
                loading={invite.busy}
                disabled={invite.busy}
                onclick={submit}
            />
            <Button variant={ButtonVariant::Link} label="Cancel" onclick={props.onclose.reform(|_| ())} />
        </>
    );
    html!(
        <Dialog title={TITLE} onclose={props.onclose.clone()} {footer}>
            <fieldset class="tri-options">
                <legend>{ "What may it do?" }</legend>
                { for ROLES.map(option) }
            </fieldset>
            if let Some(failure) = &invite.failure {
                <FailureAlert failure={failure.clone()} />
            }
        </Dialog>
    )
}

#[derive(Properties, PartialEq)]
struct WaitProps {
    invitation: Invitation,
    onadmitted: Callback<String>,
    restart: Callback<()>,
    onclose: Callback<()>,
}

/// Shows the link until a device used it, then asks whether it is the right one.
#[component]
fn Wait(props: &WaitProps) -> Html {
    let live = use_live();
    let now = use_now(unix_ms);
    let guest = use_answer(props.invitation.enrolment, (live.guests, live.connected), |_| Guest {});
    let left = countdown(props.invitation.good_until_ms, now);
    let failed = guest.answer.as_ref().and_then(|answer| answer.as_ref().err());
    if let (Some(host), None, true) =
        (guest.known().and_then(|host| (**host).clone()), failed, left.is_some())
    {
        return html!(
            <Decide {host} onadmitted={props.onadmitted.clone()} onclose={props.onclose.clone()} />
        );
    }
    let again = html!(
        <Button variant={ButtonVariant::Primary} label="Make another link" onclick={props.restart.reform(|_| ())} />
    );
    let cancel =
        html!(<Button variant={ButtonVariant::Link} label="Cancel" onclick={props.onclose.reform(|_| ())} />);
    let (body, footer) = match (failed, left) {
        (Some(failure), _) => {
            (html!(<FailureAlert failure={failure.clone()} />), html!(<>{ again }{ cancel }</>))
        }
        (None, None) => (
            html!(<p role="status">{ "This link is over. No device was added." }</p>),
            html!(<>{ again }{ cancel }</>),
        ),
        (None, Some(left)) => (html!(<LinkView link={props.invitation.link.clone()} {left} />), cancel),
    };
    html!(<Dialog title={TITLE} onclose={props.onclose.clone()} {footer}>{ body }</Dialog>)
}

#[derive(Properties, PartialEq)]
struct DecideProps {
    host: String,
    onadmitted: Callback<String>,
    onclose: Callback<()>,
}

#[component]
fn Decide(props: &DecideProps) -> Html {
    let name = use_state(|| props.host.clone());
    let admit = use_ask({
        let (onadmitted, name) = (props.onadmitted.clone(), name.clone());
        Callback::from(move |()| onadmitted.emit((*name).clone()))
    });
    let onchange = {
        let name = name.clone();
        Callback::from(move |text| name.set(text))
    };
    let submit = {
        let name = name.trim().to_owned();
        admit.submit.reform(move |_: MouseEvent| Admit { name: name.clone() })
    };
    let footer = html!(
        <>
            <Button
                variant={ButtonVariant::Primary}
                label="Add it"
                loading={admit.busy}
                disabled={admit.busy || name.trim().is_empty()}
                onclick={submit}
            />
            <Button variant={ButtonVariant::Link} label="Cancel" onclick={props.onclose.reform(|_| ())} />
        </>
    );
    html!(
        <Dialog title={TITLE} onclose={props.onclose.clone()} {footer}>
            <div role="status" data-test="guest">
                <p>{ "A computer that calls itself " }<strong>{ &props.host }</strong>{ " used the link. Is it yours?" }</p>
            </div>
            <Field id="device-name" label="Call it" value={(*name).clone()} {onchange} disabled={admit.busy} />
            if let Some(failure) = &admit.failure {
                <FailureAlert failure={failure.clone()} />
            }
        </Dialog>
    )
}
