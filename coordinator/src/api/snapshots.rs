//! Which snapshots are kept, and for how long by their policies. A policy is its owner's alone to change.

use axum::extract::State;
use axum::response::NoContent;
use protocol::audit_log::AuditEvent;
use protocol::id::{SourceId, VaultId};
use protocol::snapshots::{RetentionPolicy, RetentionPreview, RetentionResponse, SnapshotsResponse};
use sqlx::PgConnection;

use super::{Json, Path, vaults};
use crate::auth::{ClientAddress, Session, SteppedUp};
use crate::caller::Caller;
use crate::db;
use crate::db::retention::RetainedSource;
use crate::error::{ApiResult, invalid, not_found};
use crate::retention::{self, SourceKind};
use crate::state::{AppState, commit};

/// The vault's kept snapshots.
pub async fn list_snapshots(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<VaultId>,
) -> ApiResult<axum::Json<SnapshotsResponse>> {
    let mut conn = state.connection().await?;
    let vault = vaults::find(&mut conn, &caller, &id).await?;
    Ok(axum::Json(SnapshotsResponse { sources: db::snapshots::list_kept(&mut conn, vault).await? }))
}

/// How long a source's snapshots are kept.
pub async fn find_retention(
    State(state): State<AppState>,
    session: Session,
    Path(place): Path<(VaultId, SourceId)>,
) -> ApiResult<axum::Json<RetentionResponse>> {
    let source = find(&mut *state.connection().await?, session, place).await?;
    Ok(axum::Json(RetentionResponse {
        policy: source.policy.unwrap_or_default(),
        is_default: source.policy.is_none(),
        uploads: source.uploads,
    }))
}

/// Keeps them for so long from now on.
pub async fn put_retention(
    State(state): State<AppState>,
    session: SteppedUp,
    address: ClientAddress,
    Path(place): Path<(VaultId, SourceId)>,
    Json(policy): Json<RetentionPolicy>,
) -> ApiResult<NoContent> {
    check(&policy)?;
    let mut tx = state.begin().await?;
    let actor = address.actor(session.session());
    let source = find(&mut tx, session.into(), place).await?;
    db::retention::put(&mut tx, source.key, &policy).await?;
    let about = place.1.to_string();
    db::audit_log::note(&mut tx, actor, AuditEvent::RetentionChanged, Some(&about)).await?;
    commit(tx).await?;
    Ok(NoContent)
}

/// What a policy would do now.
pub async fn preview_retention(
    State(state): State<AppState>,
    session: Session,
    Path(place): Path<(VaultId, SourceId)>,
    Json(policy): Json<RetentionPolicy>,
) -> ApiResult<axum::Json<RetentionPreview>> {
    check(&policy)?;
    let mut conn = state.connection().await?;
    let source = find(&mut conn, session, place).await?;
    let snapshots = db::snapshots::list_of_source(&mut conn, source.key).await?;
    Ok(axum::Json(retention::plan(&policy, SourceKind::of(&source), &snapshots)))
}

/// Numbers that the database can keep.
fn check(policy: &RetentionPolicy) -> ApiResult<()> {
    let RetentionPolicy { last, hourly, daily, weekly, monthly, yearly, within_seconds } = *policy;
    for count in [last, hourly, daily, weekly, monthly, yearly] {
        i32::try_from(count).map_err(invalid)?;
    }
    i64::try_from(within_seconds).map(drop).map_err(invalid)
}

async fn find(
    conn: &mut PgConnection,
    session: Session,
    (vault, source): (VaultId, SourceId),
) -> ApiResult<RetainedSource> {
    let vault = vaults::find(conn, &Caller::Person(session), &vault).await?;
    db::retention::find(conn, vault, &source).await?.ok_or_else(not_found)
}
