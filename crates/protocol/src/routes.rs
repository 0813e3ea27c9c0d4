//! Every route of both servers, with who may call it. Servers build their routers from these, clients their URLs,
//! and the authorisation tests their table of bad credentials.

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Anybody.
    Anyone,
    /// A signed-in web session.
    Session,
    /// A storage node, by a signed request.
    Node,
    /// The bearer of a grant for this very operation.
    Grant,
}

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// In capitals.
    pub method: &'static str,
    /// With `{names}` for the parts that vary.
    pub path: &'static str,
    /// Who may call it.
    pub caller: Caller,
}

impl Route {
    /// The path with its parts filled in, in order.
    ///
    /// # Panics
    /// Unless there are as many values as `{names}`.
    pub fn fill(&self, values: &[&dyn std::fmt::Display]) -> String {
        let mut values = values.iter();
        let path: Vec<String> = self
            .path
            .split('/')
            .map(|part| match part.strip_prefix('{') {
                Some(_) => values.next().expect("a value for each part").to_string(),
                None => part.to_owned(),
            })
            .collect();
        assert!(values.next().is_none(), "a part for each value");
        path.join("/")
    }
}

macro_rules! routes {
    ($all:ident: $($(#[$doc:meta])* $name:ident = $method:literal $path:literal $caller:ident;)*) => {
        $($(#[$doc])* pub const $name: Route = Route { method: $method, path: $path, caller: Caller::$caller };)*
        /// All of them.
        pub const $all: &[Route] = &[$($name),*];
    };
}

/// The coordinator's routes.
pub mod coordinator {
    use super::{Caller, Route};

    routes! { ALL:
        /// May one register here?
        REGISTRATION = "GET" "/api/v1/accounts/registration" Anyone;
        /// How does a password become a key?
        PRELOGIN = "POST" "/api/v1/accounts/prelogin" Anyone;
        /// Make an account.
        REGISTER = "POST" "/api/v1/accounts" Anyone;
        /// Sign in.
        LOGIN = "POST" "/api/v1/sessions" Anyone;
        /// Who is signed in?
        SESSION = "GET" "/api/v1/sessions/current" Session;
        /// Sign out.
        LOGOUT = "DELETE" "/api/v1/sessions/current" Session;
        /// One account state's envelope, as octets.
        ACCOUNT_STATE = "GET" "/api/v1/account-states/{seq}" Session;
        /// Add the next one.
        APPEND_ACCOUNT_STATE = "POST" "/api/v1/account-states" Session;
        /// The caller's vaults with their wrapped keys.
        VAULTS = "GET" "/api/v1/vaults" Session;
        /// Add a vault's wrapped key; epoch 1 makes the vault.
        PUT_VAULT_KEY = "PUT" "/api/v1/vaults/{vault}/keys" Session;
        /// Commits from a number on, as octets; `?from=SEQ`.
        COMMITS = "GET" "/api/v1/vaults/{vault}/commits" Session;
        /// Add a commit that needs no upload.
        APPEND_COMMIT = "POST" "/api/v1/vaults/{vault}/commits" Session;
        /// How the vault's sources are.
        SOURCES = "GET" "/api/v1/vaults/{vault}/sources" Session;
        /// Where are blobs?
        LOCATE = "POST" "/api/v1/vaults/{vault}/blobs/locate" Session;
        /// Open an upload session.
        OPEN_UPLOAD = "POST" "/api/v1/vaults/{vault}/uploads" Session;
        /// Where do blobs go?
        PLAN = "POST" "/api/v1/uploads/{upload}/plan" Session;
        /// Hand receipts in.
        RECEIPTS = "POST" "/api/v1/uploads/{upload}/receipts" Session;
        /// Stage a page of references: octets of [`crate::refs::pack`].
        REFS = "PUT" "/api/v1/uploads/{upload}/refs/{page}" Session;
        /// Commit.
        COMMIT_UPLOAD = "POST" "/api/v1/uploads/{upload}/commit" Session;
        /// All nodes.
        NODES = "GET" "/api/v1/nodes" Session;
        /// A node introduces itself; its join token is in the body.
        JOIN = "POST" "/api/v1/nodes" Anyone;
        /// A node is alive.
        HEARTBEAT = "POST" "/api/v1/nodes/heartbeat" Node;
        /// Server-sent events.
        EVENTS = "GET" "/api/v1/events" Session;
        /// The process runs.
        LIVEZ = "GET" "/livez" Anyone;
        /// It can serve.
        READYZ = "GET" "/readyz" Anyone;
    }
}

/// A storage node's routes.
pub mod storage_node {
    use super::{Caller, Route};

    routes! { ALL:
        /// Store one blob.
        PUT_BLOB = "PUT" "/v1/blobs/{blob}" Grant;
        /// Read one blob.
        GET_BLOB = "GET" "/v1/blobs/{blob}" Grant;
        /// Is one blob there?
        HEAD_BLOB = "HEAD" "/v1/blobs/{blob}" Grant;
        /// Store a batch.
        PUT_BLOBS = "POST" "/v1/blobs" Grant;
        /// Read a batch.
        READ_BLOBS = "POST" "/v1/blobs/read" Grant;
        /// The process runs.
        LIVEZ = "GET" "/livez" Anyone;
        /// It has joined and serves.
        READYZ = "GET" "/readyz" Anyone;
    }
}
