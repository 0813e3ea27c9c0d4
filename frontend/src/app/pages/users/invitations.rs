//! Invitations that are open.

use std::rc::Rc;

use patternfly_yew::prelude::*;
use protocol::id::InvitationId;
use protocol::invitations::Invitation;
use protocol::sessions::AccountRole;
use yew::prelude::*;

use super::Doing;
use crate::app::browser::moment;
use crate::app::components::dialog::Confirm;
use crate::app::hooks::ask::use_ask;
use crate::message::RevokeInvitation;
use crate::words;

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) open: Rc<Vec<Invitation>>,
    pub(super) ondo: Callback<Doing>,
}

#[component]
pub(super) fn Invitations(props: &Props) -> Html {
    const HEADS: [&str; 6] = ["Invitation", "Role", "Quota", "Made by", "Made", "Good until"];
    if props.open.is_empty() {
        return html!(<p data-test="no-invitations">{ "Nobody is invited at the moment." }</p>);
    }
    html!(
        <table class="pf-v6-c-table pf-m-grid-md pf-m-compact" aria-label="Open invitations">
            <thead class="pf-v6-c-table__thead">
                <tr class="pf-v6-c-table__tr">
                    { for HEADS.map(|name| html!(<th class="pf-v6-c-table__th" scope="col">{ name }</th>)) }
                    <th class="pf-v6-c-table__th" scope="col"><span class="pf-v6-screen-reader">{ "Actions" }</span></th>
                </tr>
            </thead>
            <tbody class="pf-v6-c-table__tbody">{ for props.open.iter().map(|it| row(it, &props.ondo)) }</tbody>
        </table>
    )
}

fn row(it: &Invitation, ondo: &Callback<Doing>) -> Html {
    let cell = |label: &'static str, content: String| html!(<td class="pf-v6-c-table__td" data-label={label}>{ content }</td>);
    let id = it.invitation;
    let role = match it.role {
        AccountRole::Operator => "Operator",
        AccountRole::Member => "Member",
    };
    html!(
        <tr key={id.to_string()} class="pf-v6-c-table__tr" data-test="invitation">
            <th class="pf-v6-c-table__th" scope="row" data-label="Invitation">{ id.short() }</th>
            { cell("Role", role.to_owned()) }
            { cell("Quota", it.quota_bytes.map_or_else(|| "none".to_owned(), words::size)) }
            { cell("Made by", it.invited_by.clone().unwrap_or_else(|| "the command line".to_owned())) }
            { cell("Made", moment(it.created_ms as f64)) }
            { cell("Good until", moment(it.expires_ms as f64)) }
            <td class="pf-v6-c-table__td pf-v6-c-table__action tri-below">
                <Button
                    variant={ButtonVariant::Link}
                    label="Revoke"
                    aria_label={format!("Revoke the invitation {}", id.short())}
                    onclick={ondo.reform(move |_: MouseEvent| Doing::Revoking(id))}
                />
            </td>
        </tr>
    )
}

#[derive(Properties, PartialEq)]
pub(super) struct RevokeProps {
    pub(super) invitation: InvitationId,
    pub(super) onclose: Callback<()>,
}

#[component]
pub(super) fn RevokeDialog(props: &RevokeProps) -> Html {
    let invitation = props.invitation;
    let revoke = use_ask::<RevokeInvitation>(props.onclose.clone());
    html!(
        <Confirm
            title={format!("Revoke the invitation {}?", invitation.short())}
            verb="Revoke"
            busy={revoke.busy}
            failure={revoke.failure}
            onconfirm={revoke.submit.reform(move |()| RevokeInvitation { invitation })}
            onclose={props.onclose.clone()}
        >
            <p>{ "Its link makes no account any more. You can invite again." }</p>
        </Confirm>
    )
}
