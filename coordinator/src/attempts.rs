//! How often somebody without a session may try, and a device may commit: what is counted by whom, and what becomes of
//! who tries too often.
//!
//! An attempt is counted, durably, before it is judged. Nobody can keep anybody else's login closed: what is refused
//! is refused to the network that failed, and a login that fails everywhere is only answered later.

use std::time::Duration;

use protocol::error::ErrorCode;
use server::error::ApiError;
use sqlx::PgConnection;

use crate::auth::ClientNetwork;
use crate::caller::Caller;
use crate::db::login_attempts::{self, Noted};
use crate::error::ApiResult;
use crate::state::{App, commit};

/// Failures of one login from one network in 15 minutes.
const LOGIN_FAILURES_MAX: i64 = 10;
/// Failures from one network in 15 minutes, of whatever logins.
const NETWORK_FAILURES_MAX: i64 = 30;
/// Failed requests to become a device from one network in 15 minutes.
const ENROLMENT_FAILURES_MAX: i64 = 30;
/// Registrations and questions for a login's salt, from one network in 15 minutes.
const QUESTIONS_MAX: i64 = 300;
/// Commits of one device in 15 minutes: those of some dozen folders that change all the time.
const COMMITS_MAX: i64 = 1000;
const RETRY_AFTER_SECONDS: u64 = 60;

/// How long the first sign-in waits whose login failed too often everywhere; each after it waits twice as long.
const DELAY_MIN: Duration = Duration::from_millis(250);
const DELAY_MAX: Duration = Duration::from_secs(4);

/// An attempt to sign in that is admitted, and counts as a failure until it is forgotten.
#[derive(Debug)]
pub struct LoginAttempt {
    by_network: i64,
    by_login: i64,
    /// The login's failures from this network.
    bucket: String,
}

impl LoginAttempt {
    /// Counts an attempt to sign in. Holds the answer back, without a connection, if the login has failed often.
    ///
    /// # Errors
    /// [`ErrorCode::TooManyRequests`], or what is wrong with the database.
    pub async fn admit(app: &App, ClientNetwork(network): &ClientNetwork, login: &str) -> ApiResult<Self> {
        let bucket = format!("login {login} from {network}");
        let mut tx = app.begin().await?;
        login_attempts::delete_old(&mut tx).await?;
        let by_network = note(&mut tx, &format!("network {network}"), NETWORK_FAILURES_MAX).await?;
        note(&mut tx, &bucket, LOGIN_FAILURES_MAX).await?;
        let by_login = note(&mut tx, &format!("login {login}"), i64::MAX).await?;
        commit(tx).await?;
        tokio::time::sleep(delay_after(by_login.earlier)).await;
        Ok(Self { by_network: by_network.id, by_login: by_login.id, bucket })
    }

    /// It succeeded: it is no failure, and those of the login from this network count no more.
    ///
    /// # Errors
    /// What is wrong with the database.
    pub async fn forget(self, conn: &mut PgConnection) -> ApiResult<()> {
        login_attempts::forget(conn, &[self.by_network, self.by_login]).await?;
        Ok(login_attempts::forget_bucket(conn, &self.bucket).await?)
    }
}

/// A request to become a device that is admitted, and counts as a failure until it is forgotten.
#[derive(Debug)]
pub struct EnrolmentAttempt(i64);

impl EnrolmentAttempt {
    /// Counts a request to become a device.
    ///
    /// # Errors
    /// [`ErrorCode::TooManyRequests`], or what is wrong with the database.
    pub async fn admit(app: &App, ClientNetwork(network): &ClientNetwork) -> ApiResult<Self> {
        let mut tx = app.begin().await?;
        login_attempts::delete_old(&mut tx).await?;
        let noted = note(&mut tx, &format!("enrolment {network}"), ENROLMENT_FAILURES_MAX).await?;
        commit(tx).await?;
        Ok(Self(noted.id))
    }

    /// The enrolment was there, and free.
    ///
    /// # Errors
    /// What is wrong with the database.
    pub async fn forget(self, conn: &mut PgConnection) -> ApiResult<()> {
        Ok(login_attempts::forget(conn, &[self.0]).await?)
    }
}

/// Counts a question of somebody who is not signed in, other than to sign in.
///
/// # Errors
/// [`ErrorCode::TooManyRequests`], or what is wrong with the database.
pub async fn admit_question(app: &App, ClientNetwork(network): &ClientNetwork) -> ApiResult<()> {
    let mut tx = app.begin().await?;
    login_attempts::delete_old(&mut tx).await?;
    note(&mut tx, &format!("question {network}"), QUESTIONS_MAX).await?;
    Ok(commit(tx).await?)
}

/// Counts a commit that a device asks for. Its owner may always commit.
///
/// # Errors
/// [`ErrorCode::TooManyRequests`], or what is wrong with the database.
pub async fn admit_commit(app: &App, caller: &Caller) -> ApiResult<()> {
    let Some(device) = caller.device() else { return Ok(()) };
    let mut tx = app.begin().await?;
    login_attempts::delete_old(&mut tx).await?;
    note(&mut tx, &format!("commits {}", device.id()), COMMITS_MAX).await?;
    Ok(commit(tx).await?)
}

async fn note(conn: &mut PgConnection, bucket: &str, limit: i64) -> ApiResult<Noted> {
    login_attempts::note(conn, bucket, limit).await?.ok_or_else(|| {
        ApiError::new(ErrorCode::TooManyRequests, "too many attempts; wait some minutes")
            .with_retry_after(RETRY_AFTER_SECONDS)
    })
}

/// How long the answer to a sign-in is held back, by how often the login failed within 15 minutes, wherever.
fn delay_after(failures: i64) -> Duration {
    let Ok(beyond) = u32::try_from((failures - LOGIN_FAILURES_MAX).min(16)) else { return Duration::ZERO };
    (DELAY_MIN * (1 << beyond)).min(DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_fails_everywhere_is_answered_later_and_later_up_to_a_bound() {
        let delays = [0, 9, 10, 11, 13, 14, 15, 1000, i64::MAX].map(|n| delay_after(n).as_millis());
        assert_eq!(delays, [0, 0, 250, 500, 2000, 4000, 4000, 4000, 4000]);
    }
}
