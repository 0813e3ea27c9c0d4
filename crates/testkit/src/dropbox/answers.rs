//! Answers as Dropbox words them.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

pub(super) fn conflict(summary: &str, error: &Value) -> Response {
    let body = json!({ "error_summary": format!("{summary}/.."), "error": error });
    (StatusCode::CONFLICT, Json(body)).into_response()
}

pub(super) fn not_found(lookup: &str) -> Response {
    conflict(&format!("{lookup}/not_found"), &json!({ ".tag": lookup, lookup: { ".tag": "not_found" } }))
}

pub(super) fn file_is_there() -> Response {
    let reason = json!({ ".tag": "conflict", "conflict": { ".tag": "file" } });
    conflict("path/conflict/file", &json!({ ".tag": "path", "reason": reason }))
}

pub(super) fn no_space() -> Response {
    conflict(
        "path/insufficient_space",
        &json!({ ".tag": "path", "reason": { ".tag": "insufficient_space" } }),
    )
}

pub(super) fn too_many_writes() -> Response {
    conflict("too_many_write_operations", &json!({ ".tag": "too_many_write_operations" }))
}

pub(super) fn unauthorized(tag: &str) -> Response {
    let body = json!({ "error_summary": format!("{tag}/.."), "error": { ".tag": tag } });
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

pub(super) fn failed() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response()
}

pub(super) fn malformed(what: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("Error in call to API function: {what}")).into_response()
}

pub(super) fn rate_limited(seconds: u64) -> Response {
    let reason = json!({ "reason": { ".tag": "too_many_requests" }, "retry_after": seconds });
    let body = json!({ "error_summary": "too_many_requests/..", "error": reason });
    let mut headers = HeaderMap::new();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    (StatusCode::TOO_MANY_REQUESTS, headers, Json(body)).into_response()
}

/// An answer whose connection ends half-way.
pub(super) fn cut(bytes: &[u8]) -> Response {
    let half = bytes[..bytes.len() / 2].to_vec();
    let len = bytes.len();
    let parts = vec![Ok(half), Err(std::io::Error::other("cut"))];
    let body = Body::from_stream(futures_util::stream::iter(parts));
    ([(header::CONTENT_LENGTH, len.to_string())], body).into_response()
}
