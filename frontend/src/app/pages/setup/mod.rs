//! Making an account: login and passphrase, then the recovery key, then one group of it typed back. The server hears of
//! the account after the last step only.

mod confirm;
mod credentials;

use patternfly_yew::prelude::*;
use protocol::accounts::{RegistrationMode, RegistrationResponse};
use yew::prelude::*;
use yew_nested_router::components::Link;

use confirm::Confirm;
use credentials::Credentials;

use crate::app::browser::window;
use crate::app::components::frame::Frame;
use crate::app::components::recovery_kit::RecoveryKitView;
use crate::app::hooks::registration::use_registration;
use crate::app::pages::sign_in::{CLOSED, INVITED_ONLY, SETUP_LINK};
use crate::app::routes::Route;
use crate::message::RecoveryKit;

/// By what somebody may make an account.
#[derive(Clone, PartialEq)]
enum Ticket {
    Setup(String),
    Invitation(String),
}

/// Where the person is.
#[derive(Clone, PartialEq)]
enum Step {
    Credentials,
    Keep(RecoveryKit),
    Confirm(RecoveryKit),
}

#[derive(Properties, PartialEq)]
pub(in crate::app) struct Props {
    /// [`Route::Invitation`] for who was invited.
    pub(in crate::app) route: Route,
}

#[component]
pub(in crate::app) fn Setup(props: &Props) -> Html {
    let step = use_state(|| Step::Credentials);
    let token = use_memo((), |()| take_token());
    let registration = use_registration();
    let ticket = match (&*token, props.route) {
        (None, _) => None,
        (Some(token), Route::Invitation) => Some(Ticket::Invitation(token.clone())),
        (Some(token), _) => Some(Ticket::Setup(token.clone())),
    };
    if let Some(reason) = registration.as_ref().and_then(|known| closed(known, ticket.as_ref())) {
        return html!(
            <Frame title="You need a link">
                <p data-test="closed">{ reason }</p>
                <SignInLink />
            </Frame>
        );
    }
    let to = |make: fn(RecoveryKit) -> Step| {
        let step = step.clone();
        Callback::from(move |kit| step.set(make(kit)))
    };
    match &*step {
        Step::Credentials => html!(
            <Frame title="Create your account" lead="Everything is encrypted here, before it leaves this browser.">
                if let Some(Ticket::Invitation(_)) = ticket {
                    <div data-test="invited">
                        <Alert inline=true r#type={AlertType::Info} title="You are invited">
                            { "This link makes one account, once. Whoever invited you cannot read what you back up." }
                        </Alert>
                    </div>
                }
                <Credentials ondone={to(Step::Keep)} />
                <SignInLink />
            </Frame>
        ),
        Step::Keep(kit) => html!(<Keep kit={kit.clone()} ondone={to(Step::Confirm)} />),
        Step::Confirm(kit) => html!(
            <Frame title="Is it in a safe place?" lead="Type one group of your recovery key from where you keep it.">
                <Confirm kit={kit.clone()} {ticket} onback={to(Step::Keep)} />
            </Frame>
        ),
    }
}

/// Why nobody can make an account with that here, if so. Whether a link is still good only the server can say, once it
/// is used.
fn closed(registration: &RegistrationResponse, ticket: Option<&Ticket>) -> Option<&'static str> {
    let RegistrationResponse { setup_required, mode } = registration;
    match (ticket, setup_required, mode) {
        (Some(Ticket::Setup(_)), ..) => None,
        (_, true, _) => Some(SETUP_LINK),
        (_, false, RegistrationMode::Closed) => Some(CLOSED),
        (None, false, RegistrationMode::Invite) => Some(INVITED_ONLY),
        _ => None,
    }
}

#[component]
fn SignInLink() -> Html {
    html!(<p><Link<Route> to={Route::SignIn}>{ "I have an account" }</Link<Route>></p>)
}

/// The token of the setup link, or of an invitation. It stands behind the `#`, which no server sees, and goes from the address and the
/// history at once.
fn take_token() -> Option<String> {
    let location = window().location();
    let token = location.hash().ok()?.strip_prefix('#').filter(|token| !token.is_empty())?.to_owned();
    let path = location.pathname().unwrap_or_else(|_| "/".to_owned());
    let history = window().history().ok()?;
    history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&path)).ok()?;
    Some(token)
}

#[derive(Properties, PartialEq)]
struct KeepProps {
    kit: RecoveryKit,
    ondone: Callback<RecoveryKit>,
}

#[component]
fn Keep(props: &KeepProps) -> Html {
    let onclick = {
        let (kit, ondone) = (props.kit.clone(), props.ondone.clone());
        Callback::from(move |_| ondone.emit(kit.clone()))
    };
    html!(
        <Frame title="Keep your recovery key" lead="It opens your account if you forget the passphrase.">
            <p>
                { "Nobody can reset a passphrase here: without it and without this key your files stay locked forever, \
                   for us too. Write it down or print it, and keep it where you keep what matters." }
            </p>
            <RecoveryKitView kit={props.kit.clone()} />
            <div class="tri-no-print">
                <Button variant={ButtonVariant::Primary} block=true label="I have kept it" {onclick} />
            </div>
        </Frame>
    )
}
