//! `/metrics`: who may read it, and what both servers tell of the requests that they answer.
//!
//! A route is named by its template, as in the protocol: no id, name or path of anybody becomes a label.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{Extensions, HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use exposition::{CONTENT_TYPE, Family, Registry, families};
use protocol::digest::sha256;
use protocol::error::ErrorCode;

use crate::error::ApiError;

/// How often histograms are put in order where nobody scrapes.
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// Headers by which a proxy says that it passes on what somebody else asks.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

families! { ALL:
    REQUESTS = Counter "triplicate_http_requests_total" "Requests answered, by route template and status.";
    DURATION = Histogram "triplicate_http_request_duration_seconds"
        "From a request's head to the head of its answer, by route template.";
}

/// A registry with the program's own families and those of every server. `now_ms` in Unix milliseconds.
pub fn registry(families: &[Family], version: &str, now_ms: u64) -> Arc<Registry> {
    Arc::new(Registry::of_program(&[families, ALL].concat(), version, now_ms))
}

/// Keeps a registry small while nobody scrapes; for ever.
pub async fn tidy(registry: Arc<Registry>) {
    let mut ticks = tokio::time::interval(TIDY_EVERY);
    loop {
        ticks.tick().await;
        registry.tidy();
    }
}

/// A middleware: counts and times requests. `router.layer(from_fn_with_state(registry, metrics::measure))`.
pub async fn measure(State(registry): State<Arc<Registry>>, request: Request, next: Next) -> Response {
    // What is no route has whatever path somebody made up.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    // A method may be any word too.
    let method = if route == "other" { "other".to_owned() } else { request.method().to_string() };
    let started = Instant::now();
    let response = next.run(request).await;
    let place = [("method", &*method), ("route", route)];
    registry.histogram(DURATION, &place).record(started.elapsed().as_secs_f64());
    let [method, route] = place;
    registry.counter(REQUESTS, &[method, route, ("status", response.status().as_str())]).increment(1);
    response
}

/// Who may read `/metrics`.
#[derive(Debug, Clone)]
pub enum Readers {
    /// Programs on this machine that ask without a proxy.
    Local,
    /// Whoever has the token. Only its hash is kept.
    WithToken([u8; 32]),
}

impl Readers {
    /// Those who have the token, or without one programs on this machine.
    pub fn new(token: Option<&str>) -> Self {
        token.map_or(Self::Local, |token| Self::WithToken(sha256(&[token.as_bytes()])))
    }

    /// # Errors
    /// [`ErrorCode::Unauthenticated`] without the right token; [`ErrorCode::Forbidden`] where none is known and the
    /// request comes from elsewhere.
    pub fn admit(&self, headers: &HeaderMap, extensions: &Extensions) -> Result<(), ApiError> {
        match self {
            Self::WithToken(expected) => {
                let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
                let token = value.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
                // Hashes differ anywhere, so how long the comparison takes says nothing of the token.
                let known = sha256(&[token.as_bytes()]) == *expected;
                let refused = || ApiError::new(ErrorCode::Unauthenticated, "metrics need their token");
                known.then_some(()).ok_or_else(refused)
            }
            Self::Local => {
                let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
                let is_passed_on = FORWARDED.iter().any(|name| headers.contains_key(*name));
                let is_local = peer.map(|peer| peer.to_canonical()).as_ref().is_some_and(IpAddr::is_loopback);
                let why = "metrics are for programs on this machine, or for who has the token that the operator sets";
                (is_local && !is_passed_on)
                    .then_some(())
                    .ok_or_else(|| ApiError::new(ErrorCode::Forbidden, why))
            }
        }
    }
}

/// The answer with these metrics.
#[derive(Debug)]
pub struct Exposition(pub String);

impl IntoResponse for Exposition {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], self.0).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn from(address: [u8; 4]) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::from((address, 1))));
        extensions
    }

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        [(header::HeaderName::from_static(name), HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn without_a_token_only_this_machine_reads_metrics_and_no_proxy_for_others() {
        let refused = |headers: &HeaderMap, peer| {
            Readers::Local.admit(headers, &from(peer)).err().map(|error| error.code())
        };
        assert_eq!(refused(&HeaderMap::new(), [127, 0, 0, 1]), None);
        assert_eq!(refused(&HeaderMap::new(), [192, 0, 2, 1]), Some(ErrorCode::Forbidden));
        for name in FORWARDED {
            assert_eq!(
                refused(&headers(name, "192.0.2.1"), [127, 0, 0, 1]),
                Some(ErrorCode::Forbidden),
                "{name}"
            );
        }
    }

    #[test]
    fn with_a_token_everybody_needs_it() {
        let readers = Readers::WithToken(sha256(&[b"secret"]));
        let refused = |headers: &HeaderMap| {
            readers.admit(headers, &from([127, 0, 0, 1])).err().map(|error| error.code())
        };
        assert_eq!(refused(&headers("authorization", "Bearer secret")), None);
        for wrong in ["Bearer secre", "Bearer secret2", "Bearer ", "secret", "Basic secret"] {
            assert_eq!(
                refused(&headers("authorization", wrong)),
                Some(ErrorCode::Unauthenticated),
                "{wrong}"
            );
        }
        assert_eq!(refused(&HeaderMap::new()), Some(ErrorCode::Unauthenticated));
    }
}
