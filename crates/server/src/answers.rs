//! Successes whose status or media type axum has no type for.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// 201 without a body.
#[derive(Debug, Clone, Copy)]
pub struct Created;

impl IntoResponse for Created {
    fn into_response(self) -> Response {
        StatusCode::CREATED.into_response()
    }
}

/// 201 with what was made, as JSON.
#[derive(Debug, Clone)]
pub struct Made<T>(pub T);

impl<T: Serialize> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
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
