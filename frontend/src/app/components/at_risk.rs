//! Says on every page that something has too few copies.

use patternfly_yew::prelude::*;
use yew::prelude::*;

use super::frame::Section;
use crate::app::hooks::live::use_live;
use crate::words;

#[component]
pub(in crate::app) fn AtRiskAlert() -> Html {
    let cluster = use_live().cluster;
    if cluster.at_risk == 0 {
        return html!();
    }
    let parts = words::counted(cluster.at_risk, "part is", "parts are");
    html!(
        <Section test="at-risk">
            <div role="alert">
                <Alert inline=true r#type={AlertType::Danger} title={format!("{parts} at risk: too few copies.")}>
                    { "The Nodes page shows which storage nodes are missing, and how copying goes on." }
                </Alert>
            </div>
        </Section>
    )
}
