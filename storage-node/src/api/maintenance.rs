//! What the coordinator asks for: deletions, proofs, and what is here. Fetching from other nodes is in `pull`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use protocol::blob_list::{StoredBlob, pack_stored};
use protocol::bytes::Base64Array;
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::maintenance::{AuditRequest, AuditResponse, DeleteRequest, DeleteResponse, audit_digest};
use server::error::ApiError;

use crate::admission::Wanted;
use crate::api::request::{bearer, blob_list, read_json, total_bytes};
use crate::state::{Node, store_error};
use crate::store::{Store, StoreError};

/// Deletes blobs; answers when that is durable.
pub(crate) async fn delete(
    State(node): State<Arc<Node>>,
    request: Request,
) -> Result<Json<DeleteResponse>, ApiError> {
    let request: DeleteRequest = read_json(request.into_body(), &node.config.limits).await?;
    let cluster = node.joined()?;
    let blobs = blob_list(&request.blobs)?;
    // No bytes move, and a lost answer may be asked for again and again.
    let wanted = Wanted { token: &request.grant, op: Operation::Delete, blobs: &blobs, bytes: 0 };
    let grant = node.admit(&cluster, &wanted)?;
    node.store.delete(blobs.clone()).await.map_err(store_error)?;
    node.meters.deleted.increment(blobs.len() as u64);
    Ok(Json(DeleteResponse { receipt: node.receipt(&grant, &blobs).issue(node.identity.key()) }))
}

/// Proves, by reading them from the disk, that blobs are here.
pub(crate) async fn audit(
    State(node): State<Arc<Node>>,
    request: Request,
) -> Result<Json<AuditResponse>, ApiError> {
    let request: AuditRequest = read_json(request.into_body(), &node.config.limits).await?;
    let cluster = node.joined()?;
    let blobs = blob_list(&request.blobs)?;
    let bytes = total_bytes(&blobs);
    node.admit(&cluster, &Wanted { token: &request.grant, op: Operation::Audit, blobs: &blobs, bytes })?;
    let mut digests = Vec::with_capacity(blobs.len());
    for StoredBlob { id, size, .. } in blobs {
        let memory = node.reserve_memory(u64::from(size)).await?;
        let nonce = request.nonce.0;
        let digest = with_store(&node, move |store| {
            let bytes = store.read_verified(&id)?;
            drop(memory);
            Ok(bytes.map(|bytes| Base64Array(audit_digest(&nonce, &bytes))))
        });
        digests.push(digest.await?);
    }
    Ok(Json(AuditResponse { digests }))
}

/// The digests of all parts of the inventory.
pub(crate) async fn inventory(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    admit_inventory(&node, &headers)?;
    let digests = with_store(&node, Store::inventory).await?;
    Ok(octets(digests.concat()))
}

/// One part of the inventory.
pub(crate) async fn inventory_part(
    State(node): State<Arc<Node>>,
    prefix: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    admit_inventory(&node, &headers)?;
    let Path(prefix) = prefix?;
    let first_byte = hex::decode(&prefix).ok().filter(|_| prefix == prefix.to_lowercase());
    let Some([first_byte]) = first_byte.as_deref() else {
        return Err(ApiError::new(ErrorCode::InvalidRequest, "a part is named by two hexadecimal digits"));
    };
    let first_byte = *first_byte;
    let blobs = with_store(&node, move |store| store.inventory_part(first_byte)).await?;
    Ok(octets(pack_stored(&blobs).0))
}

fn admit_inventory(node: &Node, headers: &HeaderMap) -> Result<(), ApiError> {
    let cluster = node.joined()?;
    let wanted = Wanted { token: bearer(headers)?, op: Operation::Inventory, blobs: &[], bytes: 0 };
    node.admit(&cluster, &wanted).map(drop)
}

/// Work that waits for the disk or takes long.
async fn with_store<T: Send + 'static>(
    node: &Arc<Node>,
    work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiError> {
    let node = Arc::clone(node);
    let done = tokio::task::spawn_blocking(move || work(&node.store)).await;
    done.map_err(anyhow::Error::from)?.map_err(store_error)
}

fn octets(bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, bytes).into_response()
}
