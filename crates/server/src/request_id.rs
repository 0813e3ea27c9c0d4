//! Gives every request a number, which its log lines, its answer, and what is asked of other servers for it carry, and
//! writes error answers under it.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use protocol::id::RequestId;
use protocol::routes::REQUEST_ID_HEADER;
use tracing::Instrument as _;

use crate::error::ErrorAnswer;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The outermost middleware: `router.layer(axum::middleware::from_fn(request_id::assign))`.
/// The number is the client's where it sends one, and else a new one. Handlers find the [`RequestId`] in the request's
/// extensions.
pub async fn assign(mut request: Request, next: Next) -> Response {
    let id = told(request.headers()).unwrap_or_else(random_id);
    request.extensions_mut().insert(id);
    let span = tracing::info_span!("request", %id, method = %request.method(), path = request.uri().path());
    let answer = async {
        let mut response = next.run(request).await;
        if let Some(answer) = response.extensions_mut().remove::<ErrorAnswer>() {
            answer.write_to(&mut response, id);
        }
        tracing::debug!(status = response.status().as_u16(), "answered");
        let value = HeaderValue::from_str(&id.to_string()).expect("hex is a valid header value");
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
        response
    };
    CURRENT.scope(id, answer.instrument(span)).await
}

/// Work that nobody asked for, under a new number, as if it were a request.
pub async fn begin<F: Future>(what: &'static str, work: F) -> F::Output {
    let id = random_id();
    CURRENT.scope(id, work.instrument(tracing::info_span!("work", %id, what))).await
}

/// The header for what is asked of other servers: the number under which this task works, if there is one.
pub fn outgoing() -> HeaderMap {
    let value = |id: &RequestId| HeaderValue::from_str(&id.to_string()).expect("hex is a valid header value");
    let header = |id: &RequestId| (HeaderName::from_static(REQUEST_ID_HEADER), value(id));
    CURRENT.try_with(header).into_iter().collect()
}

/// Anything but an id goes into no log.
fn told(headers: &HeaderMap) -> Option<RequestId> {
    headers.get(REQUEST_ID_HEADER)?.to_str().ok()?.parse().ok()
}

fn random_id() -> RequestId {
    let mut bytes = [0; RequestId::LEN];
    getrandom::fill(&mut bytes).expect("the system's random source works");
    RequestId::from_bytes(bytes).expect("16 random bytes are not all zero")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_is_taken_from_a_client() {
        let told_by = |value: &'static str| {
            told(
                &[(REQUEST_ID_HEADER.parse().expect("a name"), HeaderValue::from_static(value))]
                    .into_iter()
                    .collect(),
            )
        };
        let good = "0123456789abcdef0123456789abcdef";
        assert_eq!(told_by(good).map(|id| id.to_string()).as_deref(), Some(good));
        let bad = [
            "",
            "1",
            "0123456789ABCDEF0123456789ABCDEF",
            "0123456789abcdef0123456789abcdef0",
            "a b",
            "../../x",
        ];
        for bad in bad.into_iter().chain(["00000000000000000000000000000000"]) {
            assert_eq!(told_by(bad), None, "{bad}");
        }
    }
}
