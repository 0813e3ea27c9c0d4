//! The chain of an account's states.

use sqlx::PgConnection;

use super::{AccountKey, DbError, broken_constraint, changed_one};

/// The envelope of one state.
pub async fn find(
    conn: &mut PgConnection,
    account: AccountKey,
    seq: i64,
) -> Result<Option<Vec<u8>>, DbError> {
    let envelope = sqlx::query_scalar!(
        "SELECT envelope FROM account_states WHERE account_id = $1 AND seq = $2",
        account.0,
        seq
    );
    Ok(envelope.fetch_optional(conn).await?)
}

/// The newest state's envelope; every account has one.
pub async fn newest(conn: &mut PgConnection, account: AccountKey) -> Result<Vec<u8>, DbError> {
    let envelope = sqlx::query_scalar!(
        "SELECT envelope FROM account_states WHERE account_id = $1 ORDER BY seq DESC LIMIT 1",
        account.0
    );
    Ok(envelope.fetch_one(conn).await?)
}

/// Adds a state. False if another took its number.
pub async fn insert(
    conn: &mut PgConnection,
    account: AccountKey,
    seq: i64,
    envelope: &[u8],
) -> Result<bool, DbError> {
    let inserted = sqlx::query!(
        "INSERT INTO account_states (account_id, seq, envelope) VALUES ($1, $2, $3)",
        account.0,
        seq,
        envelope
    )
    .execute(conn)
    .await;
    match inserted {
        Ok(result) => changed_one(&result, "account_states").map(|()| true),
        Err(error) if broken_constraint(&error) == Some("account_states_pkey") => Ok(false),
        Err(error) => Err(error.into()),
    }
}
