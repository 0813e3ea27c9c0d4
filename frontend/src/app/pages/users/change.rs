//! What an account may hold, and what it may do.

use patternfly_yew::prelude::*;
use protocol::sessions::AccountRole;
use protocol::users::User;
use yew::prelude::*;

use crate::app::components::choice::Choice;
use crate::app::components::dialog::Dialog;
use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::field::Field;
use crate::app::hooks::ask::use_ask;
use crate::failure::Failure;
use crate::message::{SetQuota, SetRole};
use crate::{quota, words};

/// Roles, in the order in which they are offered.
pub(super) const ROLES: [(AccountRole, &str); 2] =
    [(AccountRole::Member, "Member: uses the server"), (AccountRole::Operator, "Operator: also runs it")];

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) user: User,
    pub(super) onclose: Callback<()>,
}

#[component]
pub(super) fn QuotaDialog(props: &Props) -> Html {
    let User { account, login, used_bytes, quota_bytes, .. } = &props.user;
    let typed = use_state(|| quota::typed(*quota_bytes));
    let set = use_ask::<SetQuota>(props.onclose.clone());
    let wanted = quota::parse(&typed);
    let onsave = {
        let account = *account;
        set.submit.reform(move |()| SetQuota { account, quota_bytes: wanted.flatten() })
    };
    let is_below = matches!(wanted, Some(Some(bytes)) if bytes <= *used_bytes);
    html!(
        <Form
            title={format!("Quota of {login}")}
            busy={set.busy}
            is_blocked={wanted.is_none()}
            failure={set.failure}
            {onsave}
            onclose={props.onclose.clone()}
        >
            <p>{ format!("{login} stores {} now, one copy counted.", words::size(*used_bytes)) }</p>
            { quota_field(&typed, set.busy) }
            if is_below {
                <div data-test="below">
                    <Alert inline=true r#type={AlertType::Warning} title="That is no more than what is there">
                        { "Nothing is deleted, and everything can be restored, but nothing new is backed up until there is \
                           room again." }
                    </Alert>
                </div>
            }
        </Form>
    )
}

/// A quota to be typed.
pub(super) fn quota_field(typed: &UseStateHandle<String>, disabled: bool) -> Html {
    let onchange = {
        let typed = typed.setter();
        Callback::from(move |text| typed.set(text))
    };
    let (state, hint) = match quota::parse(typed) {
        Some(None) => (InputState::Default, "Empty: as much as there is.".to_owned()),
        Some(Some(bytes)) => (InputState::Default, format!("{}.", words::size(bytes))),
        None => (InputState::Error, "A number, like 50 or 0.5.".to_owned()),
    };
    html!(
        <Field id="quota" label="Quota in GB" value={(**typed).clone()} {onchange} {state} {hint} {disabled} autocomplete="off" />
    )
}

#[component]
pub(super) fn RoleDialog(props: &Props) -> Html {
    let User { account, login, role, .. } = &props.user;
    let chosen = use_state(|| place_of(*role));
    let set = use_ask::<SetRole>(props.onclose.clone());
    let onchoose = {
        let chosen = chosen.setter();
        Callback::from(move |at| chosen.set(at))
    };
    let wanted = ROLES[*chosen].0;
    let onsave = {
        let account = *account;
        set.submit.reform(move |()| SetRole { account, role: wanted })
    };
    html!(
        <Form
            title={format!("Role of {login}")}
            busy={set.busy}
            is_blocked={wanted == *role}
            failure={set.failure}
            {onsave}
            onclose={props.onclose.clone()}
        >
            { role_choice(*chosen, onchoose) }
            <p>{ "An operator sees all users, sets quotas and roles, invites people, reads the audit log and removes \
                  storage nodes. Nobody can read what another has backed up." }</p>
        </Form>
    )
}

fn place_of(role: AccountRole) -> usize {
    ROLES.iter().position(|(known, _)| *known == role).unwrap_or(0)
}

/// A role to be chosen.
pub(super) fn role_choice(chosen: usize, onchoose: Callback<usize>) -> Html {
    let options = ROLES.map(|(_, told)| told.to_owned()).to_vec();
    html!(<Choice id="role" label="Role" {options} {chosen} {onchoose} />)
}

#[derive(Properties, PartialEq)]
pub(super) struct FormProps {
    pub(super) title: AttrValue,
    #[prop_or(AttrValue::Static("Save"))]
    pub(super) verb: AttrValue,
    pub(super) busy: bool,
    #[prop_or_default]
    pub(super) is_blocked: bool,
    pub(super) failure: Option<Failure>,
    pub(super) onsave: Callback<()>,
    pub(super) onclose: Callback<()>,
    pub(super) children: Html,
}

/// A dialog with a form in it, which Enter sends.
#[component]
pub(super) fn Form(props: &FormProps) -> Html {
    const FORM: &str = "user-form";
    let is_blocked = props.busy || props.is_blocked;
    let onsubmit = {
        let onsave = props.onsave.clone();
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            if !is_blocked {
                onsave.emit(());
            }
        })
    };
    let footer = html!(
        <>
            <button type="submit" form={FORM} class="pf-v6-c-button pf-m-primary" disabled={is_blocked}>
                <span class="pf-v6-c-button__text">{ props.verb.clone() }</span>
            </button>
            <Button variant={ButtonVariant::Link} label="Cancel" onclick={props.onclose.reform(|_| ())} />
        </>
    );
    html!(
        <Dialog title={props.title.clone()} onclose={props.onclose.clone()} {footer}>
            <form id={FORM} class="pf-v6-c-form" {onsubmit}>{ props.children.clone() }</form>
            if let Some(failure) = &props.failure {
                <FailureAlert failure={failure.clone()} />
            }
        </Dialog>
    )
}
