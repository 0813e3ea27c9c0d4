//! Counts sign-ins that fail, by login and by network.

use sqlx::PgConnection;

use super::DbError;

/// Failures older than this count no more, in seconds.
pub const WINDOW_SECONDS: f64 = 900.0;

/// Notes an attempt in a bucket, unless `limit` others stand there: an attempt counts as failed until
/// [`forget_bucket`] or [`forget`]. Concurrent attempts wait for each other, so that none slips through.
pub async fn note(conn: &mut PgConnection, bucket: &str, limit: i64) -> Result<Option<i64>, DbError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", bucket).execute(&mut *conn).await?;
    let noted = sqlx::query_scalar!(
        "INSERT INTO login_attempts (bucket)
         SELECT $1 WHERE (SELECT count(*) FROM login_attempts
                          WHERE bucket = $1 AND attempted_at > now() - make_interval(secs => $3)) < $2
         RETURNING id",
        bucket,
        limit,
        WINDOW_SECONDS,
    );
    Ok(noted.fetch_optional(conn).await?)
}

/// One attempt did not fail.
pub async fn forget(conn: &mut PgConnection, attempt: i64) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM login_attempts WHERE id = $1", attempt).execute(conn).await?;
    Ok(())
}

/// The login was proven: its failures count no more.
pub async fn forget_bucket(conn: &mut PgConnection, bucket: &str) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM login_attempts WHERE bucket = $1", bucket).execute(conn).await?;
    Ok(())
}

/// Removes what counts no more.
pub async fn delete_old(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query!(
        "DELETE FROM login_attempts WHERE attempted_at < now() - make_interval(secs => $1)",
        WINDOW_SECONDS
    )
    .execute(conn)
    .await?;
    Ok(())
}
