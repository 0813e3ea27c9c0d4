//! Calls to the coordinator: one function per route, one place that turns answers into errors.

use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use protocol::accounts::{PreloginRequest, PreloginResponse, RegisterRequest, RegistrationResponse};
use protocol::blob_list::unpack_ids;
use protocol::commits::{AppendCommitRequest, split_envelopes};
use protocol::error::{ErrorBody, ErrorCode};
use protocol::id::{NodeId, RequestId, SourceId, VaultId};
use protocol::nodes::{NodesResponse, RemovalResponse, RemoveNodeRequest};
use protocol::routes::{REQUEST_ID_HEADER, Route, coordinator as routes};
use protocol::sessions::{LoginRequest, LoginResponse, StepUpRequest};
use protocol::sources::SourcesResponse;
use protocol::uploads::CommitResponse;
use protocol::vaults::VaultsResponse;
use reqwest::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::device_session::DeviceSession;
use crate::error::Error;
use crate::patience::{Patience, Waits};
use crate::platform::Platform;

/// No answer of the coordinator takes longer, its body included.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);
/// But for a commit of a million references.
const COMMIT_TIMEOUT: Duration = Duration::from_mins(15);
/// A machine that is gone refuses nothing: whoever calls it waits for so long.
#[cfg(not(target_family = "wasm"))]
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that nobody acknowledged for so long end their connection. The system goes on for a quarter of an hour.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);
/// Waits between attempts of a request that may be repeated.
const RETRY_WAITS_MS: [u64; 5] = [200, 500, 1500, 4000, 8000];

/// A client of one coordinator. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    origin: Rc<str>,
    pub(crate) http: reqwest::Client,
    pub(crate) platform: Rc<dyn Platform>,
    pub(crate) patience: Patience,
    pub(crate) waits: Waits,
    /// The session's cookie, natively; a browser keeps its cookies to itself.
    cookie: Rc<RefCell<Option<String>>>,
    /// Where a device calls, its session.
    pub(crate) device: Option<Rc<DeviceSession>>,
    /// What the requests of one operation have in common in the logs of all servers.
    operation: Option<RequestId>,
}

/// Connections that give up on machines that are not there, as browsers' do by themselves.
#[cfg(not(target_family = "wasm"))]
fn connections(roots: &tls::Roots) -> reqwest::Client {
    let builder = tls::http(roots).connect_timeout(CONNECT_TIMEOUT);
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(UNACKNOWLEDGED_MAX);
    builder.build().expect("no option is wrong")
}

pub(crate) enum Body {
    Empty,
    Json(Vec<u8>),
    Octets(Vec<u8>),
}

impl Client {
    /// A client of the coordinator at `origin`, like `https://backup.example`.
    pub fn new(origin: &str, platform: Rc<dyn Platform>) -> Self {
        #[cfg(not(target_family = "wasm"))]
        return Self::trusting(origin, platform, &tls::Roots::default());
        #[cfg(target_family = "wasm")]
        Self::with(origin, platform, reqwest::Client::new())
    }

    /// The same, of a coordinator and nodes whose certificates are signed by one of these. A browser trusts whom it is
    /// told to.
    #[cfg(not(target_family = "wasm"))]
    pub fn trusting(origin: &str, platform: Rc<dyn Platform>, roots: &tls::Roots) -> Self {
        Self::with(origin, platform, connections(roots))
    }

    fn with(origin: &str, platform: Rc<dyn Platform>, http: reqwest::Client) -> Self {
        let origin = origin.trim_end_matches('/').into();
        let (patience, waits) = (Patience::default(), Waits::default());
        Self { origin, http, platform, patience, waits, cookie: Rc::default(), device: None, operation: None }
    }

    /// The same client with more patience, or less.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The same client, calling as a device in its session.
    pub(crate) fn in_session(&self, device: Rc<DeviceSession>) -> Self {
        Self { device: Some(device), cookie: Rc::default(), ..self.clone() }
    }

    /// The same client for one operation: all of its requests, to whichever server, carry one new id.
    pub(crate) fn for_operation(&self) -> Self {
        let id = RequestId::from_bytes(self.platform.random()).expect("16 random bytes are not all zero");
        Self { operation: Some(id), ..self.clone() }
    }

    /// The operation's id, if it is one.
    pub(crate) fn operation(&self) -> Option<String> {
        self.operation.map(|id| id.to_string())
    }

    /// The request, with the operation's id if it is one.
    pub(crate) fn traced(&self, request: RequestBuilder) -> RequestBuilder {
        match self.operation() {
            Some(id) => request.header(REQUEST_ID_HEADER, id),
            None => request,
        }
    }

