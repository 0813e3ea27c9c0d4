//! Policies of sources: how long their snapshots are kept.

use protocol::id::SourceId;
use protocol::snapshots::RetentionPolicy;
use sqlx::PgConnection;

use super::{DbError, SourceKey, VaultKey, changed_one, stored};

/// A source with what decides about its snapshots.
#[derive(Debug, Clone)]
pub struct RetainedSource {
    /// Surrogate key.
    pub key: SourceKey,
    /// Its id.
    pub source: SourceId,
    /// Its vault.
    pub vault: VaultKey,
    /// It is that of browser uploads: its owner signed snapshots of it, and not only a device that may do the same.
    pub uploads: bool,
    /// The one that somebody chose.
    pub policy: Option<RetentionPolicy>,
}

struct Row {
    id: i64,
    public_id: Vec<u8>,
    vault_id: i64,
    uploads: bool,
    keep_last: Option<i32>,
    keep_hourly: Option<i32>,
    keep_daily: Option<i32>,
    keep_weekly: Option<i32>,
    keep_monthly: Option<i32>,
    keep_yearly: Option<i32>,
    within_seconds: Option<i64>,
}

impl Row {
    fn policy(&self) -> Result<Option<RetentionPolicy>, DbError> {
        let Some(within) = self.within_seconds else { return Ok(None) };
        let count =
            |value: Option<i32>| stored(u32::try_from(value.unwrap_or_default()), "retention_policies");
        Ok(Some(RetentionPolicy {
            last: count(self.keep_last)?,
            hourly: count(self.keep_hourly)?,
            daily: count(self.keep_daily)?,
            weekly: count(self.keep_weekly)?,
            monthly: count(self.keep_monthly)?,
            yearly: count(self.keep_yearly)?,
            within_seconds: super::unsigned(within, "retention_policies.within_seconds")?,
        }))
    }

    fn parse(self) -> Result<RetainedSource, DbError> {
        Ok(RetainedSource {
            policy: self.policy()?,
            key: SourceKey(self.id),
            source: stored(SourceId::from_slice(&self.public_id), "sources.public_id")?,
            vault: VaultKey(self.vault_id),
            uploads: self.uploads,
        })
    }
}

/// The vault's source of this id.
pub async fn find(
    conn: &mut PgConnection,
    vault: VaultKey,
    source: &SourceId,
) -> Result<Option<RetainedSource>, DbError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT s.id, s.public_id, s.vault_id,
                  s.owners AND EXISTS (SELECT FROM commits c WHERE c.source_id = s.id AND c.kind = 1
                                       AND c.device IS NULL) AS "uploads!",
                  p.keep_last AS "keep_last?", p.keep_hourly AS "keep_hourly?", p.keep_daily AS "keep_daily?",
                  p.keep_weekly AS "keep_weekly?", p.keep_monthly AS "keep_monthly?", p.keep_yearly AS "keep_yearly?", p.within_seconds AS "within_seconds?"
           FROM sources s LEFT JOIN retention_policies p ON p.source_id = s.id
           WHERE s.vault_id = $1 AND s.public_id = $2"#,
        vault.0,
        source.as_bytes(),
    );
    row.fetch_optional(conn).await?.map(Row::parse).transpose()
}

/// The next sources behind `after` that keep more than one snapshot, in the order of their keys.
pub async fn list(
    conn: &mut PgConnection,
    after: SourceKey,
    max: i64,
) -> Result<Vec<RetainedSource>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT s.id, s.public_id, s.vault_id,
                  s.owners AND EXISTS (SELECT FROM commits c WHERE c.source_id = s.id AND c.kind = 1
                                       AND c.device IS NULL) AS "uploads!",
                  p.keep_last AS "keep_last?", p.keep_hourly AS "keep_hourly?", p.keep_daily AS "keep_daily?",
                  p.keep_weekly AS "keep_weekly?", p.keep_monthly AS "keep_monthly?", p.keep_yearly AS "keep_yearly?", p.within_seconds AS "within_seconds?"
           FROM sources s LEFT JOIN retention_policies p ON p.source_id = s.id
           WHERE s.id > $1
             AND EXISTS (SELECT FROM commits c WHERE c.source_id = s.id AND c.kind = 1 AND NOT c.forgotten OFFSET 1)
           ORDER BY s.id LIMIT $2"#,
        after.0,
        max,
    );
    rows.fetch_all(conn).await?.into_iter().map(Row::parse).collect()
}

/// Keeps the source's snapshots by this policy from now on.
pub async fn put(
    conn: &mut PgConnection,
    source: SourceKey,
    policy: &RetentionPolicy,
) -> Result<(), DbError> {
    let count = |value: u32| stored(i32::try_from(value), "retention_policies");
    let written = sqlx::query!(
        "INSERT INTO retention_policies (source_id, keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly,
                                         keep_yearly, within_seconds)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (source_id) DO UPDATE
         SET keep_last = excluded.keep_last, keep_hourly = excluded.keep_hourly, keep_daily = excluded.keep_daily,
             keep_weekly = excluded.keep_weekly, keep_monthly = excluded.keep_monthly,
             keep_yearly = excluded.keep_yearly, within_seconds = excluded.within_seconds",
        source.0,
        count(policy.last)?,
        count(policy.hourly)?,
        count(policy.daily)?,
        count(policy.weekly)?,
        count(policy.monthly)?,
        count(policy.yearly)?,
        stored(i64::try_from(policy.within_seconds), "retention_policies.within_seconds")?,
    );
    changed_one(&written.execute(conn).await?, "retention_policies")
}
