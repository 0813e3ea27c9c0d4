//! Says that a node joined that this page cannot use before it is loaded again.

use patternfly_yew::prelude::*;
use yew::prelude::*;

use super::frame::Section;
use crate::app::browser::window;
use crate::app::hooks::live::use_live;
use crate::app::hooks::reach::use_reach;

#[component]
pub(in crate::app) fn NewNodeAlert() -> Html {
    let (live, reach) = (use_live(), use_reach());
    let (Some(nodes), Some(origins)) = (live.nodes, reach.0) else { return html!() };
    if nodes.iter().all(|node| origins.contains(&node.url)) {
        return html!();
    }
    let reload = Action::new(
        "Reload",
        Callback::from(|()| {
            // A person may still say no, while transfers run.
            let _ = window().location().reload();
        }),
    );
    html!(
        <Section test="new-node">
            <div role="status">
                <Alert
                    inline=true
                    r#type={AlertType::Info}
                    title="A node joined: reload the page to use it."
                    actions={vec![reload]}
                >
                    { "Until then, this page uses the others. After reloading, you sign in again." }
                </Alert>
            </div>
        </Section>
    )
}
