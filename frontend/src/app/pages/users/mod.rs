//! Who uses the server: what they take, what they may, and who is invited. For operators.

mod change;
mod invitations;
mod invite;
mod table;

use patternfly_yew::prelude::*;
use protocol::id::InvitationId;
use protocol::users::User;
use yew::prelude::*;

use crate::app::components::frame::{PageHead, Section};
use crate::app::hooks::answer::use_answer;
use crate::app::hooks::registration::use_registration;
use crate::message;
use change::{QuotaDialog, RoleDialog};
use invitations::{Invitations, RevokeDialog};
use invite::InviteDialog;
use protocol::accounts::RegistrationMode;
use table::UserTable;

/// What the operator is about to do.
#[derive(Clone, PartialEq)]
enum Doing {
    Nothing,
    Inviting,
    Revoking(InvitationId),
    Quota(User),
    Role(User),
}

#[component]
pub(in crate::app) fn Users() -> Html {
    let doing = use_state(|| Doing::Nothing);
    let registration = use_registration();
    let users = use_answer((), (), |()| message::Users {});
    let invitations = use_answer((), (), |()| message::Invitations {});
    let ondo = {
        let doing = doing.clone();
        Callback::from(move |what| doing.set(what))
    };
    let onclose = {
        let (doing, users, invitations) = (doing.clone(), users.again.clone(), invitations.again.clone());
        Callback::from(move |()| {
            doing.set(Doing::Nothing);
            users.emit(());
            invitations.emit(());
        })
    };
    let is_closed = registration.is_some_and(|known| known.mode == RegistrationMode::Closed);
    let invite = html!(
        <Button
            variant={ButtonVariant::Primary}
            label="Invite somebody"
            icon={html!({ Icon::Plus })}
            onclick={ondo.reform(|_: MouseEvent| Doing::Inviting)}
        />
    );
    html!(
        <>
            <PageHead title="Users">if !is_closed { { invite } }</PageHead>
            <Section test="users">
                { users.show(|users| html!(<UserTable users={users.clone()} ondo={ondo.clone()} />)) }
            </Section>
            <Section test="invitations">
                <div class="tri-section-head">
                    <Title level={Level::H2} size={Size::Large}>{ "Open invitations" }</Title>
                </div>
                if is_closed {
                    <p>{ "Registration is closed by the server's configuration: nobody can be invited." }</p>
                } else {
                    { invitations.show(|open| html!(<Invitations open={open.clone()} ondo={ondo} />)) }
                }
            </Section>
            { match &*doing {
                Doing::Nothing => html!(),
                Doing::Inviting => html!(<InviteDialog {onclose} />),
                Doing::Revoking(invitation) => html!(<RevokeDialog invitation={*invitation} {onclose} />),
                Doing::Quota(user) => html!(<QuotaDialog user={user.clone()} {onclose} />),
                Doing::Role(user) => html!(<RoleDialog user={user.clone()} {onclose} />),
            } }
        </>
    )
}
