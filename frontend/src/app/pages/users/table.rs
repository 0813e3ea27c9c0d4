//! The table of accounts.

use std::rc::Rc;

use patternfly_yew::prelude::*;
use protocol::sessions::AccountRole;
use protocol::users::User;
use yew::prelude::*;

use super::Doing;
use crate::app::browser::moment;
use crate::app::components::quota_bar::QuotaBar;

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) users: Rc<Vec<User>>,
    pub(super) ondo: Callback<Doing>,
}

#[component]
pub(super) fn UserTable(props: &Props) -> Html {
    const HEADS: [&str; 5] = ["Login", "Role", "Stored, one copy", "Last signed in", "Since"];
    html!(
        <table class="pf-v6-c-table pf-m-grid-md pf-m-compact" aria-label="Users">
            <thead class="pf-v6-c-table__thead">
                <tr class="pf-v6-c-table__tr">
                    { for HEADS.map(|name| html!(<th class="pf-v6-c-table__th pf-m-wrap" scope="col">{ name }</th>)) }
                    <th class="pf-v6-c-table__th" scope="col"><span class="pf-v6-screen-reader">{ "Actions" }</span></th>
                </tr>
            </thead>
            <tbody class="pf-v6-c-table__tbody">{ for props.users.iter().map(|user| row(user, &props.ondo)) }</tbody>
        </table>
    )
}

fn row(user: &User, ondo: &Callback<Doing>) -> Html {
    let cell = |label: &'static str, content: Html| html!(<td class="pf-v6-c-table__td" data-label={label}>{ content }</td>);
    let action = |label: &'static str, make: fn(User) -> Doing| {
        let about = user.clone();
        html!(
            <Button
                variant={ButtonVariant::Link}
                {label}
                aria_label={format!("{label} of {}", user.login)}
                onclick={ondo.reform(move |_: MouseEvent| make(about.clone()))}
            />
        )
    };
    let signed_in = user.signed_in_ms.map_or_else(|| "not known".to_owned(), |ms| moment(ms as f64));
    html!(
        <tr key={user.account.to_string()} class="pf-v6-c-table__tr" data-test="user" data-name={user.login.clone()}>
            <th class="pf-v6-c-table__th" scope="row" data-label="Login">
                <div class="tri-login-name">{ &user.login }</div>
            </th>
            { cell("Role", role_label(user.role)) }
            { cell("Stored, one copy", html!(
                <QuotaBar
                    label={format!("Use of {}", user.login)}
                    used_bytes={user.used_bytes}
                    quota_bytes={user.quota_bytes}
                />
            )) }
            { cell("Last signed in", html!({ signed_in })) }
            { cell("Since", html!({ moment(user.created_ms as f64) })) }
            <td class="pf-v6-c-table__td pf-v6-c-table__action tri-below">
                { action("Quota", Doing::Quota) }
                { action("Role", Doing::Role) }
            </td>
        </tr>
    )
}

/// What an account may do.
fn role_label(role: AccountRole) -> Html {
    match role {
        AccountRole::Operator => html!(<Label label="Operator" color={Color::Blue} icon={Icon::Cog} />),
        AccountRole::Member => html!(<Label label="Member" color={Color::Grey} />),
    }
}
