//! Accounts.

use protocol::accounts::PreloginResponse;
use protocol::bytes::Base64Array;
use protocol::id::AccountId;
use protocol::sessions::AccountRole;
use protocol::signature::PublicKey;
use sqlx::PgConnection;

use super::{AccountKey, DbError, broken_constraint, stored};

/// A new account's row.
#[derive(Debug)]
pub struct NewAccount<'a> {
    /// Chosen by the client.
    pub public_id: &'a AccountId,
    /// In lower case.
    pub login: &'a str,
    /// What it may do.
    pub role: AccountRole,
    /// What it may hold in bytes, if there is a limit.
    pub quota_bytes: Option<u64>,
    /// Verifies its envelopes.
    pub identity: &'a PublicKey,
    /// How its password becomes a key.
    pub kdf: &'a PreloginResponse,
    /// Under the pepper.
    pub auth_verifier: &'a [u8; 32],
    /// SHA-256 of the key that proves the recovery key.
    pub recovery_auth_hash: &'a [u8; 32],
    /// SEAL 0x01 under the pepper.
    pub password_wrap: &'a [u8],
    /// SEAL 0x02.
    pub recovery_wrap: &'a [u8],
    /// SEAL 0x04.
    pub recovery_key_wrap: &'a [u8],
}

/// What became of a registration.
#[derive(Debug)]
pub enum Inserted {
    /// The account is there.
    Account(AccountKey),
    /// Another account has this login.
    LoginTaken,
    /// Another account has this id.
    IdTaken,
}

/// What signing in needs.
#[derive(Debug)]
pub struct Credentials {
    /// Whose they are.
    pub account: AccountKey,
    /// The account's id.
    pub public_id: AccountId,
    /// What it may do.
    pub role: AccountRole,
    /// Verifies its envelopes.
    pub identity: PublicKey,
    /// How its password becomes a key.
    pub kdf: PreloginResponse,
    /// Under the pepper.
    pub auth_verifier: [u8; 32],
    /// SEAL 0x01 under the pepper.
    pub password_wrap: Vec<u8>,
    /// The newest account state's number.
    pub account_state_seq: u64,
}

/// A role, as it is stored.
pub fn role_name(role: AccountRole) -> &'static str {
    match role {
        AccountRole::Operator => "operator",
        AccountRole::Member => "member",
    }
}

pub(super) fn parse_role(role: &str) -> Result<AccountRole, DbError> {
    match role {
        "operator" => Ok(AccountRole::Operator),
        "member" => Ok(AccountRole::Member),
        _ => Err(DbError::Corrupt("accounts.role")),
    }
}

/// Is there any account yet?
pub async fn any(conn: &mut PgConnection) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM accounts) AS "any!""#).fetch_one(conn).await?)
}

/// Adds an account.
pub async fn insert(conn: &mut PgConnection, account: &NewAccount<'_>) -> Result<Inserted, DbError> {
    let iterations = i32::try_from(account.kdf.iterations).map_err(|_| DbError::Corrupt("iterations"))?;
    let inserted = sqlx::query_scalar!(
        "INSERT INTO accounts (public_id, login, role, identity, account_salt, kdf_id, iterations, auth_verifier,
                               recovery_auth_hash, password_wrap, recovery_wrap, recovery_key_wrap, quota_bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         RETURNING id",
        account.public_id.as_bytes(),
        account.login,
        role_name(account.role),
        account.identity.as_bytes(),
        &account.kdf.account_salt.0,
        i16::from(account.kdf.kdf_id),
        iterations,
        account.auth_verifier,
        account.recovery_auth_hash,
        account.password_wrap,
        account.recovery_wrap,
        account.recovery_key_wrap,
        super::users::quota_column(account.quota_bytes),
    )
    .fetch_one(conn)
    .await;
    match inserted {
        Ok(id) => Ok(Inserted::Account(AccountKey(id))),
        Err(error) => match broken_constraint(&error) {
            Some("accounts_login_key") => Ok(Inserted::LoginTaken),
            Some("accounts_public_id_key") => Ok(Inserted::IdTaken),
            _ => Err(error.into()),
        },
    }
}

/// What signing in with this login needs.
pub async fn find_credentials(conn: &mut PgConnection, login: &str) -> Result<Option<Credentials>, DbError> {
    let row = sqlx::query!(
        r#"SELECT a.id, a.public_id, a.role, a.identity, a.account_salt, a.kdf_id, a.iterations, a.auth_verifier,
                  a.password_wrap, (SELECT max(seq) FROM account_states WHERE account_id = a.id) AS "state_seq!"
           FROM accounts a WHERE a.login = $1"#,
        login,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Credentials {
            account: AccountKey(row.id),
            public_id: stored(AccountId::from_slice(&row.public_id), "accounts.public_id")?,
            role: parse_role(&row.role)?,
            identity: PublicKey::from_bytes(stored(row.identity.try_into(), "accounts.identity")?),
            kdf: PreloginResponse {
                account_salt: Base64Array(stored(row.account_salt.try_into(), "accounts.account_salt")?),
                kdf_id: stored(row.kdf_id.try_into(), "accounts.kdf_id")?,
                iterations: stored(row.iterations.try_into(), "accounts.iterations")?,
            },
            auth_verifier: stored(row.auth_verifier.try_into(), "accounts.auth_verifier")?,
            password_wrap: row.password_wrap,
            account_state_seq: super::unsigned(row.state_seq, "account_states.seq")?,
        })
    })
    .transpose()
}

/// Somebody signed in to the account just now.
pub async fn signed_in(conn: &mut PgConnection, account: AccountKey) -> Result<(), DbError> {
    let noted = sqlx::query!("UPDATE accounts SET signed_in_at = now() WHERE id = $1", account.0);
    super::changed_one(&noted.execute(conn).await?, "accounts")
}
