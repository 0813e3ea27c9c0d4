//! The calls of the API.

use std::fs;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::answers::{
    cut, failed, file_is_there, malformed, no_space, not_found, rate_limited, too_many_writes, unauthorized,
};
use super::{APP_KEY, APP_SECRET, Account, REFRESH_TOKEN, Trouble, files};

type Shared = State<Arc<Account>>;

impl Account {
    /// Counts a call, and gives what it is to suffer.
    fn count(&self, call: &'static str) -> Option<Trouble> {
        let mut state = self.state();
        *state.calls.entry(call).or_default() += 1;
        let at = state.troubles.iter().position(|(name, _, _)| *name == call)?;
        let (_, trouble, times) = &mut state.troubles[at];
        let trouble = *trouble;
        *times -= 1;
        if *times == 0 {
            state.troubles.remove(at);
        }
        Some(trouble)
    }

    /// Lets a call in, or says why not.
    async fn admit(&self, call: &'static str, headers: &HeaderMap) -> Result<Option<Trouble>, Response> {
        let trouble = self.count(call);
        let bearer =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let token = bearer.strip_prefix("Bearer ").unwrap_or_default();
        {
            let state = self.state();
            if !state.tokens.contains(token) {
                let tag = if state.revoked { "invalid_access_token" } else { "expired_access_token" };
                return Err(unauthorized(tag));
            }
        }
        match trouble {
            Some(Trouble::Fails) => Err(failed()),
            Some(Trouble::RateLimited(seconds)) => Err(rate_limited(seconds)),
            Some(Trouble::TooManyWrites) => Err(too_many_writes()),
            Some(Trouble::Slow(time)) => {
                tokio::time::sleep(time).await;
                Ok(None)
            }
            other => Ok(other),
        }
    }
}

/// An answer, unless the caller is to believe that nothing was done.
fn done(answer: Response, trouble: Option<Trouble>) -> Response {
    if trouble == Some(Trouble::DoneButFails) { failed() } else { answer }
}

fn text<'a>(arguments: &'a Value, name: &str) -> &'a str {
    arguments[name].as_str().unwrap_or_default()
}

fn header_arguments(headers: &HeaderMap) -> Value {
    let header = headers.get("dropbox-api-arg").map(HeaderValue::as_bytes).unwrap_or_default();
    serde_json::from_slice(header).unwrap_or_default()
}

pub(super) async fn token(State(account): Shared, body: String) -> Response {
    let trouble = account.count("token");
    match trouble {
        Some(Trouble::Fails) => return failed(),
        Some(Trouble::RateLimited(seconds)) => return rate_limited(seconds),
        _ => {}
    }
    let error = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let field = |name: &str| {
        let found = body.split('&').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_default().to_owned()
    };
    if field("grant_type") != "refresh_token" {
        return error("unsupported_grant_type");
    }
    if field("client_id") != APP_KEY || field("client_secret") != APP_SECRET {
        return error("invalid_client");
    }
    let mut state = account.state();
    if state.revoked || field("refresh_token") != REFRESH_TOKEN {
        return error("invalid_grant");
    }
    state.issued += 1;
    let token = format!("fake-access-token-{}", state.issued);
    state.tokens.insert(token.clone());
    Json(json!({ "access_token": token, "token_type": "bearer", "expires_in": 14400 })).into_response()
}

pub(super) async fn upload(State(account): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let trouble = match account.admit("upload", &headers).await {
        Ok(trouble) => trouble,
        Err(refused) => return refused,
    };
    let arguments = header_arguments(&headers);
    let Some(place) = account.place(text(&arguments, "path")) else { return malformed("path") };
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/octet-stream") {
        return malformed("Content-Type");
    }
    // One write at a time sees what the other did.
    let state = account.state();
    let there = fs::read(&place).ok();
    match (text(&arguments, "mode"), there) {
        ("add", Some(there)) if there != body => return file_is_there(),
        ("add", Some(_)) => {}
        ("add" | "overwrite", _) => {
            if account.used() + body.len() as u64 > state.quota {
                return no_space();
            }
            if files::write(&place, &body).is_err() {
                return failed();
            }
        }
        _ => return malformed("mode"),
    }
    done(Json(account.describe(&place)).into_response(), trouble)
}

