//! HTTP to a provider: OpenDAL's requests go out from here, and here it is seen what the provider means.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opendal::{Buffer, HttpBody, HttpTransport};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::account::Account;
use super::dropbox::DropboxAuth;
use super::error::CloudError;
use super::place::{CloudPlace, Patience, Provider, S3};
use super::{dropbox, s3};

/// A body is at most one pack; the largest holds a group and one job more.
const BODY_MAX: usize = 96 << 20;
const CONNECT: Duration = Duration::from_secs(10);
/// For an answer, and more for each byte that is sent or arrives.
const ANSWER: Duration = Duration::from_secs(30);
const BYTES_PER_SECOND_MIN: usize = 64 << 10;

pub(super) struct Wire {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    pub(super) account: Arc<Account>,
    patience: Patience,
    dialect: Dialect,
}

enum Dialect {
    S3(S3),
    Dropbox(DropboxAuth),
}

/// What OpenDAL is given.
pub(super) struct Transport(pub(super) Arc<Wire>);

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let (parts, body) = request.into_parts();
        let answer = self.0.fetch(Request::from_parts(parts, body.to_bytes())).await?;
        let (parts, body) = answer.into_parts();
        // Of a head alone the length is told, but there is nothing.
        let len = body.len() as u64;
        let body = HttpBody::new(stream::iter([Ok(Buffer::from(body))]), Some(len));
        Ok(Response::from_parts(parts, body))
    }
}

impl Wire {
    pub(super) fn new(place: &CloudPlace) -> Result<Self, CloudError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        let tls = tls_config(place.provider.is_encrypted())?;
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let https = https.wrap_connector(tcp);
        let dialect = match &place.provider {
            Provider::S3(s3) => Dialect::S3(s3.clone()),
            Provider::Dropbox(dropbox) => Dialect::Dropbox(DropboxAuth::new(dropbox.clone())),
        };
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(https),
            account: Account::named(&place.account()),
            patience: place.patience,
            dialect,
        })
    }

    /// Sends a request in its turn. What OpenDAL cannot tell apart becomes an error here.
    pub(super) async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CloudError> {
        let answer = match &self.dialect {
            Dialect::S3(s3) => {
                let answer = self.send(request).await?;
                s3::judge(answer, s3)
            }
            Dialect::Dropbox(auth) => {
                let request = auth.prepare(request)?;
                let token = auth.token(self, None).await?;
                let answer = self.send(dropbox::sign(request.clone(), &token)?).await?;
                if answer.status() == StatusCode::UNAUTHORIZED {
                    // It may have ended early.
                    let token = auth.token(self, Some(&token)).await?;
                    dropbox::judge(self.send(dropbox::sign(request, &token)?).await?)
                } else {
                    dropbox::judge(answer)
                }
            }
        };
        if let Err(CloudError::Busy { retry_after: Some(pause) }) = &answer {
            self.account.pause(*pause);
        }
        answer
    }

    /// One request and its whole answer.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CloudError> {
        let _turn = self.account.request(self.patience.total).await?;
        let patience = ANSWER + Duration::from_secs((request.body().len() / BYTES_PER_SECOND_MIN) as u64);
        let is_head = request.method() == Method::HEAD;
        let network = |error: &dyn std::error::Error| CloudError::Network(chain(error));
        let late = |_| CloudError::Network("it took too long".into());
        let answer = timeout(patience, self.client.request(request.map(Full::new))).await.map_err(late)?;
        let (parts, body) = answer.map_err(|error| network(&error))?.into_parts();
        let announced: Option<usize> =
            parts.headers.get(header::CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
        let patience =
            ANSWER + Duration::from_secs((announced.unwrap_or_default() / BYTES_PER_SECOND_MIN) as u64);
        let body = timeout(patience, Limited::new(body, BODY_MAX).collect()).await.map_err(late)?;
        let body = body.map_err(|error| network(&*error))?.to_bytes();
        if !is_head && announced.is_some_and(|announced| announced != body.len()) {
            return Err(CloudError::Network("the answer is cut short".into()));
        }
        Ok(Response::from_parts(parts, body))
    }
}

/// Trusts what the system trusts, so that a server of one's own can have a certificate of one's own. A plain server
/// needs no trust, nor a system that has certificates.
fn tls_config(is_needed: bool) -> Result<ClientConfig, CloudError> {
    let failed = |error: &dyn std::error::Error| CloudError::Network(format!("no TLS: {}", chain(error)));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| failed(&error))?;
    let config = if is_needed {
        config.with_native_roots().map_err(|error| failed(&error))?
    } else {
        config.with_root_certificates(RootCertStore::empty())
    };
    Ok(config.with_no_client_auth())
}

/// An error with its reasons, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

/// How long an answer asks to wait, in whole seconds.
pub(super) fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// An answer's words, for people: one line, not too long.
pub(super) fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(300)]);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
