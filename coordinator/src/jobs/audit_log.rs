//! Keeps the log of what concerns security within bounds.

use super::repeat;
use crate::db::{self, DbError};
use crate::state::App;

/// Looks until the program stops.
pub async fn run(app: &App) {
    repeat(app, app.settings.audit_log.audit_log_every, "the audit log", || step(app)).await;
}

async fn step(app: &App) -> Result<bool, DbError> {
    let bounds = &app.settings.audit_log;
    let mut conn = app.connection().await?;
    let gone = db::audit_log::forget(&mut conn, bounds.audit_log_keep, bounds.audit_log_entries).await?;
    if gone > 0 {
        tracing::info!(gone, "the audit log lost its oldest entries");
    }
    Ok(false)
}