    /// Where the coordinator is.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether one may register there.
    pub async fn registration(&self) -> Result<RegistrationResponse, Error> {
        self.get(routes::REGISTRATION, &[]).await
    }

    pub(crate) async fn prelogin(&self, login: &str) -> Result<PreloginResponse, Error> {
        let request = PreloginRequest { login: login.to_owned() };
        self.repeat(routes::PRELOGIN, &[], &request).await
    }

    /// The same request again, after its answer was lost, gets the same answer.
    pub(crate) async fn register(&self, request: &RegisterRequest) -> Result<(), Error> {
        self.retry(|| self.send_once(routes::REGISTER, &[], json(request))).await.map(drop)
    }

    pub(crate) async fn login(&self, request: &LoginRequest) -> Result<LoginResponse, Error> {
        read_json(&self.send_once(routes::LOGIN, &[], json(request)).await?)
    }

    pub(crate) async fn step_up(&self, request: &StepUpRequest) -> Result<(), Error> {
        self.command(routes::STEP_UP, &[], request).await
    }

    pub(crate) async fn logout(&self) -> Result<(), Error> {
        self.send_once(routes::LOGOUT, &[], Body::Empty).await?;
        *self.cookie.borrow_mut() = None;
        Ok(())
    }

    pub(crate) async fn account_state(&self, seq: u64) -> Result<Bytes, Error> {
        self.get_octets(routes::ACCOUNT_STATE, &[&seq], "").await
    }

    pub(crate) async fn vaults(&self) -> Result<VaultsResponse, Error> {
        self.get(routes::VAULTS, &[]).await
    }

    pub(crate) async fn commits(&self, vault: VaultId, from: u64) -> Result<Vec<Vec<u8>>, Error> {
        let bytes = self.get_octets(routes::COMMITS, &[&vault], &format!("?from={from}")).await?;
        split_envelopes(&bytes).map_err(|error| Error::untrusted(error.to_string()))
    }

    pub(crate) async fn append_commit(
        &self,
        vault: VaultId,
        request: &AppendCommitRequest,
    ) -> Result<CommitResponse, Error> {
        self.repeat(routes::APPEND_COMMIT, &[&vault], request).await
    }

    /// Says that a sample of a source was restored.
    pub(crate) async fn prove_source(&self, vault: VaultId, source: SourceId) -> Result<(), Error> {
        let values: [&dyn Display; 2] = [&vault, &source];
        self.retry(|| self.send_once(routes::PROVE_SOURCE, &values, Body::Empty)).await.map(drop)
    }

    pub(crate) async fn sources(&self, vault: VaultId) -> Result<SourcesResponse, Error> {
        self.get(routes::SOURCES, &[&vault]).await
    }

    pub(crate) async fn nodes(&self) -> Result<NodesResponse, Error> {
        self.get(routes::NODES, &[]).await
    }

    pub(crate) async fn drain_node(&self, node: NodeId, drain: bool) -> Result<(), Error> {
        let route = if drain { routes::DRAIN_NODE } else { routes::UNDRAIN_NODE };
        let values: [&dyn Display; 1] = [&node];
        self.retry(|| self.send_once(route, &values, Body::Empty)).await.map(drop)
    }

    pub(crate) async fn preview_removal(&self, node: NodeId) -> Result<RemovalResponse, Error> {
        self.get(routes::PREVIEW_REMOVAL, &[&node]).await
    }

    pub(crate) async fn remove_node(&self, node: NodeId, force: bool) -> Result<(), Error> {
        self.command(routes::REMOVE_NODE, &[&node], &RemoveNodeRequest { force }).await
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        route: Route,
        values: &[&dyn Display],
    ) -> Result<T, Error> {
        read_json(&self.retry(|| self.send_once(route, values, Body::Empty)).await?)
    }

    pub(crate) async fn get_octets(
        &self,
        route: Route,
        values: &[&dyn Display],
        query: &str,
    ) -> Result<Bytes, Error> {
        let url = self.url(route, values) + query;
        self.retry(|| self.send(self.request(route, &url, Body::Empty), TIMEOUT)).await
    }

    /// A request whose repetition has the effect of one, and whose answer says nothing more.
    pub(crate) async fn command(
        &self,
        route: Route,
        values: &[&dyn Display],
        request: &impl Serialize,
    ) -> Result<(), Error> {
        self.retry(|| self.send_once(route, values, json(request))).await.map(drop)
    }

