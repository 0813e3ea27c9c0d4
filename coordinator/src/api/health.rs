//! Is the process alive, can it serve, and how is the cluster?

use axum::extract::{Request, State};
use axum::response::NoContent;
use server::metrics::Exposition;

use crate::db;
use crate::error::ApiResult;
use crate::metrics::render;
use crate::state::AppState;

/// The process runs.
pub async fn livez() -> NoContent {
    NoContent
}

/// The database answers, and is migrated.
pub async fn readyz(State(state): State<AppState>) -> ApiResult<NoContent> {
    db::accounts::any(&mut *state.connection().await?).await?;
    Ok(NoContent)
}

/// For Prometheus.
pub async fn metrics(State(state): State<AppState>, request: Request) -> ApiResult<Exposition> {
    state.meters.readers.admit(request.headers(), request.extensions())?;
    Ok(Exposition(render(&state).await))
}
