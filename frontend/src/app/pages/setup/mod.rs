//! Making an account: login and passphrase, then the recovery key, then one group of it typed back. The server hears of
//! the account after the last step only.

mod confirm;
mod credentials;

use patternfly_yew::prelude::*;
use protocol::accounts::RegistrationResponse;
use yew::prelude::*;
use yew_nested_router::components::Link;

use confirm::Confirm;
use credentials::Credentials;

use crate::app::browser::window;
use crate::app::components::frame::Frame;
use crate::app::components::recovery_kit::RecoveryKitView;
use crate::app::hooks::registration::use_registration;
use crate::app::pages::sign_in::SETUP_LINK;
use crate::app::routes::Route;
use crate::message::RecoveryKit;

/// Where the person is.
#[derive(Clone, PartialEq)]
enum Step {
    Credentials,
    Keep(RecoveryKit),
    Confirm(RecoveryKit),
}

#[component]
pub(in crate::app) fn Setup() -> Html {
    let step = use_state(|| Step::Credentials);
    let setup_token = use_memo((), |()| take_setup_token());
    let registration = use_registration();
    if let Some(reason) = registration.filter(|_| setup_token.is_none()).as_ref().and_then(closed) {
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
                <Credentials ondone={to(Step::Keep)} />
                <SignInLink />
            </Frame>
        ),
        Step::Keep(kit) => html!(<Keep kit={kit.clone()} ondone={to(Step::Confirm)} />),
        Step::Confirm(kit) => html!(
            <Frame title="Is it in a safe place?" lead="Type one group of your recovery key from where you keep it.">
                <Confirm kit={kit.clone()} setup_token={(*setup_token).clone()} onback={to(Step::Keep)} />
            </Frame>
        ),
    }
}

/// Why nobody can make an account without a link here, if so.
fn closed(registration: &RegistrationResponse) -> Option<&'static str> {
    match registration {
        RegistrationResponse { setup_required: true, .. } => Some(SETUP_LINK),
        RegistrationResponse { open: false, .. } => {
            Some("New accounts are closed here. Ask whoever runs this server.")
        }
        _ => None,
    }
}

#[component]
fn SignInLink() -> Html {
    html!(<p><Link<Route> to={Route::SignIn}>{ "I have an account" }</Link<Route>></p>)
}

/// The token of the setup link. It stands behind the `#`, which no server sees, and goes from the address and the
/// history at once.
fn take_setup_token() -> Option<String> {
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
