//! Signing in, which is also how a locked page opens again.

use patternfly_yew::prelude::*;
use protocol::accounts::{RegistrationMode, RegistrationResponse};
use yew::prelude::*;
use yew_nested_router::components::Link;

use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::field::{Field, SecretField};
use crate::app::components::frame::Frame;
use crate::app::hooks::ask::use_ask;
use crate::app::hooks::registration::use_registration;
use crate::app::routes::Route;
use crate::app::session::{Status, use_session};
use crate::message;

/// Where an account comes from.
pub(super) const INVITED_ONLY: &str =
    "New accounts need an invitation here: a link that whoever runs this server gives you.";
pub(super) const CLOSED: &str = "No new accounts are made on this server.";
/// Where the operator's account comes from.
pub(super) const SETUP_LINK: &str = "Nobody has an account here yet. Open the setup link that the server printed when it \
                                     started; it is also in the file setup-link of its data folder.";

#[component]
pub(in crate::app) fn SignIn() -> Html {
    let session = use_session();
    let (known_login, note) = match &session.status {
        Status::Locked { login, note } => (login.clone(), note.clone()),
        Status::Unlocked(_) => Default::default(),
    };
    let is_locked = !known_login.is_empty();
    let login = use_state(|| known_login);
    let passphrase = use_state(String::new);
    let registration = use_registration();
    let attempt = use_ask({
        let session = session.clone();
        Callback::from(move |signed_in| session.enter(signed_in))
    });
    let onsubmit = {
        let (login, passphrase, ask) = (login.clone(), passphrase.clone(), attempt.submit.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            if !login.is_empty() && !passphrase.is_empty() {
                let (login, passphrase) = (login.trim().to_owned(), (*passphrase).clone());
                ask.emit(message::SignIn { login, passphrase });
            }
        })
    };
    let setter = |state: &UseStateHandle<String>| {
        let state = state.clone();
        Callback::from(move |value| state.set(value))
    };
    html!(
        <Frame title={if is_locked { "Unlock" } else { "Sign in" }} lead="Your passphrase never leaves this browser.">
            if let Some(note) = note {
                <div role="status" data-test="note"><Alert inline=true r#type={AlertType::Info} title={note} /></div>
            }
            if let Some(failure) = &attempt.failure {
                <FailureAlert failure={failure.clone()} />
            }
            <form class="pf-v6-c-form" {onsubmit} data-test="sign-in">
                <Field
                    id="login"
                    label="Login"
                    autocomplete="username"
                    value={(*login).clone()}
                    onchange={setter(&login)}
                    autofocus={!is_locked}
                    disabled={attempt.busy}
                />
                <SecretField
                    id="passphrase"
                    label="Passphrase"
                    autocomplete="current-password"
                    value={(*passphrase).clone()}
                    onchange={setter(&passphrase)}
                    autofocus={is_locked}
                    disabled={attempt.busy}
                />
                <Button
                    r#type={ButtonType::Submit}
                    variant={ButtonVariant::Primary}
                    block=true
                    loading={attempt.busy}
                    disabled={attempt.busy}
                    label={if attempt.busy { "Opening your vault…" } else if is_locked { "Unlock" } else { "Sign in" }}
                />
            </form>
            { invitation(registration.as_ref()) }
        </Frame>
    )
}

/// How to get an account, as far as that is known.
fn invitation(registration: Option<&RegistrationResponse>) -> Html {
    match registration {
        None => html!(),
        Some(RegistrationResponse { setup_required: true, .. }) => html!(
            <p data-test="setup-required">{ SETUP_LINK }</p>
        ),
        Some(RegistrationResponse { mode: RegistrationMode::Open, .. }) => html!(
            <p><Link<Route> to={Route::Setup}>{ "Create an account" }</Link<Route>></p>
        ),
        Some(RegistrationResponse { mode: RegistrationMode::Invite, .. }) => html!(
            <p data-test="registration">{ INVITED_ONLY }</p>
        ),
        Some(RegistrationResponse { mode: RegistrationMode::Closed, .. }) => html!(
            <p data-test="registration">{ CLOSED }</p>
        ),
    }
}
