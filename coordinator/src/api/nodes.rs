//! Storage nodes: joining, heartbeats, and what people see of them.

use axum::extract::State;
use protocol::error::ErrorCode;
use protocol::nodes::{
    Directory, DirectoryEntry, HeartbeatRequest, HeartbeatResponse, JoinResponse, NodesResponse,
    SignedDirectory,
};
use protocol::signature::PublicKey;
use server::error::ApiError;
use sqlx::PgConnection;

use crate::auth::Session;
use crate::config::parse_origin;
use crate::db;
use crate::error::{ApiResult, invalid};
use crate::events::News;
use crate::health;
use crate::node_auth::{Introduction, NodeRequest};
use crate::random;
use crate::state::{App, AppState, commit};

/// Characters of a zone's or machine's name.
const NAME_CHARS_MAX: usize = 100;

/// All nodes, in order of zone and URL.
pub async fn list_nodes(State(state): State<AppState>, _: Session) -> ApiResult<axum::Json<NodesResponse>> {
    let nodes = db::nodes::list_statuses(&mut *state.connection().await?).await?;
    Ok(axum::Json(NodesResponse { nodes }))
}

/// Lets a node in, or back in by its key.
pub async fn join(
    State(state): State<AppState>,
    introduction: Introduction,
) -> ApiResult<axum::Json<JoinResponse>> {
    let request = &introduction.join;
    let mut tx = state.begin().await?;
    if !db::tokens::join_exists(&mut tx, &random::token_hash(&request.join_token)).await? {
        return Err(ApiError::new(ErrorCode::InvalidJoinToken, "the join token is wrong"));
    }
    // The URL goes to browsers and to other nodes: it may name a place to send blobs to and nothing else.
    parse_origin(&request.url).map_err(|why| invalid(format!("the node's URL: {why}")))?;
    check_name(&request.zone)?;
    check_name(&request.machine)?;
    let Some(node) = db::nodes::join(&mut tx, request).await? else {
        return Err(ApiError::new(ErrorCode::Forbidden, "another node has this id"));
    };
    introduction.use_once(&mut tx, node).await?;
    News::Nodes.send(&mut tx).await?;
    let directory = issue_directory(&state, &mut tx).await?;
    commit(tx).await?;
    tracing::info!(node = %request.node, url = %request.url, zone = %request.zone, "a node joined");
    Ok(axum::Json(JoinResponse {
        coordinator_key: PublicKey::of(&state.secrets.signing_key),
        origin: state.settings.public_url.clone(),
        directory,
    }))
}

/// A node is alive.
pub async fn heartbeat(
    State(state): State<AppState>,
    node: NodeRequest<HeartbeatRequest>,
) -> ApiResult<axum::Json<HeartbeatResponse>> {
    let mut tx = state.begin().await?;
    let next = health::after_heartbeat(node.body.read_only.is_some());
    let taken = db::nodes::heartbeat(&mut tx, node.node, &node.body, next).await?;
    let state_now = if taken { next } else { node.state };
    if taken {
        if next != node.state {
            tracing::info!(node = %node.id, from = ?node.state, to = ?next, "a node changed");
        }
        News::Nodes.send(&mut tx).await?;
    }
    let directory = issue_directory(&state, &mut tx).await?;
    commit(tx).await?;
    Ok(axum::Json(HeartbeatResponse { state: state_now, directory }))
}

fn check_name(name: &str) -> ApiResult<()> {
    let printable = !name.chars().any(char::is_control);
    if printable && (1..=NAME_CHARS_MAX).contains(&name.chars().count()) {
        return Ok(());
    }
    Err(invalid("a zone or machine is named by 1 to 100 printable characters"))
}

async fn issue_directory(app: &App, conn: &mut PgConnection) -> ApiResult<SignedDirectory> {
    let nodes = db::nodes::list(conn).await?;
    let directory = Directory {
        issued_ms: app.clock.now_ms(),
        web_origins: vec![app.settings.public_url.clone()],
        nodes: nodes.into_iter().map(|node| DirectoryEntry { node: node.id, url: node.url }).collect(),
    };
    Ok(SignedDirectory::issue(&app.secrets.signing_key, &directory))
}
