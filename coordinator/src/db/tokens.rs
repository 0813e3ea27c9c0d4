//! Hashes of the tokens that this server gave out in files: setup and join.

use sqlx::PgConnection;

use super::DbError;

/// Is this setup token in force?
pub async fn setup_exists(conn: &mut PgConnection, token_hash: &[u8; 32]) -> Result<bool, DbError> {
    let exists = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM setup_tokens WHERE token_hash = $1) AS "exists!""#,
        token_hash
    );
    Ok(exists.fetch_one(conn).await?)
}

/// Puts a setup token in force.
pub async fn insert_setup(conn: &mut PgConnection, token_hash: &[u8; 32]) -> Result<(), DbError> {
    sqlx::query!("INSERT INTO setup_tokens (token_hash) VALUES ($1) ON CONFLICT DO NOTHING", token_hash)
        .execute(conn)
        .await?;
    Ok(())
}

/// Uses a setup token up, and with it all others. False if it is not in force; of two at once, one gets it.
pub async fn take_setup(conn: &mut PgConnection, token_hash: &[u8; 32]) -> Result<bool, DbError> {
    let taken = sqlx::query!("DELETE FROM setup_tokens WHERE token_hash = $1", token_hash)
        .execute(&mut *conn)
        .await?
        .rows_affected();
    if taken == 0 {
        return Ok(false);
    }
    sqlx::query!("DELETE FROM setup_tokens").execute(conn).await?;
    Ok(true)
}

/// Is this join token in force?
pub async fn join_exists(conn: &mut PgConnection, token_hash: &[u8; 32]) -> Result<bool, DbError> {
    let exists = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM join_tokens WHERE token_hash = $1) AS "exists!""#,
        token_hash
    );
    Ok(exists.fetch_one(conn).await?)
}

/// Puts a join token in force; false if it was already.
pub async fn insert_join(conn: &mut PgConnection, token_hash: &[u8; 32]) -> Result<bool, DbError> {
    let inserted =
        sqlx::query!("INSERT INTO join_tokens (token_hash) VALUES ($1) ON CONFLICT DO NOTHING", token_hash);
    Ok(inserted.execute(conn).await?.rows_affected() == 1)
}
