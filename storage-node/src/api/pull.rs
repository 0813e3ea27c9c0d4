//! Fetching blobs from another node, which keeps their number of copies whole.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use protocol::blob_list::StoredBlob;
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::maintenance::{PullRequest, PullResponse};
use server::error::ApiError;

use crate::admission::Wanted;
use crate::api::request::{blob_list, check_batch_bytes, read_json};
use crate::fetch::Source;
use crate::state::Node;

/// Fetches blobs, verifies and stores them, and gives a receipt for those that are durable then.
pub(crate) async fn pull(
    State(node): State<Arc<Node>>,
    request: Request,
) -> Result<Json<PullResponse>, ApiError> {
    let request: PullRequest = read_json(request.into_body(), &node.config.limits).await?;
    let cluster = node.joined()?;
    let blobs = blob_list(&request.blobs)?;
    let bytes = check_batch_bytes(&blobs)?;
    let wanted = Wanted { token: &request.grant, op: Operation::Pull, blobs: &blobs, bytes };
    let grant = node.admit(&cluster, &wanted)?;
    let invalid = |why| ApiError::new(ErrorCode::InvalidRequest, why);
    let url = cluster.url_of(request.from).filter(|_| request.from != node.id());
    let url = url.ok_or_else(|| invalid("no other node of the signed directory"))?;
    let memory = Arc::new(node.reserve_memory(bytes).await?);

    let source = Source { peers: &node.peers, url, idle: node.config.limits.idle(), request: &request };
    let fetched = source.fetch(&blobs).await;
    let (verified, held): (Vec<_>, Vec<StoredBlob>) =
        fetched.blobs.into_iter().map(|(place, blob)| (blob, blobs[place as usize])).unzip();
    if held.is_empty() {
        return Ok(Json(PullResponse { receipt: None, failed: fetched.failed }));
    }
    node.store_blobs(verified, memory).await?;
    let receipt = node.receipt(&grant, &held).issue(node.identity.key());
    Ok(Json(PullResponse { receipt: Some(receipt), failed: fetched.failed }))
}
