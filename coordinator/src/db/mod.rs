//! All SQL. Functions take a connection, so that the caller owns the transaction; a lookup that finds nothing is
//! `None`; a write that must have an effect checks that it had. Nothing here knows HTTP.

pub mod account_states;
pub mod accounts;
pub mod audit_log;
pub mod blobs;
pub mod collection;
pub mod commits;
pub mod copies;
pub mod delete_jobs;
pub mod device_sessions;
pub mod devices;
pub mod enrolments;
pub mod events;
pub mod garbage;
pub mod intervals;
pub mod inventories;
pub mod invitations;
pub mod liveness;
pub mod login_attempts;
pub mod messages;
pub mod metrics;
pub mod nodes;
pub mod purge;
pub mod rebalance;
pub mod receipts;
pub mod refs;
pub mod repair_progress;
pub mod repairs;
pub mod retention;
pub mod roots;
pub mod sessions;
pub mod snapshots;
pub mod sources;
pub mod sweeps;
pub mod tokens;
pub mod uploads;
pub mod users;
pub mod vaults;

use sqlx::postgres::PgQueryResult;

/// What went wrong below the handlers.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database refused, failed or is away.
    #[error("the database")]
    Sql(#[from] sqlx::Error),
    /// A stored value is not what was once checked and stored.
    #[error("a stored value of {0} is not valid")]
    Corrupt(&'static str),
    /// A write had no effect, or more than one.
    #[error("{0} did not change exactly one row")]
    Unwritten(&'static str),
}

/// Conditions of PostgreSQL that pass, by their codes: a transaction that was ended because this program stood still,
/// one that was not serializable, a deadlock, too many connections, and a server that was stopped, crashed or is starting.
const TRANSIENT: [&str; 7] = ["25P03", "40001", "40P01", "53300", "57P01", "57P02", "57P03"];

impl DbError {
    /// Nothing was changed, or it is not known whether, and the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => true,
            Self::Sql(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| TRANSIENT.contains(&&*code))
            }
            _ => false,
        }
    }
}

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);
    )*};
}

keys! {
    /// Surrogate key of an account.
    AccountKey;
    /// Surrogate key of a vault.
    VaultKey;
    /// Surrogate key of a source.
    SourceKey;
    /// Surrogate key of a device.
    DeviceKey;
    /// Surrogate key of a device's open event stream.
    DeviceStreamKey;
    /// Surrogate key of a node.
    NodeKey;
    /// Surrogate key of a blob.
    BlobKey;
    /// Surrogate key of an upload session.
    UploadKey;
}

/// A stored value, parsed; it was valid when it was stored.
fn stored<T, E>(parsed: Result<T, E>, column: &'static str) -> Result<T, DbError> {
    parsed.map_err(|_| DbError::Corrupt(column))
}

/// For writes that must change exactly one row.
fn changed_one(result: &PgQueryResult, what: &'static str) -> Result<(), DbError> {
    if result.rows_affected() == 1 { Ok(()) } else { Err(DbError::Unwritten(what)) }
}

/// The constraint that a write broke, by its name.
fn broken_constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.constraint()
}

/// Numbers of the protocol are unsigned; no stored one reaches the sign bit.
fn unsigned(value: i64, column: &'static str) -> Result<u64, DbError> {
    stored(u64::try_from(value), column)
}

/// An interval for `make_interval(secs => …)`.
fn interval(seconds: u64) -> f64 {
    std::time::Duration::from_secs(seconds).as_secs_f64()
}
