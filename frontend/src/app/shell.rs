//! The frame around every page once somebody is signed in: masthead, navigation, transfers, and the drop zone that
//! covers everything.
//!
//! Written with PatternFly's own markup: the library's page component names two main landmarks, and its menu button
//! has no name for a screen reader.

use patternfly_yew::prelude::*;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;
use yew_nested_router::prelude::use_router;

use super::browser::window;
use super::components::at_risk::AtRiskAlert;
use super::components::drop_zone::DropZone;
use super::components::new_node::NewNodeAlert;
use super::components::transfer_list::TransferList;
use super::components::unopened_vaults::UnopenedVaults;
use super::hooks::place::use_place;
use super::pages::audit_log::AuditLog;
use super::pages::devices::Devices;
use super::pages::files::Files;
use super::pages::folders::Folders;
use super::pages::nodes::Nodes;
use super::pages::overview::Overview;
use super::pages::snapshots::Snapshots;
use super::pages::users::Users;
use super::routes::{Route, use_route};
use super::session::{Status, use_session};
use crate::message::SignOut;
use crate::spot::Spot;

/// PatternFly puts the navigation beside the page from this width on, and over it below.
const WIDE_PX: f64 = 1200.0;

#[component]
pub(super) fn Shell() -> Html {
    let is_open = use_state(is_wide);
    let toggle = {
        let is_open = is_open.clone();
        Callback::from(move |_| is_open.set(!*is_open))
    };
    let followed = {
        let is_open = is_open.clone();
        Callback::from(move |()| is_open.set(is_wide()))
    };
    let is_operator = use_session().is_operator();
    let page = match use_route() {
        Route::Files => html!(<Files />),
        Route::Snapshots => html!(<Snapshots />),
        Route::Folders => html!(<Folders />),
        Route::Devices => html!(<Devices />),
        Route::Nodes => html!(<Nodes />),
        Route::Users if is_operator => html!(<Users />),
        Route::AuditLog if is_operator => html!(<AuditLog />),
        Route::Overview
        | Route::Users
        | Route::AuditLog
        | Route::Setup
        | Route::Invitation
        | Route::SignIn => html!(<Overview />),
    };
    html!(
        <div class="pf-v6-c-page">
            <div class="pf-v6-c-skip-to-content">
                <a class="pf-v6-c-button pf-m-primary" href="#main">{ "Skip to content" }</a>
            </div>
            <header class="pf-v6-c-masthead">
                <div class="pf-v6-c-masthead__main">
                    <span class="pf-v6-c-masthead__toggle">
                        <Button
                            variant={ButtonVariant::Plain}
                            aria_label="Navigation"
                            aria_expanded={is_open.to_string()}
                            aria_controls="navigation"
                            onclick={toggle}
                            icon={html!({ Icon::Bars })}
                        />
                    </span>
                    <div class="pf-v6-c-masthead__brand"><Brand /></div>
                </div>
                <div class="pf-v6-c-masthead__content"><Account /></div>
            </header>
            <Sidebar is_open={*is_open} {followed} />
            <div class="pf-v6-c-page__main-container">
                <main id="main" class="pf-v6-c-page__main" tabindex="0">
                    <AtRiskAlert />
                    <NewNodeAlert />
                    <UnopenedVaults />
                    { page }
                    <TransferList />
                </main>
            </div>
            <DropZone />
        </div>
    )
}

fn is_wide() -> bool {
    window().inner_width().ok().and_then(|width| width.as_f64()).is_some_and(|width| width >= WIDE_PX)
}

/// The app's name.
#[component]
pub(super) fn Brand() -> Html {
    html!(
        <span class="tri-brand">
            <span class="tri-brand__mark" aria-hidden="true" />
            <span>{ "Triplicate" }</span>
        </span>
    )
}

#[derive(Properties, PartialEq)]
struct SidebarProps {
    is_open: bool,
    /// A link was followed.
    followed: Callback<()>,
}

#[component]
fn Sidebar(props: &SidebarProps) -> Html {
    let route = use_route();
    let router = use_router::<Route>();
    let place = use_place();
    let is_operator = use_session().is_operator();
    let link = |to: Route, name: &'static str| {
        let current = route == to;
        let onclick = {
            let (router, followed, place) = (router.clone(), props.followed.clone(), place.clone());
            Callback::from(move |event: MouseEvent| {
                // A click that asks for another tab or window is the browser's.
                if event.ctrl_key() || event.meta_key() || event.shift_key() {
                    return;
                }
                event.prevent_default();
                match (to, &router) {
                    (Route::Files | Route::Snapshots, _) => place.go(to, Spot::top(place.spot.source)),
                    (_, Some(router)) => router.push(to),
                    (_, None) => {}
                }
                followed.emit(());
            })
        };
        let href = router.as_ref().map(|router| router.render_target(to));
        html!(
            <li class="pf-v6-c-nav__item">
                <a
                    class={classes!("pf-v6-c-nav__link", current.then_some("pf-m-current"))}
                    aria-current={current.then_some("page")}
                    {href}
                    {onclick}
                >
                    <span class="pf-v6-c-nav__link-text">{ name }</span>
                </a>
            </li>
        )
    };
    let state = if props.is_open { "pf-m-expanded" } else { "pf-m-collapsed" };
    html!(
        <div id="navigation" class={classes!("pf-v6-c-page__sidebar", state)} inert={!props.is_open}>
            <div class="pf-v6-c-page__sidebar-body">
                <nav class="pf-v6-c-nav" aria-label="Pages">
                    <ul class="pf-v6-c-nav__list" role="list">
                        { link(Route::Overview, "Overview") }
                        { link(Route::Files, "Files") }
                        { link(Route::Snapshots, "Snapshots") }
                        { link(Route::Folders, "Folders") }
                        { link(Route::Devices, "Devices") }
                        { link(Route::Nodes, "Nodes") }
                        if is_operator {
                            { link(Route::Users, "Users") }
                            { link(Route::AuditLog, "Audit log") }
                        }
                    </ul>
                </nav>
            </div>
        </div>
    )
}

#[component]
fn Account() -> Html {
    let session = use_session();
    let Status::Unlocked(signed_in) = &session.status else { return html!() };
    let login = signed_in.login.clone();
    let lock = {
        let session = session.clone();
        Callback::from(move |_| session.lock(Some("Locked. Your files are safe.".to_owned())))
    };
    let sign_out = {
        let session = session.clone();
        Callback::from(move |_| {
            let session = session.clone();
            spawn_local(async move {
                // Without the server, the session there ends by itself; the keys here go in any case.
                let _ = session.ask(SignOut {}).await;
                session.lock(Some("You are signed out.".to_owned()));
            });
        })
    };
    html!(
        <div class="tri-account" data-test="account">
            <span class="tri-account__login">{ login }</span>
            <Button variant={ButtonVariant::Plain} aria_label="Lock" onclick={lock} icon={html!({ Icon::Lock })} />
            <Button variant={ButtonVariant::Secondary} label="Sign out" onclick={sign_out} />
        </div>
    )
}
