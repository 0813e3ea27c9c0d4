//! Whether one may make an account here.

use protocol::accounts::RegistrationResponse;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

use crate::app::session::use_session;
use crate::message::Registration;

/// The server's answer; nothing while that is not known.
#[hook]
pub(in crate::app) fn use_registration() -> Option<RegistrationResponse> {
    let session = use_session();
    let registration = use_state(|| None);
    {
        let registration = registration.setter();
        use_effect_with((), move |()| {
            spawn_local(async move {
                if let Ok(answer) = session.ask(Registration {}).await {
                    registration.set(Some(answer));
                }
            });
        });
    }
    (*registration).clone()
}
