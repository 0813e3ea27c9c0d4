//! Requests to the coordinator: JSON, signed by the node.

use std::time::Duration;

use anyhow::{Context as _, bail};
use protocol::error::{ErrorBody, ErrorCode};
use protocol::id::RequestId;
use protocol::routes::Route;
use protocol::signed_request::{SignedParts, SignedRequest};
use reqwest::header;
use reqwest::redirect::Policy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use server::request_id;
use tls::Roots;

use crate::identity::{Identity, random};

const TIMEOUT: Duration = Duration::from_secs(10);

/// The coordinator understood, and said no.
#[derive(Debug, thiserror::Error)]
#[error("the coordinator refused: {message} (request {request_id})")]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    message: String,
    request_id: RequestId,
}

/// The coordinator, as a node sees it. Its requests fail with [`Refused`], or without an answer that is understood.
pub(crate) struct Coordinator {
    client: reqwest::Client,
    url: String,
}

impl Coordinator {
    /// `url` without a slash at the end.
    pub(crate) fn new(url: String, roots: &Roots) -> anyhow::Result<Self> {
        let client = tls::http(roots).timeout(TIMEOUT).redirect(Policy::none()).no_proxy().build()?;
        Ok(Self { client, url })
    }

    /// A request signed by the node, for the coordinator at this origin; `now_ms` in Unix milliseconds.
    pub(crate) async fn post_signed<T: DeserializeOwned>(
        &self,
        route: Route,
        body: &impl Serialize,
        origin: &str,
        identity: &Identity,
        now_ms: u64,
    ) -> anyhow::Result<T> {
        let body = serde_json::to_vec(body)?;
        let parts = SignedParts { origin, method: route.method, path_and_query: route.path, body: &body };
        let signed =
            SignedRequest::sign(identity.key(), *identity.node().as_bytes(), parts, now_ms, random()?);
        self.exchange(route, body, signed.to_header()).await
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        route: Route,
        body: Vec<u8>,
        authorization: String,
    ) -> anyhow::Result<T> {
        let request = self.client.post(format!("{}{}", self.url, route.path));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        let request = request.header(header::AUTHORIZATION, authorization).headers(request_id::outgoing());
        let response = request.send().await.context("the coordinator cannot be reached")?;
        let status = response.status();
        let bytes = response.bytes().await.context("the coordinator's answer broke off")?;
        if !status.is_success() {
            match serde_json::from_slice::<ErrorBody>(&bytes) {
                Ok(ErrorBody { code, message, request_id, .. }) => {
                    bail!(Refused { code, message, request_id })
                }
                Err(_) => bail!("the coordinator answered {status}"),
            }
        }
        serde_json::from_slice(&bytes).context("the coordinator's answer is not understood")
    }
}
