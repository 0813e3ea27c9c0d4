//! What happens, as the coordinator tells it: one stream of events that opens itself again. For native programs; a
//! browser has its own way.

use std::time::Duration;

use async_stream::stream;
use bytes::Bytes;
use futures_util::stream::{LocalBoxStream, StreamExt as _};
use protocol::error::ErrorCode;
use protocol::events::Event;
use protocol::routes::coordinator as routes;
use reqwest::{RequestBuilder, Response};

use crate::account::Account;
use crate::api::{Body, Client, TIMEOUT, with_timeout};
use crate::error::Error;

/// The coordinator says something at least every 15 seconds, be it nothing.
const SILENCE: Duration = Duration::from_secs(45);
/// Waits before the stream is opened again, from the first failure to the last.
const WAITS_MS: [u64; 6] = [500, 1000, 2000, 5000, 10_000, 30_000];
/// No event is longer: a message of 64 KiB in base64, and what stands around it.
const EVENT_BYTES_MAX: usize = 256 << 10;

impl Account {
    /// Events, beginning with what holds now, and again whenever the stream had to be opened anew. It ends with an
    /// error only if the device is not admitted any more, or the owner's session is over.
    pub fn events(&self) -> LocalBoxStream<'static, Result<Event, Error>> {
        let client = self.client().clone();
        Box::pin(stream! {
            let mut failures = 0;
            loop {
                match client.open_events().await {
                    Ok(mut events) => {
                        while let Some(event) = events.next().await {
                            failures = 0;
                            yield Ok(event);
                        }
                    }
                    Err(error) if client.is_over(&error) => {
                        yield Err(error);
                        return;
                    }
                    Err(error) => tracing::debug!(%error, "the stream of events cannot be opened"),
                }
                let wait_ms = WAITS_MS[failures.min(WAITS_MS.len() - 1)];
                failures += 1;
                client.platform.sleep(Duration::from_millis(wait_ms)).await;
            }
        })
    }
}

impl Client {
    /// One stream of events, until it breaks off or falls silent.
    async fn open_events(&self) -> Result<LocalBoxStream<'static, Event>, Error> {
        let mut bytes = self.open_stream().await?.bytes_stream();
        let client = self.clone();
        Ok(Box::pin(stream! {
            let mut parser = Parser::default();
            while let Some(Some(Ok(piece))) = with_timeout(&*client.platform, SILENCE, bytes.next()).await {
                for event in parser.push(&piece) {
                    yield event;
                }
                if parser.buffer.len() > EVENT_BYTES_MAX {
                    return;
                }
            }
        }))
    }
}

impl Client {
    /// Whether trying again leads nowhere.
    fn is_over(&self, error: &Error) -> bool {
        let is_signed_out = self.device.is_none() && error.code() == Some(ErrorCode::Unauthenticated);
        is_signed_out || matches!(error, Error::NotAdmitted(_))
    }

    async fn open_stream(&self) -> Result<Response, Error> {
        let request = self.request(routes::EVENTS, &self.url(routes::EVENTS, &[]), Body::Empty);
        let Some(device) = &self.device else { return self.open(request).await };
        let token = device.token(self).await?;
        let opened = self.open(request.bearer_auth(&token)).await;
        if opened.as_ref().is_err_and(|error| error.code() == Some(ErrorCode::Unauthenticated)) {
            device.forget(&token);
        }
        opened
    }

    async fn open(&self, request: RequestBuilder) -> Result<Response, Error> {
        let unreachable = |source| self.unreachable(Some(source));
        let response = with_timeout(&*self.platform, TIMEOUT, request.send()).await;
        let response = response.ok_or_else(|| self.unreachable(None))?.map_err(unreachable)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.map_err(unreachable)?;
        Err(self.refusal(&body))
    }
}

/// Finds the events in the bytes of `text/event-stream`. The coordinator writes each as one line of data.
#[derive(Default)]
struct Parser {
    buffer: Vec<u8>,
}

impl Parser {
    /// Events of a later version, and comments, are passed over.
    fn push(&mut self, piece: &Bytes) -> Vec<Event> {
        self.buffer.extend_from_slice(piece);
        let Some(end) = self.buffer.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let lines: Vec<u8> = self.buffer.drain(..=end).collect();
        let data = lines.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
        data.filter_map(|json| serde_json::from_slice(json).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::EnrolmentId;

    use super::*;

    #[test]
    fn events_are_found_however_the_bytes_arrive() {
        let id = EnrolmentId::from_bytes([7; 16]).expect("not zeros");
        let text = format!(
            ":\n\ndata: {{\"type\":\"devices\"}}\n\ndata:{{\"type\":\"later\"}}\r\n\r\nevent: x\n\
             data: {{\"type\":\"enrolment_request\",\"enrolment\":\"{id}\"}}\r\n\r\ndata: {{\"type\":"
        );
        let expected = [Event::Devices, Event::EnrolmentRequest { enrolment: id }];
        for len in 1..=text.len() {
            let mut parser = Parser::default();
            let pieces = text.as_bytes().chunks(len).map(Bytes::copy_from_slice);
            let found: Vec<Event> = pieces.flat_map(|piece| parser.push(&piece)).collect();
            assert_eq!(found, expected, "in pieces of {len} bytes");
        }
    }
}
