//! Accounts: passphrases, recovery keys, who is signed in.

use protocol::sessions::AccountRole;
use serde::{Deserialize, Serialize};

/// The judgement of a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strength {
    /// Guesses that it takes, as a power of ten.
    pub guesses_log10: u32,
}

/// What opens an account when the passphrase is lost.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryKit {
    /// The login it belongs to.
    pub login: String,
    /// Seven groups of eight characters.
    pub groups: Vec<String>,
}

impl std::fmt::Debug for RecoveryKit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryKit(***)")
    }
}

/// What became of a prepared account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Registered {
    /// It exists, and is signed in.
    Done(SignedIn),
    /// What was typed is not that group.
    WrongGroup,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// The login.
    pub login: String,
    /// What they may do.
    pub role: AccountRole,
}
