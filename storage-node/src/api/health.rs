//! Is the process alive, does the node serve, and how is it?

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use protocol::id::{NodeId, StoreId};
use protocol::nodes::NodeState;
use serde::Serialize;
use server::error::ApiError;
use server::metrics::Exposition;
use utoipa::ToSchema;

use crate::state::Node;

pub(crate) async fn live() -> &'static str {
    "alive\n"
}

/// For operators and monitoring; the node's clients do not read it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    node: NodeId,
    store: StoreId,
    joined: bool,
    /// The coordinator's answer to the last heartbeat; none while it cannot be reached.
    state: Option<NodeState>,
    read_only: Option<String>,
    blobs: u64,
    bytes: u64,
    in_flight_bytes: u64,
    /// Reads that found a record damaged, since the start.
    damaged_reads: u64,
    /// Damaged records that were verified to be so and put aside, since the store was made.
    damaged: u64,
    /// When everything had been read and verified, in Unix milliseconds.
    scrubbed_ms: Option<u64>,
    /// Damaged ranges that the last start found.
    damaged_ranges: u64,
    /// How often each check refused a request, since the start.
    refusals: BTreeMap<&'static str, u64>,
}

/// 200 when the node has joined and the coordinator counts it as up, else 503; both with the details.
pub(crate) async fn ready(State(node): State<Arc<Node>>) -> Response {
    let status = node.store.status();
    let readiness = Readiness {
        node: node.id(),
        store: node.store.id(),
        joined: node.cluster.get().is_some(),
        state: node.state(),
        read_only: node.read_only(),
        damaged: node.store.damaged_count(),
        scrubbed_ms: node.store.scrub_progress().finished_ms,
        blobs: status.totals.blobs,
        bytes: status.totals.bytes,
        in_flight_bytes: node.in_flight_bytes(),
        damaged_reads: status.damaged_reads,
        damaged_ranges: node.store.recovered().damaged_ranges,
        refusals: node.gate.refusals.iter().collect(),
    };
    let up = readiness.joined && matches!(readiness.state, Some(NodeState::Up));
    let code = if up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(readiness)).into_response()
}

/// For Prometheus.
pub(crate) async fn metrics(State(node): State<Arc<Node>>, request: Request) -> Result<Exposition, ApiError> {
    node.meters.readers.admit(request.headers(), request.extensions())?;
    Ok(Exposition(node.meters.render(&node)))
}
