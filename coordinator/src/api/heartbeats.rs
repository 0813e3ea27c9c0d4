//! Heartbeats: a node is alive, and what that means for the copies of blobs.

use axum::extract::State;
use protocol::blob_list::unpack_stored;
use protocol::nodes::{HeartbeatRequest, HeartbeatResponse, NodeState};
use sqlx::PgConnection;

use super::nodes::issue_directory;
use crate::db;
use crate::db::liveness::Before;
use crate::error::{ApiResult, invalid};
use crate::events::News;
use crate::health::{self, Heard};
use crate::node_auth::NodeRequest;
use crate::state::{App, AppState, commit};

/// A node is alive.
pub async fn take_heartbeat(
    State(state): State<AppState>,
    node: NodeRequest<HeartbeatRequest>,
) -> ApiResult<axum::Json<HeartbeatResponse>> {
    let mut tx = state.begin().await?;
    let before = db::liveness::lock(&mut tx, node.node).await?;
    let refuses_writes = node.body.read_only.is_some();
    let heard = health::after_heartbeat(before.past, refuses_writes, state.settings.timings);
    let taken = db::liveness::heartbeat(&mut tx, node.node, &node.body, heard).await?;
    let state_now = if taken { heard.state } else { before.past.state };
    if taken {
        if heard.state != before.past.state {
            tracing::info!(node = %node.id, from = ?before.past.state, to = ?heard.state, "a node changed");
        }
        follow_up(&state, &mut tx, &node, &before, heard).await?;
        News::Nodes.send(&mut tx).await?;
    }
    let directory = issue_directory(&state, &mut tx).await?;
    commit(tx).await?;
    let state_now = health::shown(state_now, before.intent, before.drained);
    Ok(axum::Json(HeartbeatResponse { state: state_now, directory }))
}

/// What a heartbeat means for the copies of blobs.
async fn follow_up(
    app: &App,
    conn: &mut PgConnection,
    node: &NodeRequest<HeartbeatRequest>,
    before: &Before,
    heard: Heard,
) -> ApiResult<()> {
    if !node.body.damaged.0.is_empty() {
        let damaged = unpack_stored(&node.body.damaged).map_err(invalid)?;
        let damaged: Vec<_> = damaged.iter().map(|blob| (blob.id, blob.generation)).collect();
        tracing::warn!(node = %node.id, blobs = damaged.len(), "a node found blobs damaged");
        let blobs = db::copies::lose(conn, node.node, &damaged).await?;
        let replicas = app.copies(conn).await?.replicas;
        db::repairs::ask(conn, &blobs, replicas).await?;
    }
    if before.past.state == NodeState::Joining {
        // With a zone more there may be a copy more of everything.
        db::sweeps::begin(conn, None).await?;
    }
    if heard.returned.is_some() || before.store != node.body.store {
        db::sweeps::begin(conn, Some(node.node)).await?;
    }
    if heard.state == NodeState::Up && before.past.state != NodeState::Up {
        db::repairs::wake(conn).await?;
    }
    Ok(())
}
