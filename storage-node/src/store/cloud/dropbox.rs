//! What is particular to Dropbox: tokens, uploads that overwrite nothing, hashes, room, and what its answers mean.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Request, Response, StatusCode, Uri, header};
use opendal::{Operator, services};
use protocol::digest::sha256;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::error::CloudError;
use super::place::Dropbox;
use super::transport::{Wire, retry_after, words};

const API: &str = "https://api.dropboxapi.com";
const ARGUMENTS: &str = "dropbox-api-arg";
/// A content hash is made of hashes of blocks of this size.
const HASH_BLOCK: usize = 4 << 20;
/// A token that ends so soon is not used any more.
const TOKEN_MARGIN: Duration = Duration::from_mins(2);

pub(super) fn operator(prefix: &str) -> opendal::Result<Operator> {
    // The transport signs, because OpenDAL can tell neither a revoked token nor one that ended early.
    Operator::new(services::Dropbox::default().root(&format!("/{prefix}")).access_token("unused"))
}

/// Makes requests Dropbox's own, and keeps the token that they carry.
pub(super) struct DropboxAuth {
    dropbox: Dropbox,
    token: Mutex<Option<(String, Instant)>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: u64,
}

impl DropboxAuth {
    pub(super) fn new(dropbox: Dropbox) -> Self {
        Self { dropbox, token: Mutex::default() }
    }

    /// Directs a request to the server, and lets an upload overwrite nothing. OpenDAL's uploads always do, and a
    /// repeated one would.
    pub(super) fn prepare(&self, mut request: Request<Bytes>) -> Result<Request<Bytes>, CloudError> {
        let unexpected = |_| CloudError::Unexpected("a request that cannot be sent".into());
        let is_upload = request.uri().path() == "/2/files/upload";
        if let Some(url) = &self.dropbox.url {
            let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
            *request.uri_mut() = format!("{url}{path}").parse::<Uri>().map_err(unexpected)?;
        }
        if is_upload {
            let arguments = request.headers().get(ARGUMENTS).map(header::HeaderValue::as_bytes);
            let mut arguments: Value = serde_json::from_slice(arguments.unwrap_or_default())
                .map_err(|_| CloudError::Unexpected("an upload without arguments".into()))?;
            arguments["mode"] = "add".into();
            let arguments = arguments.to_string().parse().map_err(|_| unexpected_header())?;
            request.headers_mut().insert(ARGUMENTS, arguments);
        }
        Ok(request)
    }

    /// A token that is good for a while, and is not the refused one.
    pub(super) async fn token(&self, wire: &Wire, refused: Option<&str>) -> Result<String, CloudError> {
        let mut kept = self.token.lock().await;
        if let Some((token, until)) = kept.as_ref()
            && *until > Instant::now()
            && refused != Some(token)
        {
            return Ok(token.clone());
        }
        let Dropbox { url, app_key, app_secret, refresh_token } = &self.dropbox;
        let (token, key) = (encode(refresh_token.expose()), encode(app_key));
        let secret = app_secret.as_ref().map(|secret| format!("&client_secret={}", encode(secret.expose())));
        let secret = secret.unwrap_or_default();
        let form = format!("grant_type=refresh_token&refresh_token={token}&client_id={key}{secret}");
        let request = Request::post(format!("{}/oauth2/token", url.as_deref().unwrap_or(API)))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .map_err(|_| CloudError::Unexpected("the URL of the server is none".into()))?;
        let answer = wire.send(request).await?;
        if !answer.status().is_success() {
            return Err(refused_token(&answer));
        }
        let answer: TokenAnswer = serde_json::from_slice(answer.body())
            .map_err(|_| CloudError::Server("the answer to the refresh token is not understood".into()))?;
        let good_for = Duration::from_secs(answer.expires_in);
        let until = Instant::now() + good_for.saturating_sub(TOKEN_MARGIN.min(good_for / 2));
        *kept = Some((answer.access_token.clone(), until));
        Ok(answer.access_token)
    }
}

fn unexpected_header() -> CloudError {
    CloudError::Unexpected("a token or path that no header can carry".into())
}

/// For a form: all but letters and digits.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    encoded
}

