//! Signing in, which is also how a locked page opens again.

use patternfly_yew::prelude::*;
use protocol::accounts::RegistrationResponse;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;
use yew_nested_router::components::Link;

use crate::app::components::failure_alert::FailureAlert;
use crate::app::components::field::{Field, SecretField};
use crate::app::components::frame::Frame;
use crate::app::routes::Route;
use crate::app::session::{Session, Status, use_session};
use crate::failure::Failure;
use crate::message::{self, Registration};

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
    let busy = use_state(|| false);
    let failure = use_state(|| None::<Failure>);
    let registration = use_registration(&session);

    let onsubmit = {
        let (session, login, passphrase) = (session.clone(), login.clone(), passphrase.clone());
        let (busy, failure) = (busy.clone(), failure.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            if *busy || login.is_empty() || passphrase.is_empty() {
                return;
            }
            busy.set(true);
            failure.set(None);
            let ask = message::SignIn { login: login.trim().to_owned(), passphrase: (*passphrase).clone() };
            let (session, passphrase, busy, failure) =
                (session.clone(), passphrase.clone(), busy.clone(), failure.clone());
            spawn_local(async move {
                match sign_in(&session, ask).await {
                    Ok(signed_in) => session.enter(signed_in),
                    Err(reason) => {
                        passphrase.set(String::new());
                        failure.set(Some(reason));
                        busy.set(false);
                    }
                }
            });
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
            if let Some(failure) = &*failure {
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
                    disabled={*busy}
                />
                <SecretField
                    id="passphrase"
                    label="Passphrase"
                    autocomplete="current-password"
                    value={(*passphrase).clone()}
                    onchange={setter(&passphrase)}
                    autofocus={is_locked}
                    disabled={*busy}
                />
                <Button
                    r#type={ButtonType::Submit}
                    variant={ButtonVariant::Primary}
                    block=true
                    loading={*busy}
                    disabled={*busy}
                    label={if *busy { "Opening your vault…" } else if is_locked { "Unlock" } else { "Sign in" }}
                />
            </form>
            { invitation((*registration).as_ref()) }
        </Frame>
    )
}

async fn sign_in(session: &Session, ask: message::SignIn) -> Result<message::SignedIn, Failure> {
    let worker = session.worker();
    worker.port()?.call(ask).await
}

/// Whether one may register here; nothing while that is not known.
#[hook]
fn use_registration(session: &Session) -> UseStateHandle<Option<RegistrationResponse>> {
    let registration = use_state(|| None);
    {
        let (session, registration) = (session.clone(), registration.clone());
        use_effect_with((), move |()| {
            spawn_local(async move {
                let worker = session.worker();
                if let Ok(port) = worker.port()
                    && let Ok(answer) = port.call(Registration {}).await
                {
                    registration.set(Some(answer));
                }
            });
        });
    }
    registration
}

fn invitation(registration: Option<&RegistrationResponse>) -> Html {
    match registration {
        Some(RegistrationResponse { setup_required: true, .. }) => html!(
            <p data-test="setup-required">
                { "Nobody has an account here yet. Open the setup link that the server printed when it started; it is \
                   also in the file setup-link of its data folder." }
            </p>
        ),
        Some(RegistrationResponse { open: true, .. }) => html!(
            <p><Link<Route> to={Route::Setup}>{ "Create an account" }</Link<Route>></p>
        ),
        _ => html!(),
    }
}
