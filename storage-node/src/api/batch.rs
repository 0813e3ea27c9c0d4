//! The batch API: many blobs per request, at two fixed URLs, which a browser asks permission for once.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use protocol::blob_list::StoredBlob;
use protocol::bytes::Base64;
use protocol::data_plane::{FanOutGrant, PutEvent, PutHeader, ReadRequest};
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::id::NodeId;
use protocol::limits::{BATCH_HEADER_BYTES_MAX, REPLICAS_MAX};
use server::error::ApiError;
use tracing::Instrument as _;

use crate::admission::Wanted;
use crate::api::request::{blob_list, check_batch_bytes, parse, read_json, total_bytes};
use crate::body::BodyReader;
use crate::cluster::Cluster;
use crate::fan_out::Forward;
use crate::state::{Node, store_error};

/// Stores a batch here and passes it on to other nodes. Refused as a whole before and while it arrives; from then
/// on one line of JSON for each node, as each is done.
pub(crate) async fn put(State(node): State<Arc<Node>>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let mut body = BodyReader::new(body, &node.config.limits);
    match receive(&node, &parts.headers, &mut body).await {
        Ok(events) => Ok(stream_events(events)),
        Err(error) => {
            body.discard().await;
            Err(error)
        }
    }
}

type Events = FuturesUnordered<BoxFuture<'static, PutEvent>>;

async fn receive(node: &Arc<Node>, headers: &HeaderMap, body: &mut BodyReader) -> Result<Events, ApiError> {
    let cluster = node.joined()?;
    let (header, header_len) = read_header(body).await?;
    let blobs = blob_list(&header.blobs)?;
    let bytes = check_batch_bytes(&blobs)?;
    check_announced_length(headers, header_len + bytes)?;
    let targets = check_targets(node, &header)?;
    let wanted = Wanted { token: &header.grant, op: Operation::Put, blobs: &blobs, bytes };
    let grant = node.admit(&cluster, &wanted)?;
    let memory = Arc::new(node.reserve_memory(bytes).await?);

    let mut forwards: Vec<Forward> =
        targets.into_iter().map(|target| forward(node, &cluster, target, &header.blobs, bytes)).collect();
    let mut verified = Vec::with_capacity(blobs.len());
    for blob in &blobs {
        let blob = body.read_blob(*blob).await?;
        for forward in &mut forwards {
            forward.send(blob.bytes().clone());
        }
        verified.push(blob);
    }
    body.expect_end().await?;

    let events = Events::new();
    let stored = node.store_blobs(verified, Arc::clone(&memory));
    let own = Arc::clone(node);
    events.push(Box::pin(async move {
        match stored.await {
            Ok(()) => {
                let receipt = own.receipt(&grant, &blobs).issue(own.identity.key());
                PutEvent::Stored { node: own.id(), receipt }
            }
            Err(error) => failed(own.id(), &error),
        }
    }));
    let patience = node.config.limits.fan_out();
    for forward in forwards {
        let memory = Arc::clone(&memory);
        let finishing = async move {
            let event = forward.finish(patience).await;
            drop(memory);
            event
        };
        // The answer is streamed after the request's own span has ended.
        events.push(Box::pin(finishing.in_current_span()));
    }
    Ok(events)
}

fn forward(node: &Node, cluster: &Cluster, target: FanOutGrant, blobs: &Base64, bytes: u64) -> Forward {
    let header = PutHeader { grant: target.grant, fan_out: Vec::new(), blobs: blobs.clone() };
    Forward::start(&node.peers, cluster.url_of(target.node), target.node, &header, bytes)
}

fn failed(node: NodeId, error: &ApiError) -> PutEvent {
    if let ApiError::Internal(error) = error {
        tracing::error!("storing a batch: {error:#}");
    }
    let message = match error {
        ApiError::Client { message, .. } => message.to_string(),
        ApiError::Internal(_) => "a fault of the node's; its log has the details".into(),
    };
    PutEvent::Failed { node, code: error.code(), message }
}

