//! A failure, told to a person: what happened, what is safe, what to do.

use serde::{Deserialize, Serialize};

/// Why something did not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What happened.
    pub what: String,
    /// What is safe all the same.
    pub safe: String,
    /// What to do.
    pub advice: String,
    /// Doing the same again may work.
    pub retryable: bool,
    /// The session on the server ended: sign in again.
    pub signed_out: bool,
    /// Whoever asked must prove the passphrase first.
    pub needs_passphrase: bool,
}

impl Failure {
    /// The worker ended, or a message could not be read: nothing that a person could have caused.
    pub fn broken(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            safe: "Everything that was backed up before is unchanged.".to_owned(),
            advice: "Reload the page and sign in again.".to_owned(),
            retryable: false,
            signed_out: false,
            needs_passphrase: false,
        }
    }

    /// The page was locked, and the worker that did it is gone.
    pub fn stopped_by_lock() -> Self {
        Self {
            what: "Stopped when the page was locked.".to_owned(),
            safe: "Everything that was backed up before is unchanged.".to_owned(),
            advice: "Try again after unlocking.".to_owned(),
            retryable: true,
            signed_out: false,
            needs_passphrase: false,
        }
    }

    /// What is safe and what to do, as one text.
    pub fn consolation(&self) -> String {
        format!("{} {}", self.safe, self.advice)
    }
}
