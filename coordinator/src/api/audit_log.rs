//! What happened that concerns security, for the operator.

use axum::extract::State;
use protocol::audit_log::AuditLogResponse;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Query;
use crate::auth::Operator;
use crate::db;
use crate::error::ApiResult;
use crate::state::AppState;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// Only entries older than the one of this number.
    before: Option<u64>,
}

/// A page of the log, newest first.
pub async fn list_audit_log(
    State(state): State<AppState>,
    _: Operator,
    Query(page): Query<Before>,
) -> ApiResult<axum::Json<AuditLogResponse>> {
    let entries = db::audit_log::list(&mut *state.connection().await?, page.before).await?;
    Ok(axum::Json(AuditLogResponse { entries }))
}
