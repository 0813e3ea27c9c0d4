//! The last step: one group of the recovery key typed back, then the account is made.

use patternfly_yew::prelude::*;
use yew::prelude::*;

use super::Ticket;
use crate::app::browser::distinct;
use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::field::Field;
use crate::app::hooks::ask::use_ask;
use crate::app::session::use_session;
use crate::message::{RecoveryKit, Register, Registered};

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) kit: RecoveryKit,
    pub(super) ticket: Option<Ticket>,
    pub(super) onback: Callback<RecoveryKit>,
}

#[component]
pub(super) fn Confirm(props: &Props) -> Html {
    let session = use_session();
    let groups = props.kit.groups.len();
    let group = *use_memo((), |()| distinct() as usize % groups);
    let typed = use_state(String::new);
    let wrong = use_state(|| false);
    let registration = use_ask({
        let wrong = wrong.setter();
        Callback::from(move |answer| match answer {
            Registered::Done(signed_in) => session.enter(signed_in),
            Registered::WrongGroup => wrong.set(true),
        })
    });
    let onsubmit = {
        let (typed, ticket, ask) = (typed.clone(), props.ticket.clone(), registration.submit.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let (setup_token, invitation) = match ticket.clone() {
                None => (None, None),
                Some(Ticket::Setup(token)) => (Some(token), None),
                Some(Ticket::Invitation(token)) => (None, Some(token)),
            };
            ask.emit(Register { group, typed: (*typed).clone(), setup_token, invitation });
        })
    };
    let onchange = {
        let (typed, wrong) = (typed.clone(), wrong.clone());
        Callback::from(move |value| {
            wrong.set(false);
            typed.set(value);
        })
    };
    let back = {
        let (kit, onback) = (props.kit.clone(), props.onback.clone());
        Callback::from(move |_| onback.emit(kit.clone()))
    };
    html!(
        <form class="pf-v6-c-form" {onsubmit} data-test="confirm">
            if let Some(failure) = &registration.failure {
                <FailureAlert failure={failure.clone()} />
            }
            <Field
                id="group"
                label={format!("Group {} of {groups}", group + 1)}
                autofocus=true
                value={(*typed).clone()}
                {onchange}
                state={if *wrong { InputState::Error } else { InputState::Default }}
                hint={if *wrong { "That is another group, or has a typing mistake.".to_owned() } else { "Eight letters and digits.".to_owned() }}
                disabled={registration.busy}
            />
            <Button
                r#type={ButtonType::Submit}
                variant={ButtonVariant::Primary}
                block=true
                loading={registration.busy}
                disabled={registration.busy || typed.is_empty()}
                label="Create account"
            />
            <Button variant={ButtonVariant::Link} block=true label="Show the key again" onclick={back} disabled={registration.busy} />
        </form>
    )
}
