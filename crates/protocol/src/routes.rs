//! Every route of both servers, with who may call it. Servers build their routers from these, clients their URLs,
//! and the authorisation tests their table of bad credentials.

/// The header with the number of a request. A client may choose one, which names an operation of many requests; servers
/// hand it on with what they ask of others, and every answer has it.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Anybody.
    Anyone,
    /// A signed-in web session.
    Session,
    /// A signed-in web session in which the passphrase was proven within the last minutes.
    SteppedUp,
    /// A signed-in web session of an operator's.
    Operator,
    /// The same, in which the passphrase was proven within the last minutes.
    SteppedUpOperator,
    /// A device by its signature: how it begins a device session.
    DeviceSignature,
    /// A device session.
    Device,
    /// A signed-in web session; or a device session, for the vaults of the device's certificate.
    SessionOrDevice,
    /// A storage node, by a signed request.
    Node,
    /// The bearer of a grant for this very operation.
    Grant,
    /// Who has the token for metrics; where none is set, programs on the server's machine.
    Monitoring,
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
    /// What it is for, in a sentence.
    #[cfg(feature = "openapi")]
    pub about: &'static str,
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
    ($all:ident: $($(#[doc = $doc:literal])* $name:ident = $method:literal $path:literal $caller:ident;)*) => {
        $($(#[doc = $doc])* pub const $name: Route = Route {
            method: $method,
            path: $path,
            caller: Caller::$caller,
            #[cfg(feature = "openapi")]
            about: concat!($($doc),*).trim_ascii(),
        };)*
        /// All of them.
        pub const $all: &[Route] = &[$($name),*];
    };
}

/// The coordinator's routes.
pub mod coordinator {
    use super::{Caller, Route};

    /// Behind it follow a node's id and the path of one of the node's own routes.
    pub const RELAY_PREFIX: &str = "/api/v1/relay/";

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
        /// Prove the passphrase once more.
        STEP_UP = "POST" "/api/v1/sessions/current/step-up" Session;
        /// Sign out.
        LOGOUT = "DELETE" "/api/v1/sessions/current" Session;
        /// What does the caller's account take, and what may it?
        USAGE = "GET" "/api/v1/accounts/current/usage" Session;
        /// One account state's envelope, as octets.
        ACCOUNT_STATE = "GET" "/api/v1/account-states/{seq}" SessionOrDevice;
        /// Add the next one.
        APPEND_ACCOUNT_STATE = "POST" "/api/v1/account-states" Session;
        /// Open an enrolment: whoever knows its link may ask to become a device.
        OPEN_ENROLMENT = "POST" "/api/v1/enrolments" Session;
        /// Ask to become a device, once.
        REQUEST_ENROLMENT = "PUT" "/api/v1/enrolments/{enrolment}/request" Anyone;
        /// Who asked?
        ENROLMENT_REQUEST = "GET" "/api/v1/enrolments/{enrolment}/request" Session;
        /// Admit the device that asked.
        GRANT_ENROLMENT = "PUT" "/api/v1/enrolments/{enrolment}/grant" SteppedUp;
        /// Am I admitted?
        ENROLMENT_GRANT = "GET" "/api/v1/enrolments/{enrolment}/grant" Anyone;
        /// The account's devices.
        DEVICES = "GET" "/api/v1/devices" Session;
        /// Revoke a device.
        REVOKE_DEVICE = "POST" "/api/v1/devices/revocations" SteppedUp;
        /// Vault keys that were wrapped for the calling device since it was enrolled.
        DEVICE_KEYS = "GET" "/api/v1/devices/current/keys" Device;
        /// Sign in as a device.
        DEVICE_LOGIN = "POST" "/api/v1/device-sessions" DeviceSignature;
        /// The caller's vaults with their wrapped keys.
        VAULTS = "GET" "/api/v1/vaults" Session;
        /// Add a vault's wrapped key; epoch 1 makes the vault.
        PUT_VAULT_KEY = "PUT" "/api/v1/vaults/{vault}/keys" Session;
        /// Commits from a number on, as octets; `?from=SEQ`.
        COMMITS = "GET" "/api/v1/vaults/{vault}/commits" SessionOrDevice;
        /// Add a commit that needs no upload. What takes something out of history needs a session that is stepped up.
        APPEND_COMMIT = "POST" "/api/v1/vaults/{vault}/commits" SessionOrDevice;
        /// Which snapshots of the vault are kept?
        SNAPSHOTS = "GET" "/api/v1/vaults/{vault}/snapshots" SessionOrDevice;
        /// How long are a source's snapshots kept?
        RETENTION = "GET" "/api/v1/vaults/{vault}/sources/{source}/retention" Session;
        /// Keep them for so long.
        PUT_RETENTION = "PUT" "/api/v1/vaults/{vault}/sources/{source}/retention" SteppedUp;
        /// What would a policy do?
        PREVIEW_RETENTION = "POST" "/api/v1/vaults/{vault}/sources/{source}/retention/preview" Session;
        /// How the vault's sources are.
        SOURCES = "GET" "/api/v1/vaults/{vault}/sources" SessionOrDevice;
        /// A sample of a source was downloaded, decrypted and compared.
        PROVE_SOURCE = "POST" "/api/v1/vaults/{vault}/sources/{source}/proofs" SessionOrDevice;
        /// Send a sealed message to a device of the vault, or from one to the web app.
        SEND_MESSAGE = "POST" "/api/v1/vaults/{vault}/messages" SessionOrDevice;
        /// Where are blobs?
        LOCATE = "POST" "/api/v1/vaults/{vault}/blobs/locate" SessionOrDevice;
        /// Open an upload session.
        OPEN_UPLOAD = "POST" "/api/v1/vaults/{vault}/uploads" SessionOrDevice;
        /// Where do blobs go?
        PLAN = "POST" "/api/v1/uploads/{upload}/plan" SessionOrDevice;
        /// Hand receipts in.
        RECEIPTS = "POST" "/api/v1/uploads/{upload}/receipts" SessionOrDevice;
        /// Stage a page of references: octets of [`crate::refs::pack`].
        REFS = "PUT" "/api/v1/uploads/{upload}/refs/{page}" SessionOrDevice;
        /// Stage a page of blobs to purge: octets of [`crate::purge::pack`].
        STAGE_PURGE = "PUT" "/api/v1/uploads/{upload}/purge/{page}" Session;
        /// Commit.
        COMMIT_UPLOAD = "POST" "/api/v1/uploads/{upload}/commit" SessionOrDevice;
        /// All nodes.
        NODES = "GET" "/api/v1/nodes" Session;
        /// Empty a node.
        DRAIN_NODE = "POST" "/api/v1/nodes/{node}/drain" Operator;
        /// Let it keep blobs again.
        UNDRAIN_NODE = "POST" "/api/v1/nodes/{node}/undrain" Operator;
        /// What goes if a node is removed now.
        PREVIEW_REMOVAL = "GET" "/api/v1/nodes/{node}/removal" Operator;
        /// Remove a node for good.
        REMOVE_NODE = "POST" "/api/v1/nodes/{node}/removal" Operator;
        /// All accounts.
        USERS = "GET" "/api/v1/users" Operator;
        /// Let an account hold so much.
        SET_QUOTA = "PUT" "/api/v1/users/{account}/quota" Operator;
        /// Make an account an operator's or a member's.
        SET_ROLE = "PUT" "/api/v1/users/{account}/role" SteppedUpOperator;
        /// Which invitations are open?
        INVITATIONS = "GET" "/api/v1/invitations" Operator;
        /// Invite somebody.
        INVITE = "POST" "/api/v1/invitations" SteppedUpOperator;
        /// Take an invitation back.
        REVOKE_INVITATION = "DELETE" "/api/v1/invitations/{invitation}" Operator;
        /// What happened that concerns security; `?before=ID` for what was before an entry.
        AUDIT_LOG = "GET" "/api/v1/audit" Operator;
        /// A node introduces itself; its join token is in the body.
        JOIN = "POST" "/api/v1/nodes" Anyone;
        /// A node is alive.
        HEARTBEAT = "POST" "/api/v1/nodes/heartbeat" Node;
        /// Server-sent events.
        EVENTS = "GET" "/api/v1/events" SessionOrDevice;
        /// Store a batch on a node that browsers cannot reach: the node's [`super::storage_node::PUT_BLOBS`].
        RELAY_PUT_BLOBS = "POST" "/api/v1/relay/{node}/v1/blobs" Grant;
        /// Read a batch from one: the node's [`super::storage_node::READ_BLOBS`].
        RELAY_READ_BLOBS = "POST" "/api/v1/relay/{node}/v1/blobs/read" Grant;
        /// Read one blob from one: the node's [`super::storage_node::GET_BLOB`].
        RELAY_GET_BLOB = "GET" "/api/v1/relay/{node}/v1/blobs/{blob}" Grant;
        /// The description of these routes in OpenAPI.
        OPENAPI = "GET" "/api/v1/openapi.json" Anyone;
        /// The process runs.
        LIVEZ = "GET" "/livez" Anyone;
        /// It can serve.
        READYZ = "GET" "/readyz" Anyone;
        /// How it is, for Prometheus.
        METRICS = "GET" "/metrics" Monitoring;
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
        /// Fetch blobs from another node and store them.
        PULL = "POST" "/v1/pull" Grant;
        /// Delete blobs up to a generation.
        DELETE = "POST" "/v1/delete" Grant;
        /// Prove that blobs are there.
        AUDIT = "POST" "/v1/audit" Grant;
        /// The digests of all parts of the inventory: octets, 256 × 32.
        INVENTORY = "GET" "/v1/inventory" Grant;
        /// One part, named by two hexadecimal digits: octets `(id, size, generation)*`, ids ascending.
        INVENTORY_PART = "GET" "/v1/inventory/{prefix}" Grant;
        /// The description of these routes in OpenAPI.
        OPENAPI = "GET" "/v1/openapi.json" Anyone;
        /// The process runs.
        LIVEZ = "GET" "/livez" Anyone;
        /// It has joined and serves.
        READYZ = "GET" "/readyz" Anyone;
        /// How it is, for Prometheus.
        METRICS = "GET" "/metrics" Monitoring;
    }
}
