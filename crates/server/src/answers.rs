//! Successes whose status or media type axum has no type for.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// 201 without a body.
#[derive(Debug, Clone, Copy)]
pub struct Created;

impl IntoResponse for Created {
    fn into_response(self) -> Response {
        StatusCode::CREATED.into_response()
    }
}

/// Octets.
#[derive(Debug, Clone)]
pub struct Octets(pub Vec<u8>);

impl IntoResponse for Octets {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/octet-stream")], self.0).into_response()
    }
}
