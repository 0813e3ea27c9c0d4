//! A server with its own database, people who use it, and nodes that sign.

mod cli;
mod cluster;
mod described;
mod device;
mod dice;
mod disk;
mod events;
mod node;
mod person;
mod reclaim;
mod registered;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use configuration::SecretSource;
use coordinator::audit_log::AuditLogBounds;
use coordinator::config::{Registration, Serve};
use coordinator::garbage::Reclaim;
use coordinator::health::Timings;
use coordinator::metrics::MetricsOptions;
use coordinator::rebalance::Rebalance;
use coordinator::relay::Relay;
use coordinator::start;
use coordinator::state::AppState;
use coordinator::upkeep::Upkeep;
use protocol::error::{ErrorBody, ErrorCode};
use protocol::limits::{SOURCE_OVERDUE_SECONDS, STEP_UP_SECONDS};
use protocol::routes::Route;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use server::tls::TlsOptions;
use testkit::TempDir;
use testkit::postgres::Database;
use tls::Roots;
use tokio::net::TcpListener;

pub(crate) use cluster::{Cluster, content, id_of, soon, stored};
pub(crate) use described::{DESCRIPTION, operation};
pub(crate) use device::{Admission, Device, sign_in, sign_in_header};
pub(crate) use dice::Dice;
pub(crate) use disk::Disk;
pub(crate) use events::Events;
pub(crate) use node::Node;
pub(crate) use person::{Person, blob_id, references, seal};
pub(crate) use registered::Registered;

const REQUEST: Duration = Duration::from_mins(1);

/// A running coordinator. Its tasks end with the test's runtime.
pub(crate) struct Server {
    pub(crate) state: AppState,
    pub(crate) origin: String,
    pub(crate) folder: TempDir,
    http: Client,
    database: Database,
}

