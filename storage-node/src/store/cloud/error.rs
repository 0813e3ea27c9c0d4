//! What can go wrong between the node and a cloud, told apart by what a person has to do about it.

use std::time::Duration;

/// Why a cloud did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloudError {
    /// The person or the app's owner took the permission back.
    #[error(
        "the provider refuses the refresh token: access was revoked; link the app again and give the new token"
    )]
    Revoked,
    /// The keys are wrong, or may not do this.
    #[error("the provider refuses the credentials: {0}")]
    Credentials(String),
    /// There is no such bucket.
    #[error("there is no bucket {0}; make it, or correct the name")]
    WrongBucket(String),
    /// The bucket is elsewhere.
    #[error("bucket {bucket} is not in region {region}; the provider says: {answer}")]
    WrongRegion {
        /// The bucket.
        bucket: String,
        /// As it was configured.
        region: String,
        /// The provider's words.
        answer: String,
    },
    /// Signatures carry the time.
    #[error("this machine's clock is wrong: the provider says that it differs too much from its own")]
    WrongClock,
    /// The account is full.
    #[error("the account has no room left")]
    Full,
    /// Too much was asked for at once.
    #[error("the provider asks to wait")]
    Busy {
        /// How long.
        retry_after: Option<Duration>,
    },
    /// The provider has troubles of its own.
    #[error("the provider fails: {0}")]
    Server(String),
    /// No whole answer arrived.
    #[error("no answer from the provider: {0}")]
    Network(String),
    /// The server lacks something.
    #[error("the server cannot do what is needed")]
    NotImplemented,
    /// An answer that this program does not understand.
    #[error("an unexpected answer of the provider: {0}")]
    Unexpected(String),
}

impl CloudError {
    /// Whether the same request may succeed soon.
    pub(super) fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Server(_) | Self::Network(_))
    }

    /// Whether the request had certainly no effect.
    pub(super) fn is_refusal(&self) -> bool {
        !matches!(self, Self::Server(_) | Self::Network(_) | Self::Unexpected(_))
    }

    /// What the transport found, or else OpenDAL.
    pub(super) fn of(error: &opendal::Error) -> Self {
        let found = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Self>());
        found.cloned().unwrap_or_else(|| {
            let text = format!("{}: {}", error.kind(), error.message());
            if error.is_temporary() { Self::Network(text) } else { Self::Unexpected(text) }
        })
    }
}

impl From<CloudError> for opendal::Error {
    fn from(error: CloudError) -> Self {
        let temporary = error.is_temporary();
        Self::new(opendal::ErrorKind::Unexpected, "").set_source(error).with_temporary(temporary)
    }
}

impl From<CloudError> for std::io::Error {
    fn from(error: CloudError) -> Self {
        Self::other(error)
    }
}
