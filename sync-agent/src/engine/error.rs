//! Why a folder could not be backed up, or a request not be fulfilled.

use std::error::Error as StdError;

use crate::index::IndexError;
use crate::scan::{ExcludeError, ScanError};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The network, the servers or the vault.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The folder.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The folder's patterns.
    #[error(transparent)]
    Exclude(#[from] ExcludeError),
    /// The folder grows faster than it is backed up.
    #[error("the first backup did not come to an end; it goes on with the next run")]
    NeverComplete,
    /// Not a folder of this agent.
    #[error("{0} is not a folder that this agent backs up")]
    NoSuchFolder(String),
    /// A path that cannot be a folder to back up.
    #[error("{path} cannot be backed up: {reason}")]
    NotAFolder {
        /// The path.
        path: String,
        /// Why.
        reason: &'static str,
    },
}

impl EngineError {
    /// Whether nobody answers, rather than somebody refusing.
    pub fn is_offline(&self) -> bool {
        matches!(self, Self::Client(client::Error::Network { .. } | client::Error::TooFewCopies(_)))
    }

    /// Whether this device may not work with its vault, or cannot open it.
    pub fn is_missing_key(&self) -> bool {
        matches!(self, Self::Client(client::Error::NotAdmitted(_) | client::Error::UnknownEpoch(_)))
    }

    /// What is wrong with the index, if that is it.
    pub fn index_error(&self) -> Option<&IndexError> {
        match self {
            Self::Index(error) | Self::Scan(ScanError::Index(error)) => Some(error),
            _ => None,
        }
    }

    /// The error with all that caused it, in one line.
    pub fn chain(&self) -> String {
        Self::chain_of(self)
    }

    /// The same of any error.
    pub fn chain_of(error: &dyn StdError) -> String {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let more = error.to_string();
            if !text.contains(&more) {
                text = format!("{text}: {more}");
            }
            cause = error.source();
        }
        text
    }
}
