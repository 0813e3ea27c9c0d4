//! The link to a device: to copy, as a QR code, and how long it is good.

use patternfly_yew::prelude::*;
use yew::prelude::*;

use crate::app::components::copyable_link::CopyableLink;
use crate::qr;

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) link: String,
    /// How long it is good.
    pub(super) left: String,
}

#[component]
pub(super) fn LinkView(props: &Props) -> Html {
    let code = use_memo(props.link.clone(), |link| qr::draw(link));
    html!(
        <>
            <p>{ "On the device, run " }<code>{ "triplicate-agent enroll" }</code>
                { " and paste this link. Show it to nobody else." }</p>
            <CopyableLink link={props.link.clone()} />
            if let Some(code) = &*code {
                <svg
                    class="tri-qr"
                    viewBox={format!("0 0 {0} {0}", code.size)}
                    role="img"
                    aria-label="The link as a QR code"
                    shape-rendering="crispEdges"
                >
                    <rect width="100%" height="100%" fill="#fff" />
                    <path d={code.path.clone()} fill="#000" />
                </svg>
            }
            <p data-test="countdown">{ Icon::History }{ format!(" Waiting for the device. The link is good for {}.", props.left) }</p>
        </>
    )
}
