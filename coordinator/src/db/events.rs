//! Wakes the coordinators that serve this database. What woke them is never the truth itself.

use sqlx::PgConnection;

use super::DbError;

/// The channel that all coordinators listen to.
pub const CHANNEL: &str = "triplicate";

/// Sends a payload to all coordinators, once the transaction commits.
pub async fn notify(conn: &mut PgConnection, payload: &str) -> Result<(), DbError> {
    sqlx::query!("SELECT pg_notify($1, $2)", CHANNEL, payload).execute(conn).await?;
    Ok(())
}