/// What a test may want otherwise.
#[derive(Default)]
pub(crate) struct Options {
    /// Closed where nothing is said.
    pub(crate) registration: Option<Registration>,
    pub(crate) timings: Timings,
    pub(crate) upkeep: Upkeep,
    pub(crate) rebalance: Rebalance,
    pub(crate) replicas: Option<u32>,
    pub(crate) web: Option<PathBuf>,
    pub(crate) client_address_header: Option<&'static str>,
    /// In seconds.
    pub(crate) overdue_after: Option<u64>,
    pub(crate) reclaim: Reclaim,
    pub(crate) transaction_idle: Option<Duration>,
    pub(crate) metrics: MetricsOptions,
    pub(crate) audit_log: AuditLogBounds,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        static LOG: std::sync::Once = std::sync::Once::new();
        LOG.call_once(|| server::telemetry::start("warn", server::telemetry::LogFormat::Text).unwrap());
        let database = testkit::postgres::database().await;
        let folder = testkit::tempdir().unwrap();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let listen = listener.local_addr().unwrap();
        let origin = format!("http://localhost:{}", listen.port());
        let config = Serve {
            database_url: SecretSource::value(database.url()),
            transaction_idle: options.transaction_idle.unwrap_or(Duration::from_mins(1)),
            listen,
            public_url: origin.clone(),
            data: folder.path().join("coordinator"),
            web: options.web,
            replicas: options.replicas,
            relay: Relay::Off,
            registration: options.registration.unwrap_or(Registration::Closed),
            client_address_header: options.client_address_header.map(|name| name.parse().unwrap()),
            overdue_after: options.overdue_after.unwrap_or(SOURCE_OVERDUE_SECONDS),
            step_up: STEP_UP_SECONDS,
            timings: options.timings,
            upkeep: options.upkeep,
            rebalance: options.rebalance,
            reclaim: options.reclaim,
            tls: TlsOptions::default(),
            metrics: options.metrics,
            audit_log: options.audit_log,
            log: "info".into(),
            log_json: false,
        };
        let state = start::prepare(config).await.unwrap();
        tokio::spawn(start::run(state.clone(), listener, None, std::future::pending()));
        let http = tls::http(&Roots::default()).timeout(REQUEST).no_proxy().build().unwrap();
        Self { state, origin, folder, http, database }
    }

    /// A server with an operator and nodes in as many zones.
    pub(crate) async fn with_zones(zones: usize) -> (Self, Registered, Vec<Node>) {
        let server =
            Self::start_with(Options { registration: Some(Registration::Open), ..Options::default() }).await;
        let operator = server.register_operator().await;
        let mut nodes = Vec::new();
        for number in 0..zones {
            nodes.push(Node::up(&server, &format!("zone-{number}")).await);
        }
        (server, operator, nodes)
    }

    pub(crate) async fn register_operator(&self) -> Registered {
        let person = Person::new("operator");
        self.register(&person.registration(Some(self.setup_token())))
            .await
            .expect_status(StatusCode::CREATED);
        person.sign_in(self).await
    }

    pub(crate) async fn register_member(&self, login: &str) -> Registered {
        let person = Person::new(login);
        self.register(&person.registration(None)).await.expect_status(StatusCode::CREATED);
        person.sign_in(self).await
    }

    pub(crate) async fn register(&self, registration: &protocol::accounts::RegisterRequest) -> Answer {
        let route = protocol::routes::coordinator::REGISTER;
        Answer::read(self.call(route, &[]).header("x-triplicate", "1").json(registration)).await
    }

    /// The token of the link that the first start wrote.
    pub(crate) fn setup_token(&self) -> String {
        let link = std::fs::read_to_string(self.folder.path().join("coordinator/setup-link")).unwrap();
        link.trim().strip_prefix(&format!("{}/setup#", self.origin)).unwrap().to_owned()
    }

    pub(crate) fn join_token(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("coordinator/join-token")).unwrap().trim().to_owned()
    }

    /// A request without any credentials.
    pub(crate) fn call(&self, route: Route, values: &[&dyn std::fmt::Display]) -> RequestBuilder {
        self.http.request(route.method.parse().unwrap(), format!("{}{}", self.origin, route.fill(values)))
    }

    /// The same by somebody whose connection comes from this address of loopback.
    pub(crate) fn call_from(
        &self,
        address: [u8; 4],
        route: Route,
        values: &[&dyn std::fmt::Display],
    ) -> RequestBuilder {
        let address = std::net::IpAddr::from(address);
        let http =
            tls::http(&Roots::default()).timeout(REQUEST).no_proxy().local_address(address).build().unwrap();
        http.request(route.method.parse().unwrap(), format!("{}{}", self.origin, route.fill(values)))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.origin))
    }

    pub(crate) fn database_url(&self) -> String {
        self.database.url()
    }

    /// What no API offers: a look into the database, or damage to it.
    pub(crate) async fn sql(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.state.pool).await.unwrap();
    }

    /// One number or text from the database, as text.
    pub(crate) async fn sql_value(&self, query: &'static str) -> String {
        sqlx::query_scalar(query).fetch_one(&self.state.pool).await.unwrap()
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn read(request: RequestBuilder) -> Self {
        let (http, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = Self::of(http.execute(request).await.unwrap()).await;
        described::check(&method, &path, &answer);
        answer
    }

    async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    #[track_caller]
    pub(crate) fn expect_status(self, status: StatusCode) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(self) -> T {
        assert!(self.status.is_success(), "{}: {}", self.status, String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The error envelope, whose status must be its code's.
    #[track_caller]
    pub(crate) fn error(self) -> ErrorBody {
        assert!(!self.status.is_success(), "{}", String::from_utf8_lossy(&self.body));
        let body: ErrorBody = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(self.status.as_u16(), body.code.status());
        assert_eq!(self.headers["x-request-id"].to_str().unwrap(), body.request_id.to_string());
        body
    }

    #[track_caller]
    pub(crate) fn expect_code(self, code: ErrorCode) -> ErrorBody {
        let body = self.error();
        assert_eq!(body.code, code, "{}", body.message);
        body
    }

    /// `CODE: message`, for snapshots.
    #[track_caller]
    pub(crate) fn refusal(self) -> String {
        let body = self.error();
        format!("{:?}: {}", body.code, body.message)
    }
}
