//! The app's addresses. None names a file, a folder or a secret.

use yew::prelude::*;
use yew_nested_router::prelude::*;

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq, Target)]
pub(super) enum Route {
    /// What is protected, and how well.
    #[target(index)]
    Overview,
    /// Files and folders.
    Files,
    /// Storage nodes.
    Nodes,
    /// A new account.
    Setup,
    /// Signing in.
    #[target(rename = "signin")]
    SignIn,
}

/// The route, for a component that is shown on all of them.
#[hook]
pub(super) fn use_route() -> Route {
    use_router::<Route>().and_then(|router| router.active_target).unwrap_or(Route::Overview)
}
