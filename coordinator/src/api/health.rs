//! Is the process alive, and can it serve?

use axum::extract::State;
use axum::http::StatusCode;

use crate::db;
use crate::error::ApiResult;
use crate::state::AppState;

/// The process runs.
pub async fn livez() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The database answers, and is migrated.
pub async fn readyz(State(state): State<AppState>) -> ApiResult<StatusCode> {
    db::accounts::any(&mut *state.connection().await?).await?;
    Ok(StatusCode::NO_CONTENT)
}
