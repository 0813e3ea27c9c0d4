//! Says which vaults do not open, so that nobody takes what is missing for lost.

use patternfly_yew::prelude::*;
use yew::prelude::*;

use super::frame::Section;
use crate::app::browser::moment;
use crate::app::hooks::answer::use_answer;
use crate::app::hooks::ask::use_ask;
use crate::app::hooks::live::use_live;
use crate::message::{Reopen, Unopened, UnopenedVault};

const TITLE: &str = "What a device backed up cannot be shown";

#[component]
pub(in crate::app) fn UnopenedVaults() -> Html {
    let live = use_live();
    let is_read = use_state(|| false);
    let unopened = use_answer((), (live.devices, live.state), |()| Unopened {});
    let reopen = use_ask(unopened.again.clone());
    let Some(vaults) = unopened.known().filter(|vaults| !vaults.is_empty() && !*is_read) else {
        return html!();
    };
    let again = Action::new("Try again", reopen.submit.reform(|()| Reopen {}));
    let dismiss = Action::new("Dismiss", Callback::from(move |()| is_read.set(true)));
    html!(
        <Section test="unopened-vaults">
            <div role="alert">
                <Alert inline=true r#type={AlertType::Warning} title={TITLE} actions={vec![again, dismiss]}>
                    { for vaults.iter().map(line) }
                    <p>{ "Nothing was deleted, and everything else is as it was. Files that are still on the device are safe." }</p>
                    <p>
                        { "If it stays so, revoke that device on the Devices page and add it again: it then backs its folders \
                           up into a new vault. Keep this message for whoever runs this server." }
                    </p>
                </Alert>
            </div>
        </Section>
    )
}

fn line(vault: &UnopenedVault) -> Html {
    let device = match vault.added_ms {
        Some(ms) => format!("of the device that was added on {}", moment(ms as f64)),
        None => "of a device that is not known".to_owned(),
    };
    html!(<p>{ format!("The vault {} {device} does not open. {}", vault.vault, vault.why) }</p>)
}
