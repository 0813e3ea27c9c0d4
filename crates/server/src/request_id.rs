//! Gives every request a number, which its log lines and its answer carry, and writes error answers under it.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use protocol::id::RequestId;
use tracing::Instrument as _;

use crate::error::ErrorAnswer;

/// The header that carries the number.
pub const HEADER: &str = "x-request-id";

/// The outermost middleware: `router.layer(axum::middleware::from_fn(request_id::assign))`.
/// Handlers find the [`RequestId`] in the request's extensions.
pub async fn assign(mut request: Request, next: Next) -> Response {
    let id = random_id();
    request.extensions_mut().insert(id);
    let span = tracing::info_span!("request", %id, method = %request.method(), path = request.uri().path());
    async {
        let mut response = next.run(request).await;
        if let Some(answer) = response.extensions_mut().remove::<ErrorAnswer>() {
            answer.write_to(&mut response, id);
        }
        tracing::debug!(status = response.status().as_u16(), "answered");
        let value = HeaderValue::from_str(&id.to_string()).expect("hex is a valid header value");
        response.headers_mut().insert(HEADER, value);
        response
    }
    .instrument(span)
    .await
}

fn random_id() -> RequestId {
    let mut bytes = [0; RequestId::LEN];
    getrandom::fill(&mut bytes).expect("the system's random source works");
    RequestId::from_bytes(bytes).expect("16 random bytes are not all zero")
}
