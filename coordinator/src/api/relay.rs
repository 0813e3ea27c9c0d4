//! Requests of browsers to storage nodes, and the nodes' answers, passed on as they are while they arrive. The node judges
//! the grant, as if it had been asked itself.

use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use protocol::data_plane::GENERATION_HEADER;
use protocol::error::ErrorCode;
use protocol::id::{BlobId, NodeId};
use protocol::routes::storage_node as routes;
use server::error::ApiError;

use super::Path;
use crate::db;
use crate::error::ApiResult;
use crate::state::{App, AppState};

const GENERATION: HeaderName = HeaderName::from_static(GENERATION_HEADER);
/// What a node is to know of a request; no cookie is among it.
const REQUEST_HEADERS: [HeaderName; 4] =
    [header::AUTHORIZATION, header::CONTENT_LENGTH, header::CONTENT_TYPE, GENERATION];
/// What a browser is to know of an answer.
const ANSWER_HEADERS: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::RETRY_AFTER, GENERATION];

/// A request with the body that the node's own route takes.
#[derive(Debug)]
pub struct WithBody(Request);

impl FromRequest<AppState> for WithBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &AppState) -> ApiResult<Self> {
        Ok(Self(request))
    }
}

/// A node's answer to a batch: a line for each node.
#[derive(Debug)]
pub struct RelayedEvents(Response);

impl IntoResponse for RelayedEvents {
    fn into_response(self) -> Response {
        self.0
    }
}

/// A node's answer with blobs.
#[derive(Debug)]
pub struct RelayedBlobs(Response);

impl IntoResponse for RelayedBlobs {
    fn into_response(self) -> Response {
        self.0
    }
}

/// Stores a batch.
pub async fn relay_put_blobs(
    State(state): State<AppState>,
    Path(node): Path<NodeId>,
    WithBody(request): WithBody,
) -> ApiResult<RelayedEvents> {
    relay(&state, &node, routes::PUT_BLOBS.path, request).await.map(RelayedEvents)
}

/// Reads a batch.
pub async fn relay_read_blobs(
    State(state): State<AppState>,
    Path(node): Path<NodeId>,
    WithBody(request): WithBody,
) -> ApiResult<RelayedBlobs> {
    relay(&state, &node, routes::READ_BLOBS.path, request).await.map(RelayedBlobs)
}

/// Reads one blob.
pub async fn relay_read_blob(
    State(state): State<AppState>,
    Path((node, blob)): Path<(NodeId, BlobId)>,
    request: Request,
) -> ApiResult<RelayedBlobs> {
    let path = routes::GET_BLOB.fill(&[&blob]);
    relay(&state, &node, &path, request).await.map(RelayedBlobs)
}

async fn relay(app: &App, node: &NodeId, path: &str, request: Request) -> ApiResult<Response> {
    let unknown = || ApiError::new(ErrorCode::NotFound, "this server stands in for no such node");
    let nodes = db::nodes::list(&mut *app.connection().await?).await?;
    let node = nodes.into_iter().find(|it| it.id == *node).ok_or_else(unknown)?;
    if !app.settings.relay.stands_in_for(&app.settings.public_url, &node.url) {
        return Err(unknown());
    }
    let (parts, body) = request.into_parts();
    let headers = only(&parts.headers, &REQUEST_HEADERS);
    let passed_on = app.nodes.pass_on(&node, parts.method, path, headers, body.into_data_stream()).await;
    let answer = passed_on.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "a request was not passed on");
        ApiError::new(ErrorCode::Unavailable, "the storage node does not answer")
    })?;
    let (status, headers) = (answer.status(), only(answer.headers(), &ANSWER_HEADERS));
    Ok((status, headers, Body::from_stream(answer.bytes_stream())).into_response())
}

fn only(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    names.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect()
}
