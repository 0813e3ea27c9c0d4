//! Counts attempts of who is not signed in, in buckets.

use sqlx::PgConnection;

use super::DbError;

/// Attempts older than this count no more, in seconds.
const WINDOW_SECONDS: f64 = 900.0;

/// An attempt that was noted.
#[derive(Debug)]
pub struct Noted {
    /// Names it.
    pub id: i64,
    /// How many stood in the bucket before it.
    pub earlier: i64,
}

/// Notes an attempt in a bucket, unless `limit` others stand there: it counts until [`forget_bucket`] or [`forget`].
/// Concurrent attempts wait for each other, so that none slips through.
pub async fn note(conn: &mut PgConnection, bucket: &str, limit: i64) -> Result<Option<Noted>, DbError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", bucket).execute(&mut *conn).await?;
    let noted = sqlx::query_as!(
        Noted,
        r#"WITH earlier AS (SELECT count(*) FROM login_attempts
                            WHERE bucket = $1 AND attempted_at > now() - make_interval(secs => $3))
           INSERT INTO login_attempts (bucket) SELECT $1 FROM earlier WHERE count < $2
           RETURNING id, (SELECT count FROM earlier) AS "earlier!""#,
        bucket,
        limit,
        WINDOW_SECONDS,
    );
    Ok(noted.fetch_optional(conn).await?)
}

/// These attempts did not fail.
pub async fn forget(conn: &mut PgConnection, attempts: &[i64]) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM login_attempts WHERE id = ANY ($1)", attempts).execute(conn).await?;
    Ok(())
}

/// What was guessed in a bucket was proven: its failures count no more.
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
