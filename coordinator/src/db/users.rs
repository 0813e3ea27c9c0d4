//! Accounts as an operator sees them: what they may do and take, and what they take.

use protocol::id::AccountId;
use protocol::limits::QUOTA_RESERVE_BYTES;
use protocol::sessions::AccountRole;
use protocol::users::User;
use sqlx::PgConnection;

use super::accounts::{parse_role, role_name};
use super::{AccountKey, DbError, changed_one, stored, unsigned};

/// Accounts that are listed at most, those that take most first.
const USERS_MAX: i64 = 10_000;

/// Names an account.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// As people do.
    Login(&'a str),
    /// As programs do.
    Id(&'a AccountId),
}

/// An account that was named.
#[derive(Debug, Clone)]
pub struct Account {
    /// Surrogate key.
    pub key: AccountKey,
    /// Its login.
    pub login: String,
}

/// What an account takes, and may take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Of the blobs that its vaults hold, one copy counted.
    pub used: u64,
    /// At most, if there is a limit.
    pub quota: Option<u64>,
    /// What it put beyond its quota in order to delete, since it was last below it.
    pub overdraft: u64,
}

/// All accounts.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<User>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT a.public_id, a.login, a.role, a.quota_bytes, coalesce(u.bytes, 0)::bigint AS "used!",
                  (extract(epoch FROM a.created_at) * 1000)::bigint AS "created_ms!",
                  (extract(epoch FROM a.signed_in_at) * 1000)::bigint AS "signed_in_ms"
           FROM accounts a LEFT JOIN (
               SELECT v.account_id, sum(u.bytes) AS bytes FROM vault_usage u JOIN vaults v ON v.id = u.vault_id
               GROUP BY v.account_id
           ) u ON u.account_id = a.id
           ORDER BY coalesce(u.bytes, 0) DESC, a.id LIMIT $1"#,
        USERS_MAX
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let signed_in_ms = row.signed_in_ms.map(|ms| unsigned(ms, "accounts.signed_in_at"));
            Ok(User {
                account: stored(AccountId::from_slice(&row.public_id), "accounts.public_id")?,
                login: row.login,
                role: parse_role(&row.role)?,
                used_bytes: unsigned(row.used, "vault_usage.bytes")?,
                quota_bytes: quota(row.quota_bytes)?,
                created_ms: unsigned(row.created_ms, "accounts.created_at")?,
                signed_in_ms: signed_in_ms.transpose()?,
            })
        })
        .collect()
}

/// The account that is named.
pub async fn find(conn: &mut PgConnection, which: Which<'_>) -> Result<Option<Account>, DbError> {
    let (login, id) = match which {
        Which::Login(login) => (Some(login), None),
        Which::Id(id) => (None, Some(&id.as_bytes()[..])),
    };
    let row = sqlx::query!("SELECT id, login FROM accounts WHERE login = $1 OR public_id = $2", login, id);
    Ok(row.fetch_optional(conn).await?.map(|row| Account { key: AccountKey(row.id), login: row.login }))
}

/// What an account takes and may take.
pub async fn usage(conn: &mut PgConnection, account: AccountKey) -> Result<Usage, DbError> {
    let row = sqlx::query!(
        r#"SELECT a.quota_bytes, a.overdraft_bytes,
                  (SELECT coalesce(sum(u.bytes), 0)::bigint FROM vaults v JOIN vault_usage u ON u.vault_id = v.id
                   WHERE v.account_id = a.id) AS "used!"
           FROM accounts a WHERE a.id = $1"#,
        account.0
    )
    .fetch_one(conn)
    .await?;
    Ok(Usage {
        used: unsigned(row.used, "vault_usage.bytes")?,
        quota: quota(row.quota_bytes)?,
        overdraft: unsigned(row.overdraft_bytes, "accounts.overdraft_bytes")?,
    })
}

/// Counts bytes that the account puts beyond its quota; false if they are more than the reserve has left.
pub async fn overdraw(conn: &mut PgConnection, account: AccountKey, bytes: u64) -> Result<bool, DbError> {
    let (bytes, reserve) = (quota_column(Some(bytes)), quota_column(Some(QUOTA_RESERVE_BYTES)));
    let counted = sqlx::query!(
        "UPDATE accounts SET overdraft_bytes = overdraft_bytes + $2
         WHERE id = $1 AND $2 <= $3::bigint - overdraft_bytes",
        account.0,
        bytes,
        reserve,
    );
    Ok(counted.execute(conn).await?.rows_affected() == 1)
}

/// The account is below its quota: the reserve is whole again.
pub async fn refill_reserve(conn: &mut PgConnection, account: AccountKey) -> Result<(), DbError> {
    sqlx::query!("UPDATE accounts SET overdraft_bytes = 0 WHERE id = $1", account.0).execute(conn).await?;
    Ok(())
}

/// Lets an account take so many bytes, or as many as there are.
pub async fn set_quota(
    conn: &mut PgConnection,
    account: AccountKey,
    quota_bytes: Option<u64>,
) -> Result<(), DbError> {
    let bytes = quota_column(quota_bytes);
    let changed = sqlx::query!("UPDATE accounts SET quota_bytes = $2 WHERE id = $1", account.0, bytes);
    changed_one(&changed.execute(conn).await?, "accounts")
}

/// Makes an account an operator's or a member's; false if nobody would be an operator any more.
pub async fn set_role(
    conn: &mut PgConnection,
    account: AccountKey,
    role: AccountRole,
) -> Result<bool, DbError> {
    // Locked, so that of two changes at once the later one sees what the earlier one left.
    let operators =
        sqlx::query_scalar!("SELECT id FROM accounts WHERE role = 'operator' ORDER BY id FOR NO KEY UPDATE");
    let operators = operators.fetch_all(&mut *conn).await?;
    if role == AccountRole::Member && operators == [account.0] {
        return Ok(false);
    }
    let changed = sqlx::query!("UPDATE accounts SET role = $2 WHERE id = $1", account.0, role_name(role));
    changed_one(&changed.execute(conn).await?, "accounts")?;
    Ok(true)
}

/// Bytes as they are stored; what is beyond the column is as good as its most.
pub(super) fn quota_column(bytes: Option<u64>) -> Option<i64> {
    bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}

pub(super) fn quota(bytes: Option<i64>) -> Result<Option<u64>, DbError> {
    bytes.map(|bytes| unsigned(bytes, "accounts.quota_bytes")).transpose()
}
