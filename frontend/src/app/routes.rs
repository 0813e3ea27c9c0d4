//! The app's addresses. None names a file, a folder or a secret.

use yew::prelude::*;
use yew_nested_router::prelude::*;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// What is protected, and how well.
    Overview,
    /// Files and folders.
    Files,
    /// Older snapshots.
    Snapshots,
    /// Folders that devices back up.
    Folders,
    /// Devices.
    Devices,
    /// Storage nodes.
    Nodes,
    /// Who uses the server, for the operator.
    Users,
    /// What happened that concerns security, for the operator.
    AuditLog,
    /// A new account.
    Setup,
    /// A new account, of who was invited.
    Invitation,
    /// Signing in.
    SignIn,
}

const PATHS: [(Route, &str); 11] = [
    (Route::Overview, ""),
    (Route::Files, "files"),
    (Route::Snapshots, "snapshots"),
    (Route::Folders, "folders"),
    (Route::Devices, "devices"),
    (Route::Nodes, "nodes"),
    (Route::Users, "users"),
    (Route::AuditLog, "log"),
    (Route::Setup, "setup"),
    (Route::Invitation, "invitation"),
    (Route::SignIn, "signin"),
];

impl Target for Route {
    fn render_self_into(&self, path: &mut Vec<String>) {
        let known = PATHS.iter().find(|(route, _)| route == self);
        path.extend(known.map(|(_, segment)| (*segment).to_owned()));
    }

    fn render_path_into(&self, path: &mut Vec<String>) {
        self.render_self_into(path);
    }

    fn parse_path(path: &[&str]) -> Option<Self> {
        let [segment] = path else { return None };
        PATHS.iter().find(|(_, known)| known == segment).map(|(route, _)| *route)
    }
}

/// The route, for a component that is shown on all of them.
#[hook]
pub(super) fn use_route() -> Route {
    use_router::<Route>().and_then(|router| router.active_target).unwrap_or(Route::Overview)
}
