//! Accounts as an operator sees them: what they may do and take, and what they take.

use protocol::id::AccountId;
use protocol::sessions::AccountRole;
use serde::Serialize;
use sqlx::PgConnection;

use super::accounts::{parse_role, role_name};
use super::{AccountKey, DbError, changed_one, stored, unsigned};

/// Accounts that are listed at most, those that take most first.
const USERS_MAX: i64 = 10_000;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// The account.
    pub account: AccountId,
    /// Its login.
    pub login: String,
    /// What it may do.
    pub role: AccountRole,
    /// Bytes of the blobs that its vaults hold, one copy counted.
    pub used_bytes: u64,
    /// What that may be at most, if there is a limit.
    pub quota_bytes: Option<u64>,
    /// When it was made, in Unix milliseconds.
    pub created_ms: u64,
}

/// What an account takes, and may take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Of the blobs that its vaults hold, one copy counted.
    pub used: u64,
    /// At most, if there is a limit.
    pub quota: Option<u64>,
}

/// What became of a change of role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleChange {
    /// The account has the role.
    Done(AccountKey),
    /// No account has this login.
    Unknown,
    /// Nobody would be an operator any more.
    LastOperator,
}

/// All accounts.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<User>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT a.public_id, a.login, a.role, a.quota_bytes, coalesce(u.bytes, 0)::bigint AS "used!",
                  (extract(epoch FROM a.created_at) * 1000)::bigint AS "created_ms!"
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
            Ok(User {
                account: stored(AccountId::from_slice(&row.public_id), "accounts.public_id")?,
                login: row.login,
                role: parse_role(&row.role)?,
                used_bytes: unsigned(row.used, "vault_usage.bytes")?,
                quota_bytes: quota(row.quota_bytes)?,
                created_ms: unsigned(row.created_ms, "accounts.created_at")?,
            })
        })
        .collect()
}

/// What an account takes and may take.
pub async fn usage(conn: &mut PgConnection, account: AccountKey) -> Result<Usage, DbError> {
    let row = sqlx::query!(
        r#"SELECT a.quota_bytes,
                  (SELECT coalesce(sum(u.bytes), 0)::bigint FROM vaults v JOIN vault_usage u ON u.vault_id = v.id
                   WHERE v.account_id = a.id) AS "used!"
           FROM accounts a WHERE a.id = $1"#,
        account.0
    )
    .fetch_one(conn)
    .await?;
    Ok(Usage { used: unsigned(row.used, "vault_usage.bytes")?, quota: quota(row.quota_bytes)? })
}

/// Lets an account take so many bytes, or as many as there are; `None` if no account has this login.
pub async fn set_quota(
    conn: &mut PgConnection,
    login: &str,
    quota_bytes: Option<u64>,
) -> Result<Option<AccountKey>, DbError> {
    let bytes = quota_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    let changed = sqlx::query_scalar!(
        "UPDATE accounts SET quota_bytes = $2 WHERE login = $1 RETURNING id",
        login,
        bytes
    );
    Ok(changed.fetch_optional(conn).await?.map(AccountKey))
}

/// Makes an account an operator's or a member's.
pub async fn set_role(
    conn: &mut PgConnection,
    login: &str,
    role: AccountRole,
) -> Result<RoleChange, DbError> {
    let account = sqlx::query_scalar!("SELECT id FROM accounts WHERE login = $1", login);
    let Some(account) = account.fetch_optional(&mut *conn).await? else { return Ok(RoleChange::Unknown) };
    // Locked, so that of two changes at once the later one sees what the earlier one left.
    let operators =
        sqlx::query_scalar!("SELECT id FROM accounts WHERE role = 'operator' ORDER BY id FOR NO KEY UPDATE");
    let operators = operators.fetch_all(&mut *conn).await?;
    if role == AccountRole::Member && operators == [account] {
        return Ok(RoleChange::LastOperator);
    }
    let changed = sqlx::query!("UPDATE accounts SET role = $2 WHERE id = $1", account, role_name(role));
    changed_one(&changed.execute(conn).await?, "accounts")?;
    Ok(RoleChange::Done(AccountKey(account)))
}

fn quota(bytes: Option<i64>) -> Result<Option<u64>, DbError> {
    bytes.map(|bytes| unsigned(bytes, "accounts.quota_bytes")).transpose()
}
