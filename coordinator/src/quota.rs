//! How much an account may hold, and what one that is full may still put in order to delete.
//!
//! Deletions write folders, so an account that is full has a reserve for them. What sessions that only delete plan and
//! commit counts against it until the account is below its quota again: twice, so that neither what is planned and
//! never committed nor what others planned goes beyond it.

use protocol::error::ErrorCode;
use server::error::ApiError;
use sqlx::PgConnection;

use crate::db::refs::Applying;
use crate::db::users::Usage;
use crate::db::{self, AccountKey};
use crate::error::ApiResult;

/// May the account hold so many bytes more? `removes` says that they serve a deletion.
///
/// # Errors
/// [`ErrorCode::QuotaExceeded`].
pub async fn check_plan(
    conn: &mut PgConnection,
    account: AccountKey,
    more_bytes: u64,
    removes: bool,
) -> ApiResult<()> {
    let usage = db::users::usage(conn, account).await?;
    let Some(quota) = usage.quota.filter(|quota| usage.used.saturating_add(more_bytes) > *quota) else {
        if usage.overdraft > 0 {
            db::users::refill_reserve(conn, account).await?;
        }
        return Ok(());
    };
    if removes && db::users::overdraw(conn, account, more_bytes).await? {
        return Ok(());
    }
    let used = usage.used;
    Err(exceeded(format!(
        "this account may hold {quota} bytes; it holds {used}, and {more_bytes} more do not fit"
    )))
}

/// May the account commit? Uploads that were planned at the same time may have come to more than each of them.
///
/// # Errors
/// [`ErrorCode::QuotaExceeded`].
pub async fn check_commit(conn: &mut PgConnection, account: AccountKey) -> ApiResult<()> {
    match db::users::usage(conn, account).await? {
        Usage { used, quota: Some(quota), .. } if used > quota => {
            Err(exceeded(format!("this account may hold {quota} bytes, and holds {used}")))
        }
        _ => Ok(()),
    }
}

/// May the account commit a deletion whose references were applied? What it newly refers to counts, whoever planned it.
///
/// # Errors
/// [`ErrorCode::QuotaExceeded`].
pub async fn check_deletion(
    conn: &mut PgConnection,
    account: AccountKey,
    applied: Applying,
) -> ApiResult<()> {
    let refused = match check_commit(conn, account).await {
        Ok(()) => return Ok(()),
        Err(refused) => refused,
    };
    // Looks at all that the source refers to, and so only where it matters.
    let added_bytes = db::refs::count_added_bytes(conn, applied).await?;
    if db::users::overdraw(conn, account, added_bytes).await? { Ok(()) } else { Err(refused) }
}

fn exceeded(message: String) -> ApiError {
    ApiError::new(ErrorCode::QuotaExceeded, message)
}