pub(super) async fn download(State(account): Shared, headers: HeaderMap) -> Response {
    let trouble = match account.admit("download", &headers).await {
        Ok(trouble) => trouble,
        Err(refused) => return refused,
    };
    let Some(place) = account.place(text(&header_arguments(&headers), "path")) else {
        return malformed("path");
    };
    let Ok(content) = fs::read(&place) else { return not_found("path") };
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes="));
    let (status, start, end) = match range.and_then(|range| range.split_once('-')) {
        None => (StatusCode::OK, 0, content.len()),
        Some((start, end)) => {
            let end = end.parse().map_or(content.len(), |last: usize| content.len().min(last + 1));
            (StatusCode::PARTIAL_CONTENT, start.parse().unwrap_or(usize::MAX), end)
        }
    };
    if start >= end && !content.is_empty() {
        return (StatusCode::RANGE_NOT_SATISFIABLE, "range").into_response();
    }
    let bytes = &content[start..end];
    match trouble {
        Some(Trouble::DoneButFails) => return failed(),
        Some(Trouble::Cut) => return cut(bytes),
        _ => {}
    }
    let bytes = if trouble == Some(Trouble::Short) { &bytes[..bytes.len() / 2] } else { bytes };
    let mut answer = (status, bytes.to_vec()).into_response();
    let describe = json!(account.describe(&place)).to_string();
    let headers = answer.headers_mut();
    headers
        .extend(describe.parse().map(|value| (header::HeaderName::from_static("dropbox-api-result"), value)));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {start}-{}/{}", end.saturating_sub(1), content.len());
        headers.extend(range.parse().map(|value| (header::CONTENT_RANGE, value)));
    }
    answer
}

pub(super) async fn delete(
    State(account): Shared,
    headers: HeaderMap,
    Json(arguments): Json<Value>,
) -> Response {
    let trouble = match account.admit("delete_v2", &headers).await {
        Ok(trouble) => trouble,
        Err(refused) => return refused,
    };
    let Some(place) = account.place(text(&arguments, "path")) else { return malformed("path") };
    let Some(described) = account.describe(&place) else { return not_found("path_lookup") };
    let removed = if place.is_dir() { fs::remove_dir_all(place) } else { fs::remove_file(place) };
    match removed {
        Ok(()) => done(Json(json!({ "metadata": described })).into_response(), trouble),
        Err(_) => failed(),
    }
}

pub(super) async fn rename(
    State(account): Shared,
    headers: HeaderMap,
    Json(arguments): Json<Value>,
) -> Response {
    let trouble = match account.admit("move_v2", &headers).await {
        Ok(trouble) => trouble,
        Err(refused) => return refused,
    };
    let places = (account.place(text(&arguments, "from_path")), account.place(text(&arguments, "to_path")));
    let (Some(from), Some(to)) = places else { return malformed("path") };
    if !from.exists() {
        return not_found("from_lookup");
    }
    if to.exists() {
        return file_is_there();
    }
    let moved = fs::create_dir_all(to.parent().unwrap_or(&to)).and_then(|()| fs::rename(from, &to));
    match moved {
        Ok(()) => done(Json(json!({ "metadata": account.describe(&to) })).into_response(), trouble),
        Err(_) => failed(),
    }
}

pub(super) async fn metadata(
    State(account): Shared,
    headers: HeaderMap,
    Json(arguments): Json<Value>,
) -> Response {
    if let Err(refused) = account.admit("get_metadata", &headers).await {
        return refused;
    }
    let Some(place) = account.place(text(&arguments, "path")) else { return malformed("path") };
    account.describe(&place).map_or_else(|| not_found("path"), |described| Json(described).into_response())
}

pub(super) async fn list(
    State(account): Shared,
    headers: HeaderMap,
    Json(arguments): Json<Value>,
) -> Response {
    let trouble = match account.admit("list_folder", &headers).await {
        Ok(trouble) => trouble,
        Err(refused) => return refused,
    };
    let path = text(&arguments, "path");
    if path.ends_with('/') {
        return malformed("path");
    }
    let hidden = if let Some(Trouble::Stale(hidden)) = trouble { hidden } else { 0 };
    page(&account, path, 0, hidden)
}

pub(super) async fn list_on(
    State(account): Shared,
    headers: HeaderMap,
    Json(arguments): Json<Value>,
) -> Response {
    if let Err(refused) = account.admit("continue", &headers).await {
        return refused;
    }
    let mut cursor = text(&arguments, "cursor").splitn(3, '|');
    let mut number = || cursor.next().and_then(|number| number.parse().ok());
    let (Some(from), Some(hidden)) = (number(), number()) else { return malformed("cursor") };
    page(&account, cursor.next().unwrap_or_default(), from, hidden)
}

fn page(account: &Account, path: &str, from: usize, hidden: usize) -> Response {
    let Some(place) = account.place(path) else { return malformed("path") };
    let Some(entries) = files::entries(&place, hidden) else { return not_found("path") };
    let to = entries.len().min(from + account.state().page);
    let described: Vec<_> =
        entries[from.min(to)..to].iter().filter_map(|path| account.describe(path)).collect();
    let has_more = to < entries.len();
    let cursor = format!("{to}|{hidden}|{path}");
    Json(json!({ "entries": described, "cursor": cursor, "has_more": has_more })).into_response()
}

pub(super) async fn space(State(account): Shared, headers: HeaderMap) -> Response {
    if let Err(refused) = account.admit("get_space_usage", &headers).await {
        return refused;
    }
    let allocation = json!({ ".tag": "individual", "allocated": account.state().quota });
    Json(json!({ "used": account.used(), "allocation": allocation })).into_response()
}
