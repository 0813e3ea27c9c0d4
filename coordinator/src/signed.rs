//! Requests that nodes and devices sign: reading one whole, and verifying it.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};
use protocol::error::ErrorCode;
use protocol::limits::SIGNED_REQUEST_SKEW_SECONDS;
use protocol::signature::PublicKey;
use protocol::signed_request::{SignedParts, SignedRequest};
use server::error::ApiError;

use crate::error::ApiResult;
use crate::state::{App, AppState};

/// A request with a signature that is not yet verified, read whole.
#[derive(Debug)]
pub struct Unverified {
    /// Who claims to have signed, when, and under which nonce.
    pub signed: SignedRequest,
    method: Method,
    path_and_query: String,
    /// The body.
    pub body: Bytes,
}

impl Unverified {
    /// Reads a request.
    ///
    /// # Errors
    /// [`ErrorCode::Unauthenticated`] if it carries no signature, or what is wrong with its body.
    pub async fn read(request: Request, state: &AppState) -> ApiResult<Self> {
        let signed = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| SignedRequest::from_header(value.to_str().ok()?))
            .ok_or_else(|| refused("the request is not signed"))?;
        let path_and_query = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let method = request.method().clone();
        Ok(Self { signed, method, path_and_query, body: Bytes::from_request(request, state).await? })
    }

    /// Checks signature and time; the nonce is the caller's to check.
    ///
    /// # Errors
    /// [`ErrorCode::Unauthenticated`].
    pub fn verify(&self, app: &App, origin: &str, key: &PublicKey) -> ApiResult<()> {
        let Self { signed, method, path_and_query, body } = self;
        let parts = SignedParts { origin, method: method.as_str(), path_and_query, body };
        signed.verify(key, parts).map_err(|_| refused("the signature does not verify"))?;
        if app.clock.now_ms().abs_diff(signed.time_ms) > SIGNED_REQUEST_SKEW_SECONDS * 1000 {
            return Err(refused("this machine's clock differs from the server's by more than two minutes"));
        }
        Ok(())
    }
}

/// The signature, or what it stands on, is not good.
pub fn refused(why: &'static str) -> ApiError {
    ApiError::new(ErrorCode::Unauthenticated, why)
}
