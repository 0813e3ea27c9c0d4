//! How sources are, and how durable.

use axum::extract::State;
use protocol::id::VaultId;
use protocol::sources::SourcesResponse;

use super::{Path, vaults};
use crate::auth::Session;
use crate::db;
use crate::error::ApiResult;
use crate::state::AppState;

/// The state of the vault's sources.
pub async fn list_sources(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<VaultId>,
) -> ApiResult<axum::Json<SourcesResponse>> {
    let mut conn = state.connection().await?;
    let vault = vaults::find(&mut conn, &session, &id).await?;
    let copies = state.copies(&mut conn).await?;
    Ok(axum::Json(SourcesResponse {
        sources: db::sources::list_statuses(&mut conn, vault).await?,
        replicas: copies.replicas,
        write_zones: copies.write_zones,
        single_machine: db::sources::single_machine(&mut conn).await?,
    }))
}
