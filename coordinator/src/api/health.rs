//! Is the process alive, can it serve, and how is the cluster?

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use server::metrics::answer;

use crate::db;
use crate::error::ApiResult;
use crate::metrics::render;
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

/// For Prometheus.
pub async fn metrics(State(state): State<AppState>, request: Request) -> ApiResult<Response> {
    state.meters.readers.admit(request.headers(), request.extensions())?;
    Ok(answer(render(&state).await))
}
