//! Upload sessions make blobs their roots, and two kinds of steps judge that blobs have none: condemning, and taking a
//! surplus copy away. Both hold one lock of the database until their transactions end, the former together, the latter
//! alone, and take it before any other.
//!
//! So a plan locks no blob that is there already, which would be a write for each. Who judges does it in a statement
//! after the one that got the lock, and then sees the roots of all plans that may have found the blobs live.

use sqlx::PgConnection;

use super::DbError;

/// Identifies the lock.
const ROOTS_LOCK: i64 = 0x7472_6970_6c72_6f31;

/// Roots may be added until the transaction ends.
pub async fn lock_for_adding(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query_scalar!(r#"SELECT pg_advisory_xact_lock_shared($1)::text AS "locked!""#, ROOTS_LOCK)
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// Nobody adds roots until the transaction ends.
pub async fn lock_for_judging(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query_scalar!(r#"SELECT pg_advisory_xact_lock($1)::text AS "locked!""#, ROOTS_LOCK)
        .fetch_one(conn)
        .await?;
    Ok(())
}