    /// A request whose repetition has the effect of one.
    pub(crate) async fn repeat<T: DeserializeOwned>(
        &self,
        route: Route,
        values: &[&dyn Display],
        request: &impl Serialize,
    ) -> Result<T, Error> {
        read_json(&self.retry(|| self.send_once(route, values, json(request))).await?)
    }

    pub(crate) async fn retry<T, F: Future<Output = Result<T, Error>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T, Error> {
        for wait in RETRY_WAITS_MS {
            match attempt().await {
                Err(error) if error.is_outage() => {
                    self.platform.sleep(Duration::from_millis(wait)).await;
                }
                done => return done,
            }
        }
        attempt().await
    }

    pub(crate) async fn send_once(
        &self,
        route: Route,
        values: &[&dyn Display],
        body: Body,
    ) -> Result<Bytes, Error> {
        let url = self.url(route, values);
        let time = if route == routes::COMMIT_UPLOAD { COMMIT_TIMEOUT } else { TIMEOUT };
        self.send(self.request(route, &url, body), time).await
    }

    pub(crate) fn url(&self, route: Route, values: &[&dyn Display]) -> String {
        format!("{}{}", self.origin, route.fill(values))
    }

    pub(crate) fn request(&self, route: Route, url: &str, body: Body) -> RequestBuilder {
        let method = Method::from_bytes(route.method.as_bytes()).expect("routes have valid methods");
        let request = self.http.request(method, url).header("x-triplicate", "1");
        let mut request = self.traced(request);
        if let Some(cookie) = &*self.cookie.borrow() {
            request = request.header(COOKIE, cookie);
        }
        match body {
            Body::Empty => request,
            Body::Json(bytes) => request.header(CONTENT_TYPE, "application/json").body(bytes),
            Body::Octets(bytes) => request.header(CONTENT_TYPE, "application/octet-stream").body(bytes),
        }
    }

    /// Sends a request as who calls, and reads the whole answer.
    pub(crate) async fn send(&self, request: RequestBuilder, time: Duration) -> Result<Bytes, Error> {
        let Some(device) = &self.device else { return self.exchange(request, time).await };
        let token = device.token(self).await?;
        let again = request.try_clone().expect("bodies are bytes");
        match self.exchange(request.bearer_auth(&token), time).await {
            Err(error) if error.code() == Some(ErrorCode::Unauthenticated) => {
                device.forget(&token);
                let token = device.token(self).await?;
                self.exchange(again.bearer_auth(&token), time).await
            }
            done => done,
        }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn exchange(&self, request: RequestBuilder, time: Duration) -> Result<Bytes, Error> {
        let answer = async {
            let response = request.send().await?;
            self.keep_cookie(&response);
            Ok((response.status().is_success(), response.bytes().await?))
        };
        let (is_success, body) = with_timeout(&*self.platform, time, answer)
            .await
            .ok_or_else(|| self.unreachable(None))?
            .map_err(|source| self.unreachable(Some(source)))?;
        if is_success { Ok(body) } else { Err(self.refusal(&body)) }
    }

    /// What an answer that is not a success says.
    pub(crate) fn refusal(&self, body: &[u8]) -> Error {
        let Ok(ErrorBody { code, message, request_id, missing }) = serde_json::from_slice(body) else {
            return self.unreachable(None);
        };
        if code == ErrorCode::NotAdmitted {
            return Error::NotAdmitted(message);
        }
        let missing = missing.and_then(|packed| unpack_ids(&packed).ok()).unwrap_or_default();
        Error::Api { code, message, request: request_id, missing }
    }

    fn keep_cookie(&self, response: &Response) {
        for value in response.headers().get_all(SET_COOKIE) {
            if let Some(pair) = value.to_str().ok().and_then(|value| value.split(';').next()) {
                *self.cookie.borrow_mut() = Some(pair.to_owned());
            }
        }
    }

    pub(crate) fn unreachable(&self, source: Option<reqwest::Error>) -> Error {
        Error::Network { server: self.origin.to_string(), source }
    }
}

/// Whatever comes first: the future's result, or `None` after the time.
pub(crate) async fn with_timeout<F: Future>(
    platform: &dyn Platform,
    time: Duration,
    future: F,
) -> Option<F::Output> {
    match select(std::pin::pin!(future), platform.sleep(time)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

fn json(request: &impl Serialize) -> Body {
    Body::Json(serde_json::to_vec(request).expect("messages of the protocol serialize"))
}

pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|_| Error::untrusted("an answer that is not of the protocol"))
}
