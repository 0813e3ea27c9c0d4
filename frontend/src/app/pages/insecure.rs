//! Shown instead of everything where the browser gives no ciphers. Takes no passphrase.

use yew::prelude::*;

use crate::app::browser::window;
use crate::app::components::frame::Frame;

#[component]
pub(in crate::app) fn Insecure() -> Html {
    let location = window().location();
    let port = location
        .port()
        .ok()
        .filter(|port| !port.is_empty())
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    html!(
        <Frame title="This address is not safe for a passphrase">
            <div data-test="insecure">
                <p>
                    { "Triplicate encrypts in your browser, and browsers allow that only on pages that came over https or \
                       from this very machine. This page came over plain http, so anybody on the network could have \
                       changed it. It does not ask for your passphrase here." }
                </p>
                <p>{ "Your backups are safe: nothing on the server opens them." }</p>
                <p>
                    { "Open the address with https. Whoever runs the server can switch it on: " }
                    <code>{ "./start --tls" }</code>
                    { " for a trial, certificates or a proxy otherwise. If the server runs on this machine, open " }
                    <a href={format!("http://localhost{port}/")}>{ format!("http://localhost{port}/") }</a>
                    { "." }
                </p>
            </div>
        </Frame>
    )
}
