//! Requests of browsers to storage nodes, and the nodes' answers, passed on as they are while they arrive.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use protocol::data_plane::GENERATION_HEADER;
use protocol::error::ErrorCode;
use server::error::ApiError;

use crate::db;
use crate::error::ApiResult;
use crate::relay::parse;
use crate::state::AppState;

const GENERATION: HeaderName = HeaderName::from_static(GENERATION_HEADER);
/// What a node is to know of a request; no cookie is among it.
const REQUEST_HEADERS: [HeaderName; 4] =
    [header::AUTHORIZATION, header::CONTENT_LENGTH, header::CONTENT_TYPE, GENERATION];
/// What a browser is to know of an answer.
const ANSWER_HEADERS: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::RETRY_AFTER, GENERATION];

/// The node judges the grant, as if it had been asked itself.
pub async fn relay(State(state): State<AppState>, request: Request) -> ApiResult<Response> {
    let unknown = || ApiError::new(ErrorCode::NotFound, "this server stands in for no such node");
    let (parts, body) = request.into_parts();
    let (id, path) = parse(parts.uri.path()).ok_or_else(unknown)?;
    let nodes = db::nodes::list(&mut *state.connection().await?).await?;
    let node = nodes.into_iter().find(|node| node.id == id).ok_or_else(unknown)?;
    if !state.settings.relay.stands_in_for(&state.settings.public_url, &node.url) {
        return Err(unknown());
    }
    let headers = only(&parts.headers, &REQUEST_HEADERS);
    let passed_on = state.nodes.pass_on(&node, parts.method, path, headers, body.into_data_stream()).await;
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
