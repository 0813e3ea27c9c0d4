//! Passing a batch on to other nodes while it arrives.
//!
//! Each target has a queue that holds the whole batch, whose memory the request has reserved: a slow or dead target
//! never holds up the client, this node or the other targets.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use protocol::data_plane::{PutEvent, PutHeader};
use protocol::error::{ErrorBody, ErrorCode};
use protocol::id::NodeId;
use protocol::limits::GROUP_BLOBS_MAX;
use protocol::routes::storage_node::PUT_BLOBS;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::peers::Peers;

/// Bytes of a node's answer to a batch for itself alone: one event with one receipt.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A batch on its way to one node. Dropping it ends the transfer.
pub(crate) struct Forward {
    node: NodeId,
    blobs: Option<mpsc::Sender<Bytes>>,
    answer: Result<AbortOnDropHandle<Result<PutEvent, Failure>>, Failure>,
}

/// Why a node did not take a batch.
struct Failure {
    code: ErrorCode,
    message: String,
}

impl Failure {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl Forward {
    /// Begins a batch of `bytes` bytes of blobs. `url` is the directory's; none if it does not know the node.
    pub(crate) fn start(
        peers: &Peers,
        url: Option<&str>,
        node: NodeId,
        header: &PutHeader,
        bytes: u64,
    ) -> Self {
        let refused = |why| {
            let failure = Failure::new(ErrorCode::InvalidRequest, why);
            Self { node, blobs: None, answer: Err(failure) }
        };
        let Some(url) = url else { return refused("the node is not in the signed directory") };
        let Some(request) = peers.post(url, PUT_BLOBS) else {
            return refused("the node's address is private, and this node's is not");
        };
        let header = header.to_bytes();
        let length = header.len() as u64 + bytes;
        // Room for the header and every blob: sending never waits.
        let (blobs, queue) = mpsc::channel(1 + GROUP_BLOBS_MAX);
        blobs.try_send(Bytes::from(header)).expect("the queue is new");
        let body = ReceiverStream::new(queue).map(Ok::<_, std::convert::Infallible>);
        let request =
            request.header(reqwest::header::CONTENT_LENGTH, length).body(reqwest::Body::wrap_stream(body));
        let answer = AbortOnDropHandle::new(tokio::spawn(exchange(request, node).in_current_span()));
        Self { node, blobs: Some(blobs), answer: Ok(answer) }
    }

    /// Adds the next blob.
    pub(crate) fn send(&mut self, blob: Bytes) {
        if let Some(blobs) = &self.blobs {
            // A closed queue is a transfer that failed; `finish` tells why.
            drop(blobs.try_send(blob));
        }
    }

    /// Waits for the node's answer, after the last blob.
    pub(crate) async fn finish(mut self, patience: Duration) -> PutEvent {
        self.blobs = None;
        let outcome = match self.answer {
            Ok(answer) => match timeout(patience, answer).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(Failure::new(ErrorCode::Internal, "passing the batch on failed")),
                Err(_) => Err(Failure::new(ErrorCode::RequestTimeout, "the node did not answer in time")),
            },
            Err(failure) => Err(failure),
        };
        outcome.unwrap_or_else(|Failure { code, message }| {
            tracing::warn!(node = %self.node, ?code, message, "a batch was not passed on");
            PutEvent::Failed { node: self.node, code, message }
        })
    }
}

async fn exchange(request: reqwest::RequestBuilder, node: NodeId) -> Result<PutEvent, Failure> {
    let unreachable = |error: reqwest::Error| {
        Failure::new(ErrorCode::Unavailable, format!("the node cannot be reached: {}", error.without_url()))
    };
    let response = request.send().await.map_err(unreachable)?;
    let succeeded = response.status().is_success();
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece.map_err(unreachable)?);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Failure::new(ErrorCode::Internal, "the node's answer is too long"));
        }
    }
    let garbled = || Failure::new(ErrorCode::Internal, "the node's answer is not understood");
    if !succeeded {
        let error: ErrorBody = serde_json::from_slice(&body).map_err(|_| garbled())?;
        return Err(Failure::new(error.code, error.message));
    }
    let event: PutEvent = serde_json::from_slice(&body).map_err(|_| garbled())?;
    // A node speaks for itself alone; whether its receipt is good, the coordinator decides.
    match &event {
        PutEvent::Stored { node: speaker, .. } | PutEvent::Failed { node: speaker, .. }
            if *speaker == node =>
        {
            Ok(event)
        }
        _ => Err(garbled()),
    }
}
