//! Enrolments: who asked to become a device, and what it was told.

use protocol::devices::{EnrolmentGrant, EnrolmentRequest};
use protocol::id::EnrolmentId;
use protocol::limits::{ENROLMENT_SECONDS, ENROLMENTS_MAX};
use serde::de::DeserializeOwned;
use sqlx::PgConnection;

use super::{AccountKey, DbError, changed_one, interval, stored};

/// An enrolment in force.
#[derive(Debug)]
pub struct EnrolmentRow {
    /// Whose it is.
    pub account: AccountKey,
    /// Who asked, once somebody did.
    pub request: Option<EnrolmentRequest>,
    /// What it was told, once it was admitted.
    pub grant: Option<EnrolmentGrant>,
    /// Digest of the whole request that admitted it.
    pub grant_digest: Option<Vec<u8>>,
}

/// What became of opening an enrolment.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// It is open.
    Open,
    /// Too many of the account's are.
    TooMany,
    /// The id is taken.
    Taken,
}

/// Opens an enrolment, or finds the account's open one of this id. Forgets all that are over.
pub async fn open(
    conn: &mut PgConnection,
    account: AccountKey,
    enrolment: &EnrolmentId,
) -> Result<Opened, DbError> {
    sqlx::query!("DELETE FROM enrolments WHERE expires_at <= now()").execute(&mut *conn).await?;
    // Of two that are opened at once, the second counts the first.
    sqlx::query!("SELECT FROM accounts WHERE id = $1 FOR NO KEY UPDATE", account.0)
        .execute(&mut *conn)
        .await?;
    let known =
        sqlx::query_scalar!("SELECT account_id FROM enrolments WHERE public_id = $1", enrolment.as_bytes());
    if let Some(owner) = known.fetch_optional(&mut *conn).await? {
        return Ok(if owner == account.0 { Opened::Open } else { Opened::Taken });
    }
    let max = i64::try_from(ENROLMENTS_MAX).expect("a small number");
    let inserted = sqlx::query!(
        r#"INSERT INTO enrolments (public_id, account_id, expires_at)
           SELECT $2, $1, now() + make_interval(secs => $3)
           WHERE (SELECT count(*) FROM enrolments WHERE account_id = $1 AND "grant" IS NULL) < $4
           ON CONFLICT DO NOTHING"#,
        account.0,
        enrolment.as_bytes(),
        interval(ENROLMENT_SECONDS),
        max,
    );
    let opened = inserted.execute(conn).await?.rows_affected() == 1;
    Ok(if opened { Opened::Open } else { Opened::TooMany })
}

/// The enrolment of this id, if it is not over.
pub async fn find(conn: &mut PgConnection, enrolment: &EnrolmentId) -> Result<Option<EnrolmentRow>, DbError> {
    let row = sqlx::query!(
        r#"SELECT account_id, request, "grant", grant_digest FROM enrolments
           WHERE public_id = $1 AND expires_at > now()"#,
        enrolment.as_bytes()
    );
    let row = row.fetch_optional(conn).await?;
    row.map(|row| {
        Ok(EnrolmentRow {
            account: AccountKey(row.account_id),
            request: parse(row.request.as_deref(), "enrolments.request")?,
            grant: parse(row.grant.as_deref(), "enrolments.grant")?,
            grant_digest: row.grant_digest,
        })
    })
    .transpose()
}

/// [`find`], locked: of two that ask or admit at once, the second sees what the first did.
pub async fn lock(conn: &mut PgConnection, enrolment: &EnrolmentId) -> Result<Option<EnrolmentRow>, DbError> {
    sqlx::query!("SELECT FROM enrolments WHERE public_id = $1 FOR UPDATE", enrolment.as_bytes())
        .execute(&mut *conn)
        .await?;
    find(conn, enrolment).await
}

/// Somebody asks. The caller holds the lock.
pub async fn set_request(
    conn: &mut PgConnection,
    enrolment: &EnrolmentId,
    request: &EnrolmentRequest,
) -> Result<(), DbError> {
    let request = serde_json::to_string(request).expect("ids and bytes serialize");
    let written = sqlx::query!(
        "UPDATE enrolments SET request = $2 WHERE public_id = $1",
        enrolment.as_bytes(),
        request
    );
    changed_one(&written.execute(conn).await?, "enrolments")
}

/// Who asked is admitted, and has as long again to hear of it. The caller holds the lock.
pub async fn set_grant(
    conn: &mut PgConnection,
    enrolment: &EnrolmentId,
    grant: &EnrolmentGrant,
    digest: &[u8; 32],
) -> Result<(), DbError> {
    let grant = serde_json::to_string(grant).expect("ids and bytes serialize");
    let written = sqlx::query!(
        r#"UPDATE enrolments SET "grant" = $2, grant_digest = $3, expires_at = now() + make_interval(secs => $4)
           WHERE public_id = $1"#,
        enrolment.as_bytes(),
        grant,
        digest,
        interval(ENROLMENT_SECONDS),
    );
    changed_one(&written.execute(conn).await?, "enrolments")
}

fn parse<T: DeserializeOwned>(json: Option<&str>, column: &'static str) -> Result<Option<T>, DbError> {
    stored(json.map(serde_json::from_str).transpose(), column)
}
