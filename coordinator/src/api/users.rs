//! Accounts: what the operator sees of them and lets them do and take, and what their owners see of their own use.

use axum::extract::State;
use axum::response::NoContent;
use protocol::error::ErrorCode;
use protocol::id::AccountId;
use protocol::users::{SetQuotaRequest, SetRoleRequest, UsageResponse, UsersResponse};
use server::error::ApiError;

use super::{Json, Path};
use crate::auth::{Operator, Session, SteppedUpOperator};
use crate::db;
use crate::db::users::{Usage, Which};
use crate::error::{ApiResult, invalid, not_found};
use crate::state::{AppState, commit};
use crate::users::{self, Refused};

/// All accounts, those that take most first.
pub async fn list_users(State(state): State<AppState>, _: Operator) -> ApiResult<axum::Json<UsersResponse>> {
    Ok(axum::Json(UsersResponse { users: db::users::list(&mut *state.connection().await?).await? }))
}

/// Lets an account hold so much.
pub async fn set_quota(
    State(state): State<AppState>,
    Operator(actor): Operator,
    Path(account): Path<AccountId>,
    Json(request): Json<SetQuotaRequest>,
) -> ApiResult<NoContent> {
    let mut tx = state.begin().await?;
    users::set_quota(&mut tx, Which::Id(&account), request.quota_bytes, actor).await.map_err(refused)?;
    commit(tx).await?;
    Ok(NoContent)
}

/// Makes an account an operator's or a member's.
pub async fn set_role(
    State(state): State<AppState>,
    SteppedUpOperator(actor): SteppedUpOperator,
    Path(account): Path<AccountId>,
    Json(request): Json<SetRoleRequest>,
) -> ApiResult<NoContent> {
    let mut tx = state.begin().await?;
    users::set_role(&mut tx, Which::Id(&account), request.role, actor).await.map_err(refused)?;
    commit(tx).await?;
    Ok(NoContent)
}

/// What does the caller's account take, and what may it?
pub async fn find_usage(
    State(state): State<AppState>,
    session: Session,
) -> ApiResult<axum::Json<UsageResponse>> {
    let usage = db::users::usage(&mut *state.connection().await?, session.account).await?;
    let Usage { used, quota, .. } = usage;
    Ok(axum::Json(UsageResponse { used_bytes: used, quota_bytes: quota }))
}

pub(super) fn refused(refused: Refused) -> ApiError {
    match refused {
        Refused::UnknownAccount(_) | Refused::UnknownInvitation => not_found(),
        Refused::LastOperator(_) => ApiError::new(ErrorCode::LastOperator, refused.to_string()),
        Refused::Expiry | Refused::TooManyInvitations => invalid(refused),
        Refused::Db(error) => error.into(),
    }
}
