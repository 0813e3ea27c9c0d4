//! Invitations: whom the operator lets make an account.

use axum::extract::State;
use axum::response::NoContent;
use protocol::error::ErrorCode;
use protocol::id::InvitationId;
use protocol::invitations::{InvitationsResponse, InviteRequest, InviteResponse};
use server::answers::Made;
use server::error::ApiError;

use super::users::refused;
use super::{Json, Path};
use crate::auth::{Operator, SteppedUpOperator};
use crate::config::Registration;
use crate::error::ApiResult;
use crate::state::{AppState, commit};
use crate::{db, users};

/// Those that are open, the newest first.
pub async fn list_invitations(
    State(state): State<AppState>,
    _: Operator,
) -> ApiResult<axum::Json<InvitationsResponse>> {
    let invitations = db::invitations::list(&mut *state.connection().await?).await?;
    Ok(axum::Json(InvitationsResponse { invitations }))
}

/// Invites somebody.
pub async fn invite(
    State(state): State<AppState>,
    SteppedUpOperator(actor): SteppedUpOperator,
    Json(request): Json<InviteRequest>,
) -> ApiResult<Made<InviteResponse>> {
    if state.settings.registration == Registration::Closed {
        let closed = "registration is closed, also to those who are invited";
        return Err(ApiError::new(ErrorCode::RegistrationClosed, closed));
    }
    let mut tx = state.begin().await?;
    let invited =
        users::invite(&mut tx, &request, &state.settings.public_url, actor).await.map_err(refused)?;
    commit(tx).await?;
    Ok(Made(invited))
}

/// Takes an invitation back.
pub async fn revoke_invitation(
    State(state): State<AppState>,
    Operator(actor): Operator,
    Path(invitation): Path<InvitationId>,
) -> ApiResult<NoContent> {
    let mut tx = state.begin().await?;
    users::revoke_invitation(&mut tx, &invitation, actor).await.map_err(refused)?;
    commit(tx).await?;
    Ok(NoContent)
}
