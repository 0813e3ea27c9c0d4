//! How much an account may hold.

use protocol::error::ErrorCode;
use server::error::ApiError;
use sqlx::PgConnection;

use crate::db::{self, AccountKey};
use crate::error::ApiResult;

/// May the account hold so many bytes more?
///
/// # Errors
/// [`ErrorCode::QuotaExceeded`].
pub async fn check(conn: &mut PgConnection, account: AccountKey, more_bytes: u64) -> ApiResult<()> {
    let usage = db::users::usage(conn, account).await?;
    match usage.quota {
        Some(quota) if usage.used.saturating_add(more_bytes) > quota => {
            let message = format!(
                "this account may hold {quota} bytes; it holds {}, and {more_bytes} more do not fit",
                usage.used
            );
            Err(ApiError::new(ErrorCode::QuotaExceeded, message))
        }
        _ => Ok(()),
    }
}
