//! One POST to a node, whose body may have megabytes.
//!
//! In browsers by XMLHttpRequest, which takes a view of wasm memory. `fetch`, as reqwest calls it, takes an array
//! outside of it, and to fill a fresh array costs about as much as to send it.

use bytes::Bytes;
use reqwest::StatusCode;

use super::Reason;

const OCTETS: &str = "application/octet-stream";

/// The answer's status and body. Dropping the future ends the transfer.
#[cfg(not(target_arch = "wasm32"))]
pub(super) async fn post(
    http: &reqwest::Client,
    url: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes), Reason> {
    let response = http.post(url).header(reqwest::header::CONTENT_TYPE, OCTETS).body(body).send().await?;
    Ok((response.status(), response.bytes().await?))
}

/// The answer's status and body. Dropping the future ends the transfer.
#[cfg(target_arch = "wasm32")]
pub(super) async fn post(
    _http: &reqwest::Client,
    url: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes), Reason> {
    Exchange::start(url, &body).ok_or_else(Exchange::failed)?.finish().await.ok_or_else(Exchange::failed)
}

#[cfg(target_arch = "wasm32")]
struct Exchange {
    request: web_sys::XmlHttpRequest,
    ended: tokio::sync::oneshot::Receiver<()>,
    _listener: gloo_events::EventListener,
}

#[cfg(target_arch = "wasm32")]
impl Exchange {
    fn start(url: &str, body: &[u8]) -> Option<Self> {
        let request = web_sys::XmlHttpRequest::new().ok()?;
        let (end, ended) = tokio::sync::oneshot::channel();
        let listener = gloo_events::EventListener::once(&request, "loadend", move |_| {
            // The receiver is gone only if nobody waits any more.
            let _ = end.send(());
        });
        request.open("POST", url).ok()?;
        request.set_request_header("content-type", OCTETS).ok()?;
        // It takes its own copy before it returns.
        request.send_with_opt_u8_array(Some(body)).ok()?;
        Some(Self { request, ended, _listener: listener })
    }

    /// `None` if no answer came.
    async fn finish(mut self) -> Option<(StatusCode, Bytes)> {
        (&mut self.ended).await.ok()?;
        // A request that failed has status 0, which is none.
        let status = StatusCode::from_u16(self.request.status().ok()?).ok()?;
        let body = self.request.response_text().ok()?.unwrap_or_default();
        Some((status, body.into()))
    }

    /// Browsers do not say why.
    fn failed() -> Reason {
        Reason("it cannot be reached".to_owned())
    }
}

#[cfg(target_arch = "wasm32")]
impl Drop for Exchange {
    fn drop(&mut self) {
        // Of no effect on one that has ended.
        let _ = self.request.abort();
    }
}
