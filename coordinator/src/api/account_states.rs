//! The chain of account states.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use protocol::accounts::AppendAccountStateRequest;
use protocol::envelope::account_state::AccountState;
use protocol::error::ErrorCode;
use server::error::ApiError;
use sqlx::PgConnection;

use super::{Json, Path};
use crate::auth::Session;
use crate::db;
use crate::error::{ApiResult, broken_rule, invalid_envelope, not_found};
use crate::state::{AppState, commit};

/// One state's envelope, as octets.
pub async fn find_account_state(
    State(state): State<AppState>,
    session: Session,
    Path(seq): Path<u64>,
) -> ApiResult<impl IntoResponse> {
    let seq = i64::try_from(seq).map_err(|_| not_found())?;
    let envelope = db::account_states::find(&mut *state.connection().await?, session.account, seq).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], envelope.ok_or_else(not_found)?))
}

/// Adds the next state, if it may follow the newest.
pub async fn append_account_state(
    State(state): State<AppState>,
    session: Session,
    Json(request): Json<AppendAccountStateRequest>,
) -> ApiResult<StatusCode> {
    let envelope = request.account_state.0;
    let next = AccountState::verify(&envelope, &session.identity).map_err(invalid_envelope)?;
    let mut tx = state.begin().await?;
    let newest = newest(&mut tx, &session).await?;
    if Some(next.seq) != newest.seq.checked_add(1) || next.prev != newest.hash {
        return Err(conflict());
    }
    next.check_follows(&newest).map_err(invalid_envelope)?;
    if next.body.kdf != newest.body.kdf || next.body.recovery_wrap_hash != newest.body.recovery_wrap_hash {
        // They change together with what they describe, in the requests that change it.
        return Err(broken_rule(
            "only a change of the password or recovery key may change what describes them",
        ));
    }
    let seq = i64::try_from(next.seq).map_err(|_| conflict())?;
    if !db::account_states::insert(&mut tx, session.account, seq, &envelope).await? {
        return Err(conflict());
    }
    commit(tx).await?;
    Ok(StatusCode::CREATED)
}

/// The caller's newest state.
pub(super) async fn newest(conn: &mut PgConnection, session: &Session) -> ApiResult<AccountState> {
    let envelope = db::account_states::newest(conn, session.account).await?;
    let state = AccountState::verify(&envelope, &session.identity);
    Ok(state.map_err(|error| anyhow::Error::new(error).context("a stored account state"))?)
}

fn conflict() -> ApiError {
    ApiError::new(ErrorCode::ChainConflict, "not the next account state; read the newest and try again")
}