pub(super) fn sign(mut request: Request<Bytes>, token: &str) -> Result<Request<Bytes>, CloudError> {
    let mut bearer: header::HeaderValue =
        format!("Bearer {token}").parse().map_err(|_| unexpected_header())?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    Ok(request)
}

fn refused_token(answer: &Response<Bytes>) -> CloudError {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    match (body["error"].as_str(), answer.status()) {
        (Some("invalid_grant"), _) => CloudError::Revoked,
        (Some("invalid_client" | "unauthorized_client"), _) => {
            CloudError::Credentials("the app key or the app secret is wrong".into())
        }
        (_, StatusCode::TOO_MANY_REQUESTS) => CloudError::Busy { retry_after: retry_after(answer) },
        (_, status) if status.is_server_error() => CloudError::Server(status.to_string()),
        (_, status) => CloudError::Unexpected(format!("{status} to the refresh token")),
    }
}

/// Lets through what OpenDAL understands.
pub(super) fn judge(answer: Response<Bytes>) -> Result<Response<Bytes>, CloudError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let summary = body["error_summary"].as_str().unwrap_or_default();
    let text = || format!("{status} {}", words(answer.body()));
    let busy = || {
        let in_body = body["error"]["retry_after"].as_u64().map(Duration::from_secs);
        CloudError::Busy { retry_after: retry_after(&answer).or(in_body) }
    };
    Err(match status {
        StatusCode::UNAUTHORIZED if summary.starts_with("missing_scope") => {
            CloudError::Credentials(format!("the app lacks a permission: {}", text()))
        }
        StatusCode::UNAUTHORIZED => CloudError::Revoked,
        StatusCode::FORBIDDEN => CloudError::Credentials(text()),
        StatusCode::TOO_MANY_REQUESTS => busy(),
        StatusCode::CONFLICT if summary.contains("insufficient_space") => CloudError::Full,
        StatusCode::CONFLICT if summary.starts_with("too_many_write_operations") => busy(),
        StatusCode::CONFLICT => return Ok(answer),
        _ if status.is_server_error() => CloudError::Server(text()),
        _ => CloudError::Unexpected(text()),
    })
}

/// Dropbox's own hash of a file's content.
pub(super) fn content_hash(bytes: &[u8]) -> String {
    let blocks: Vec<u8> = bytes.chunks(HASH_BLOCK).flat_map(|block| sha256(&[block])).collect();
    hex::encode(sha256(&[&blocks]))
}

/// Length and content hash of a file; OpenDAL tells the length alone.
pub(super) async fn metadata(wire: &Wire, path: &str) -> Result<Option<(u64, Option<String>)>, CloudError> {
    let answer = call(wire, "files/get_metadata", serde_json::json!({ "path": path })).await?;
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    if answer.status() == StatusCode::CONFLICT {
        let summary = body["error_summary"].as_str().unwrap_or_default();
        let is_missing = summary.starts_with("path/not_found");
        return if is_missing { Ok(None) } else { Err(CloudError::Unexpected(words(answer.body()))) };
    }
    let len = body["size"].as_u64();
    let hash = body["content_hash"].as_str().map(str::to_owned);
    len.map(|len| Some((len, hash))).ok_or_else(|| CloudError::Unexpected(words(answer.body())))
}

/// The account's bytes: all that may be used, and those that are.
pub(super) async fn space(wire: &Wire) -> Result<(u64, u64), CloudError> {
    let answer = call(wire, "users/get_space_usage", Value::Null).await?;
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let allocation = &body["allocation"];
    let used = allocation["used"].as_u64().or(body["used"].as_u64());
    let found = allocation["allocated"].as_u64().zip(used);
    found.ok_or_else(|| CloudError::Unexpected(words(answer.body())))
}

async fn call(wire: &Wire, what: &str, arguments: Value) -> Result<Response<Bytes>, CloudError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    let request = Request::post(format!("{API}/2/{what}")).body(Bytes::from(arguments.to_string()));
    let mut request = request.map_err(|_| CloudError::Unexpected("no request".into()))?;
    *request.headers_mut() = headers;
    wire.fetch(request).await
}
