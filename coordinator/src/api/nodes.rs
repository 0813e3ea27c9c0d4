//! Storage nodes: joining, what people see of them, and what the operator wants of them.

use axum::extract::State;
use axum::response::NoContent;
use protocol::audit_log::AuditEvent;
use protocol::error::ErrorCode;
use protocol::id::NodeId;
use protocol::nodes::{
    Directory, DirectoryEntry, JoinResponse, NodesResponse, RemovalResponse, RemoveNodeRequest,
    SignedDirectory,
};
use protocol::signature::PublicKey;
use server::error::ApiError;
use sqlx::PgConnection;

use super::{Json, Path};
use crate::auth::{ClientAddress, Operator, Session};
use crate::config::parse_origin;
use crate::db::audit_log::Actor;
use crate::db::{self, DbError};
use crate::error::{ApiResult, invalid, not_found};
use crate::events::News;
use crate::health::Intent;
use crate::node_auth::Introduction;
use crate::operator::{self, Refused};
use crate::random;
use crate::state::{App, AppState, commit};

/// Characters of a zone's or machine's name.
const NAME_CHARS_MAX: usize = 100;

/// All nodes, in order of zone and URL, and how the cluster is.
pub async fn list_nodes(State(state): State<AppState>, _: Session) -> ApiResult<axum::Json<NodesResponse>> {
    Ok(axum::Json(describe(&state).await?))
}

/// What people are told of nodes.
pub async fn describe(app: &App) -> Result<NodesResponse, DbError> {
    let mut conn = app.connection().await?;
    let nodes = db::nodes::list_statuses(&mut conn).await?;
    let cluster = operator::status(&mut conn, app.settings.replicas, app.settings.timings).await?;
    Ok(NodesResponse { nodes, cluster })
}

/// Empties a node.
pub async fn drain_node(
    State(state): State<AppState>,
    Operator(actor): Operator,
    Path(node): Path<NodeId>,
) -> ApiResult<NoContent> {
    change(&state, &node, Intent::Drain, actor).await
}

/// Lets a node keep blobs again.
pub async fn undrain_node(
    State(state): State<AppState>,
    Operator(actor): Operator,
    Path(node): Path<NodeId>,
) -> ApiResult<NoContent> {
    change(&state, &node, Intent::Serve, actor).await
}

/// What goes if a node is removed now.
pub async fn preview_removal(
    State(state): State<AppState>,
    _: Operator,
    Path(node): Path<NodeId>,
) -> ApiResult<axum::Json<RemovalResponse>> {
    let mut conn = state.connection().await?;
    Ok(axum::Json(operator::preview_removal(&mut conn, &node).await.map_err(refused)?))
}

/// Removes a node for good.
pub async fn remove_node(
    State(state): State<AppState>,
    Operator(actor): Operator,
    Path(node): Path<NodeId>,
    Json(request): Json<RemoveNodeRequest>,
) -> ApiResult<NoContent> {
    let mut tx = state.begin().await?;
    operator::remove(&mut tx, &node, request.force, actor).await.map_err(refused)?;
    commit(tx).await?;
    Ok(NoContent)
}

async fn change(app: &App, node: &NodeId, intent: Intent, actor: Actor) -> ApiResult<NoContent> {
    let mut tx = app.begin().await?;
    operator::change(&mut tx, node, intent, actor).await.map_err(refused)?;
    commit(tx).await?;
    Ok(NoContent)
}

fn refused(refused: Refused) -> ApiError {
    match refused {
        Refused::UnknownNode => not_found(),
        Refused::LastCopies(_) => ApiError::new(ErrorCode::LastCopies, refused.to_string()),
        Refused::Db(error) => error.into(),
    }
}

/// Lets a node in, or back in by its key.
pub async fn join_node(
    State(state): State<AppState>,
    ClientAddress(client): ClientAddress,
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
        return Err(ApiError::new(ErrorCode::Forbidden, "another node has this id, or it was removed"));
    };
    introduction.use_once(&mut tx, node).await?;
    let actor = Actor { account: None, client: Some(client) };
    db::audit_log::note(&mut tx, actor, AuditEvent::NodeJoined, Some(&request.node.to_string())).await?;
    // Perhaps it came back with another store, or in another zone.
    db::sweeps::begin(&mut tx, Some(node)).await?;
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

fn check_name(name: &str) -> ApiResult<()> {
    let printable = !name.chars().any(char::is_control);
    if printable && (1..=NAME_CHARS_MAX).contains(&name.chars().count()) {
        return Ok(());
    }
    Err(invalid("a zone or machine is named by 1 to 100 printable characters"))
}

/// The nodes that nodes may talk to, signed.
pub(super) async fn issue_directory(app: &App, conn: &mut PgConnection) -> ApiResult<SignedDirectory> {
    let mut nodes = db::nodes::list(conn).await?;
    nodes.retain(|node| node.intent != Intent::Gone);
    let directory = Directory {
        issued_ms: app.clock.now_ms(),
        web_origins: vec![app.settings.public_url.clone()],
        nodes: nodes.into_iter().map(|node| DirectoryEntry { node: node.id, url: node.url }).collect(),
    };
    Ok(SignedDirectory::issue(&app.secrets.signing_key, &directory))
}
