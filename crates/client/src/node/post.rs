//! One POST to a node, whose body may have megabytes.
//!
//! In browsers by XMLHttpRequest, which takes a view of wasm memory. `fetch`, as reqwest calls it, takes an array
//! outside of it, and to fill a fresh array costs about as much as to send it.

use bytes::Bytes;
use reqwest::StatusCode;

use super::Reason;
use crate::api::Client;
use crate::upload::Pace;

const OCTETS: &str = "application/octet-stream";
/// Bytes that leave at once where there is a limit.
#[cfg(not(target_arch = "wasm32"))]
const PIECE_BYTES: usize = 16 << 10;

/// The answer's status and body. Dropping the future ends the transfer.
#[cfg(not(target_arch = "wasm32"))]
pub(super) async fn post(
    client: &Client,
    url: &str,
    body: Vec<u8>,
    pace: Option<&Pace>,
) -> Result<(StatusCode, Bytes), Reason> {
    use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};

    let request = client.traced(client.http.post(url));
    let request = request.header(CONTENT_TYPE, OCTETS).header(CONTENT_LENGTH, body.len());
    let response = match pace {
        None => request.body(body).send().await?,
        Some(pace) => {
            let (pieces, stream) = tokio::sync::mpsc::channel(1);
            let (sent, ()) = futures_util::join!(request.body(streamed(stream)).send(), async move {
                let mut left = Bytes::from(body);
                while !left.is_empty() {
                    let piece = left.split_to(left.len().min(PIECE_BYTES));
                    if let Some(wait) = pace(piece.len()) {
                        wait.await;
                    }
                    if pieces.send(piece).await.is_err() {
                        // The request ended early, and its answer says why.
                        break;
                    }
                }
            });
            sent?
        }
    };
    Ok((response.status(), response.bytes().await?))
}

#[cfg(not(target_arch = "wasm32"))]
fn streamed(mut pieces: tokio::sync::mpsc::Receiver<Bytes>) -> reqwest::Body {
    use futures_util::stream::{StreamExt as _, poll_fn};

    reqwest::Body::wrap_stream(poll_fn(move |cx| pieces.poll_recv(cx)).map(Ok::<_, std::convert::Infallible>))
}

/// The answer's status and body. Dropping the future ends the transfer.
#[cfg(target_arch = "wasm32")]
pub(super) async fn post(
    client: &Client,
    url: &str,
    body: Vec<u8>,
    // Browsers do not let a body wait.
    _pace: Option<&Pace>,
) -> Result<(StatusCode, Bytes), Reason> {
    let operation = client.operation();
    Exchange::start(url, &body, operation.as_deref())
        .ok_or_else(Exchange::failed)?
        .finish()
        .await
        .ok_or_else(Exchange::failed)
}

#[cfg(target_arch = "wasm32")]
struct Exchange {
    request: web_sys::XmlHttpRequest,
    ended: tokio::sync::oneshot::Receiver<()>,
    _listener: gloo_events::EventListener,
}

#[cfg(target_arch = "wasm32")]
impl Exchange {
    fn start(url: &str, body: &[u8], operation: Option<&str>) -> Option<Self> {
        let request = web_sys::XmlHttpRequest::new().ok()?;
        let (end, ended) = tokio::sync::oneshot::channel();
        let listener = gloo_events::EventListener::once(&request, "loadend", move |_| {
            // The receiver is gone only if nobody waits any more.
            let _ = end.send(());
        });
        request.open("POST", url).ok()?;
        request.set_request_header("content-type", OCTETS).ok()?;
        if let Some(operation) = operation {
            request.set_request_header(protocol::routes::REQUEST_ID_HEADER, operation).ok()?;
        }
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
