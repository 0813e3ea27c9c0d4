//! Inviting somebody: what they may, for how long the link is good, and then the link, once.

use patternfly_yew::prelude::*;
use protocol::invitations::InviteResponse;
use protocol::limits::INVITATION_SECONDS;
use yew::prelude::*;

use super::change::{Form, ROLES, quota_field, role_choice};
use crate::app::browser::moment;
use crate::app::components::choice::Choice;
use crate::app::components::copyable_link::CopyableLink;
use crate::app::components::dialog::Dialog;
use crate::app::hooks::ask::use_ask;
use crate::message::InvitePerson;
use crate::quota;

const TITLE: &str = "Invite somebody";
/// For how long the link is good, as it is offered.
const EXPIRIES: [(u64, &str); 3] =
    [(24 * 3600, "A day"), (INVITATION_SECONDS, "A week"), (30 * 24 * 3600, "30 days")];

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) onclose: Callback<()>,
}

#[component]
pub(super) fn InviteDialog(props: &Props) -> Html {
    let invited = use_state(|| None::<InviteResponse>);
    let typed = use_state(String::new);
    let role = use_state(|| 0);
    let expiry = use_state(|| 1);
    let invite = use_ask::<InvitePerson>({
        let invited = invited.setter();
        Callback::from(move |answer| invited.set(Some(answer)))
    });
    if let Some(InviteResponse { link, expires_ms, .. }) = &*invited {
        return html!(<Invited link={link.clone()} expires_ms={*expires_ms} onclose={props.onclose.clone()} />);
    }
    let choose = |state: &UseStateHandle<usize>| {
        let state = state.setter();
        Callback::from(move |at| state.set(at))
    };
    let wanted = quota::parse(&typed);
    let ask = InvitePerson {
        expires_seconds: EXPIRIES[*expiry].0,
        role: ROLES[*role].0,
        quota_bytes: wanted.flatten(),
    };
    let options = EXPIRIES.map(|(_, told)| told.to_owned()).to_vec();
    html!(
        <Form
            title={TITLE}
            verb="Make the link"
            busy={invite.busy}
            is_blocked={wanted.is_none()}
            failure={invite.failure}
            onsave={invite.submit.reform(move |()| ask.clone())}
            onclose={props.onclose.clone()}
        >
            <p>{ "You get a link by which one person can make an account, once. Whoever has the link can." }</p>
            { role_choice(*role, choose(&role)) }
            { quota_field(&typed, invite.busy) }
            <Choice id="expires" label="Good for" {options} chosen={*expiry} onchoose={choose(&expiry)} />
        </Form>
    )
}

#[derive(Properties, PartialEq)]
struct InvitedProps {
    link: String,
    expires_ms: u64,
    onclose: Callback<()>,
}

#[component]
fn Invited(props: &InvitedProps) -> Html {
    let footer = html!(
        <Button variant={ButtonVariant::Primary} label="Done" onclick={props.onclose.reform(|_| ())} />
    );
    html!(
        <Dialog title={TITLE} onclose={props.onclose.clone()} {footer}>
            <p>{ "Send this link to whom you invite, and to nobody else. It is not shown again." }</p>
            <CopyableLink link={props.link.clone()} />
            <p>{ format!("It is good once, until {}.", moment(props.expires_ms as f64)) }</p>
        </Dialog>
    )
}
