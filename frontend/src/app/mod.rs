//! The pages. They ask the worker for everything that needs a key, and hold no secret longer than a form is open.

mod browser;
mod components;
mod download;
mod drop;
mod hooks;
mod pages;
mod port;
mod routes;
mod session;
mod shell;
mod transfers;

use yew::prelude::*;
use yew_nested_router::Router;

use hooks::live::LiveProvider;
use hooks::place::PlaceProvider;
use hooks::reach::ReachProvider;
use pages::insecure::Insecure;
use pages::setup::Setup;
use pages::sign_in::SignIn;
use routes::Route;
use session::{SessionProvider, Status, use_session};
use shell::Shell;
use transfers::TransfersProvider;

/// Shows the app.
pub fn run() {
    yew::Renderer::<App>::new().render();
}

#[component]
fn App() -> Html {
    if !browser::can_encrypt() {
        return html!(<Insecure />);
    }
    html!(
        <Router<Route> default={Route::Overview}>
            <SessionProvider>
                <ReachProvider>
                    <Doors />
                </ReachProvider>
            </SessionProvider>
        </Router<Route>>
    )
}

/// Inside or outside.
#[component]
fn Doors() -> Html {
    let session = use_session();
    let route = routes::use_route();
    let behind = match &session.status {
        Status::Unlocked(_) => html!(
            <LiveProvider>
                <PlaceProvider>
                    <Shell />
                </PlaceProvider>
            </LiveProvider>
        ),
        Status::Locked { .. } if matches!(route, Route::Setup | Route::Invitation) => {
            html!(<Setup {route} />)
        }
        Status::Locked { .. } => html!(<SignIn />),
    };
    // Transfers and what was picked for them outlive a lock, for the same login only: another one has another key.
    html!(<TransfersProvider key={session.status.login()}>{ behind }</TransfersProvider>)
}
