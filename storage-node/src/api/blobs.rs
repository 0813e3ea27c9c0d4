//! The simple API: one blob per request, with its grant in the `Authorization` header.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use protocol::blob_list::StoredBlob;
use protocol::data_plane::{GENERATION_HEADER, PutEvent};
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::id::BlobId;
use protocol::limits::{BLOB_BYTES_MAX, BLOB_BYTES_MIN};
use server::error::ApiError;

use crate::admission::Wanted;
use crate::api::request::bearer;
use crate::body::BodyReader;
use crate::state::{Node, store_error};

/// Stores one blob; answers with the event of a batch of one.
pub(crate) async fn put(
    State(node): State<Arc<Node>>,
    id: Result<Path<BlobId>, PathRejection>,
    request: Request,
) -> Result<Json<PutEvent>, ApiError> {
    let (parts, body) = request.into_parts();
    let mut body = BodyReader::new(body, &node.config.limits);
    let stored = match id {
        Ok(Path(id)) => store(&node, id, &parts.headers, &mut body).await,
        Err(rejection) => Err(rejection.into()),
    };
    if stored.is_err() {
        body.discard().await;
    }
    stored.map(Json)
}

async fn store(
    node: &Arc<Node>,
    id: BlobId,
    headers: &HeaderMap,
    body: &mut BodyReader,
) -> Result<PutEvent, ApiError> {
    let cluster = node.joined()?;
    let blob = StoredBlob { id, size: announced_size(headers)?, generation: generation(headers)? };
    let bytes = u64::from(blob.size);
    let wanted = Wanted { token: bearer(headers)?, op: Operation::Put, blobs: &[blob], bytes };
    let grant = node.admit(&cluster, &wanted)?;
    let memory = Arc::new(node.reserve_memory(bytes).await?);
    let verified = body.read_blob(blob).await?;
    body.expect_end().await?;
    node.store_blobs(vec![verified], memory).await?;
    let receipt = node.receipt(&grant, &[blob]).issue(node.identity.key());
    Ok(PutEvent::Stored { node: node.id(), receipt })
}

/// Reads one blob.
pub(crate) async fn get(
    State(node): State<Arc<Node>>,
    id: Result<Path<BlobId>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let stored = admit_read(&node, id?.0, &headers, true)?;
    let memory = node.reserve_memory(u64::from(stored.size)).await?;
    let bytes = node.read(&stored.id).await.map_err(store_error)?.ok_or_else(not_here)?;
    // One frame; the memory is free again when the connection has taken it.
    let body = Body::from_stream(async_stream::stream! {
        yield Ok::<_, std::convert::Infallible>(bytes);
        drop(memory);
    });
    Ok((description(&stored), body).into_response())
}

/// Says whether one blob is here.
pub(crate) async fn head(
    State(node): State<Arc<Node>>,
    id: Result<Path<BlobId>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let stored = admit_read(&node, id?.0, &headers, false)?;
    Ok(description(&stored).into_response())
}

/// A grant names sizes, a request for one blob does not: the store's own is taken. So a blob that is not here and a
/// blob that the grant does not name must answer alike, or any grant could ask which blobs exist.
fn admit_read(
    node: &Node,
    id: BlobId,
    headers: &HeaderMap,
    moves_bytes: bool,
) -> Result<StoredBlob, ApiError> {
    let cluster = node.joined()?;
    let stored = node.store.find(&id).map_err(store_error)?;
    let size = stored.map_or(0, |stored| stored.size);
    let named = StoredBlob { id, size, generation: generation(headers)? };
    let bytes = if moves_bytes { u64::from(size) } else { 0 };
    let wanted = Wanted { token: bearer(headers)?, op: Operation::Get, blobs: &[named], bytes };
    let named_by_grant = node.gate.admit_guess(&cluster.grants, &wanted, node.clock.now_s())?;
    stored.filter(|_| named_by_grant).ok_or_else(not_here)
}

fn not_here() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "no such blob here, or not under this grant")
}

fn description(stored: &StoredBlob) -> [(header::HeaderName, HeaderValue); 4] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_LENGTH, HeaderValue::from(stored.size)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::HeaderName::from_static(GENERATION_HEADER), HeaderValue::from(stored.generation)),
    ]
}

fn generation(headers: &HeaderMap) -> Result<u32, ApiError> {
    let Some(value) = headers.get(GENERATION_HEADER) else { return Ok(1) };
    let generation = value.to_str().ok().and_then(|value| value.parse().ok()).filter(|number| *number > 0);
    generation
        .ok_or_else(|| ApiError::new(ErrorCode::InvalidRequest, "the generation is not a number from 1"))
}

fn announced_size(headers: &HeaderMap) -> Result<u32, ApiError> {
    let value = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let size: u64 = value.and_then(|value| value.parse().ok()).ok_or_else(|| {
        ApiError::new(ErrorCode::InvalidRequest, "the request does not announce its length")
    })?;
    match u32::try_from(size) {
        Ok(size) if (BLOB_BYTES_MIN..=BLOB_BYTES_MAX).contains(&size) => Ok(size),
        Ok(size) if size < BLOB_BYTES_MIN => {
            Err(ApiError::new(ErrorCode::InvalidRequest, "smaller than any blob"))
        }
        _ => Err(ApiError::new(ErrorCode::TooLarge, "larger than any blob")),
    }
}