fn stream_events(mut events: Events) -> Response {
    let lines = async_stream::stream! {
        while let Some(event) = events.next().await {
            let mut line = serde_json::to_vec(&event).expect("strings serialize");
            line.push(b'\n');
            yield Ok::<_, std::convert::Infallible>(Bytes::from(line));
        }
    };
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

/// Reads some of the blobs that a grant names: their bytes in the order asked for.
pub(crate) async fn read(State(node): State<Arc<Node>>, request: Request) -> Result<Response, ApiError> {
    let request: ReadRequest = read_json(request.into_body(), &node.config.limits).await?;
    let wanted = prepare_read(&node, &request)?;
    let bytes = total_bytes(&wanted);
    // One blob on its way out and one being read; or all of them, and each once more while it is cut out of what was read.
    let largest = wanted.iter().map(|blob| u64::from(blob.size)).max().unwrap_or(0);
    let reads_together = node.store.reads_together();
    let memory = node.reserve_memory(if reads_together { 2 * bytes } else { 2 * largest }).await?;
    let blobs = async_stream::try_stream! {
        let _memory = memory;
        if reads_together {
            let ids: Vec<_> = wanted.iter().map(|blob| blob.id).collect();
            for bytes in node.read_together(&ids).await.map_err(std::io::Error::other)? {
                yield bytes.ok_or_else(|| std::io::Error::other("a blob's record is damaged"))?;
            }
            return;
        }
        let reads = wanted.into_iter().map(|blob| read_one(Arc::clone(&node), blob));
        let mut reads = std::pin::pin!(futures_util::stream::iter(reads).buffered(2));
        while let Some(bytes) = reads.next().await {
            yield bytes?;
        }
    };
    let blobs: futures_util::stream::BoxStream<'static, Result<Bytes, std::io::Error>> = Box::pin(blobs);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_LENGTH, HeaderValue::from(bytes)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(blobs)).into_response())
}

/// The answer has begun: all that is left to say is its early end, by which the client knows which blob it was.
async fn read_one(node: Arc<Node>, blob: StoredBlob) -> Result<Bytes, std::io::Error> {
    let bytes = node.read(&blob.id).await.map_err(std::io::Error::other)?;
    bytes.ok_or_else(|| std::io::Error::other("a blob's record is damaged"))
}

fn prepare_read(node: &Node, request: &ReadRequest) -> Result<Vec<StoredBlob>, ApiError> {
    let cluster = node.joined()?;
    let blobs = blob_list(&request.blobs)?;
    let wanted = wanted_blobs(&blobs, &request.wanted)?;
    let bytes = total_bytes(&wanted);
    node.admit(&cluster, &Wanted { token: &request.grant, op: Operation::Get, blobs: &blobs, bytes })?;
    for blob in &wanted {
        let stored = node.store.find(&blob.id).map_err(store_error)?;
        if stored.is_none_or(|stored| stored.size != blob.size) {
            return Err(ApiError::new(ErrorCode::NotFound, format!("blob {} is not here", blob.id)));
        }
    }
    Ok(wanted)
}

fn wanted_blobs(blobs: &[StoredBlob], places: &[u32]) -> Result<Vec<StoredBlob>, ApiError> {
    let invalid = |message| ApiError::new(ErrorCode::InvalidRequest, message);
    if places.is_empty() {
        return Err(invalid("no blob is wanted"));
    }
    if places.iter().collect::<HashSet<_>>().len() != places.len() {
        return Err(invalid("a blob is wanted twice"));
    }
    let wanted: Option<Vec<_>> = places.iter().map(|place| blobs.get(*place as usize).copied()).collect();
    wanted.ok_or_else(|| invalid("a wanted blob is not in the list"))
}

async fn read_header(body: &mut BodyReader) -> Result<(PutHeader, u64), ApiError> {
    let len = body.read_exact(4).await?;
    let len = u32::from_be_bytes(len.try_into().expect("four bytes were read")) as usize;
    if len > BATCH_HEADER_BYTES_MAX {
        return Err(ApiError::new(ErrorCode::TooLarge, "the batch's header is too large"));
    }
    Ok((parse(&body.read_exact(len).await?)?, 4 + len as u64))
}

/// A body that announces another length than its list has is refused before it is read.
fn check_announced_length(headers: &HeaderMap, expected: u64) -> Result<(), ApiError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match announced.map(str::parse::<u64>) {
        Some(Ok(announced)) if announced != expected => {
            Err(ApiError::new(ErrorCode::InvalidRequest, "the body's length is not that of the blobs"))
        }
        _ => Ok(()),
    }
}

fn check_targets(node: &Node, header: &PutHeader) -> Result<Vec<FanOutGrant>, ApiError> {
    let mut seen = HashSet::from([node.id()]);
    if header.fan_out.len() >= REPLICAS_MAX || !header.fan_out.iter().all(|target| seen.insert(target.node)) {
        return Err(ApiError::new(ErrorCode::InvalidRequest, "too many nodes to pass on to, or one twice"));
    }
    Ok(header.fan_out.clone())
}
