//! Errors on their way to the client: handlers return [`ApiError`], [`crate::request_id::assign`] writes the
//! protocol's envelope around it and logs internal faults once, with their chain.

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::bytes::Base64;
use protocol::error::{ErrorBody, ErrorCode};
use protocol::id::RequestId;

/// Seconds after which to try again, with every 429 and 503.
const RETRY_AFTER_SECONDS: u64 = 1;

/// What a handler answers when it does not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The client is told why.
    #[error("{message}")]
    Client {
        /// For programs.
        code: ErrorCode,
        /// For people.
        message: Cow<'static, str>,
        /// With [`ErrorCode::BlobsMissing`]: which.
        missing: Option<Base64>,
        /// Seconds after which to try again.
        retry_after: Option<u64>,
    },
    /// A fault of ours: the log has the chain, the client the request's number.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl ApiError {
    /// A refusal with its reason for people.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        let retry_after = matches!(code.status(), 429 | 503).then_some(RETRY_AFTER_SECONDS);
        Self::Client { code, message: message.into(), missing: None, retry_after }
    }

    /// The commit needs blobs that are not durable yet.
    pub fn blobs_missing(missing: Base64) -> Self {
        let message = "blobs of this commit are not durable yet".into();
        Self::Client { code: ErrorCode::BlobsMissing, message, missing: Some(missing), retry_after: None }
    }

    /// Says when to try again, in seconds.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        if let Self::Client { retry_after, .. } = &mut self {
            *retry_after = Some(seconds);
        }
        self
    }

    /// What programs are told.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Client { code, .. } => *code,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
}

impl IntoResponse for ApiError {
    /// Without a body: the middleware writes it, because it knows the request's number.
    fn into_response(self) -> Response {
        let mut response = status_of(self.code()).into_response();
        response.extensions_mut().insert(ErrorAnswer(Arc::new(self)));
        response
    }
}

/// An error in a response's extensions, until the middleware writes it.
#[derive(Debug, Clone)]
pub(crate) struct ErrorAnswer(Arc<ApiError>);

impl ErrorAnswer {
    /// Replaces the response's body. Headers that inner layers set, like those of CORS, stay.
    pub(crate) fn write_to(&self, response: &mut Response, request_id: RequestId) {
        let (message, missing, retry_after) = match &*self.0 {
            ApiError::Client { message, missing, retry_after, .. } => {
                (message.to_string(), missing.clone(), *retry_after)
            }
            ApiError::Internal(error) => {
                tracing::error!("{error:#}");
                (
                    "a fault of the server's; its log has the details under this request's number".into(),
                    None,
                    None,
                )
            }
        };
        let body = ErrorBody { code: self.0.code(), message, request_id, missing };
        let (parts, body) = Json(body).into_response().into_parts();
        *response.body_mut() = body;
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.extend(parts.headers);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
}

fn status_of(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.status()).expect("the protocol's codes are HTTP statuses")
}

/// The router's fallback: no such route.
pub fn no_such_route() -> Ready<ApiError> {
    ready(ApiError::new(ErrorCode::NotFound, "no such route"))
}

/// The router's fallback for a known path: not with this method.
pub fn method_not_allowed() -> Ready<ApiError> {
    ready(ApiError::new(ErrorCode::MethodNotAllowed, "this route takes another method"))
}

macro_rules! from_rejections {
    ($($rejection:ty),*) => {$(
        impl From<$rejection> for ApiError {
            fn from(rejection: $rejection) -> Self {
                let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
                let code = if too_large { ErrorCode::TooLarge } else { ErrorCode::InvalidRequest };
                Self::new(code, rejection.body_text())
            }
        }
    )*};
}

from_rejections!(BytesRejection, JsonRejection, PathRejection, QueryRejection);
