//! What can go wrong for a client, each in one sentence for a person.

use backup::TreeError;
use crypto::blob::FrameError;
use crypto::commit::BodyError;
use crypto::enrolment::{ForgedRequest, GrantError, LinkError, LowOrderKey};
use crypto::password::{KdfError, LoginError, PasswordError};
use crypto::{OpenError, PlatformError};
use protocol::envelope::EnvelopeError;
use protocol::error::ErrorCode;
use protocol::id::{BlobId, RequestId};

/// Why an operation of the client failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The coordinator refused, and said why.
    #[error("{message}")]
    Api {
        /// For programs.
        code: ErrorCode,
        /// For people.
        message: String,
        /// Finds the request in the coordinator's log.
        request: RequestId,
        /// With [`ErrorCode::BlobsMissing`]: which.
        missing: Vec<BlobId>,
    },
    /// No answer, or one that is not the coordinator's.
    #[error("the server at {server} cannot be reached")]
    Network {
        /// Its origin.
        server: String,
        /// What the HTTP library says.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The coordinator does not admit this device: it was revoked, or its certificate is not in force.
    #[error("this device is not admitted: {0}")]
    NotAdmitted(String),
    /// The coordinator refuses the signature of this device's sign-in: a clock is wrong, or the request came twice.
    #[error("this device cannot sign in now: {0}")]
    SignInRefused(String),
    /// Only the account's owner may do this, not one of its devices.
    #[error("only the account's owner may do this, signed in with the passphrase")]
    OwnerOnly,
    /// Not a link to add a device.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Ten minutes are over, or the coordinator does not know the enrolment.
    #[error("this link is over; make another one in the web app")]
    LinkOver,
    /// A request to become a device that was not made with the link.
    #[error("{0}; make another one, and show it to nobody else")]
    ForgedRequest(#[from] ForgedRequest),
    /// A live message that is late, was seen before, or is not for who received it.
    #[error("a live message is refused: {0}")]
    Message(&'static str),
    /// Login and passphrase do not belong together.
    #[error("the login or the passphrase is wrong")]
    WrongPassword,
    /// Not a login.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Not a password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The server asks for a key derivation that is refused. Nothing was sent.
    #[error("the server's settings for your passphrase are refused: {0}")]
    Kdf(#[from] KdfError),
    /// The server showed something that its owner did not sign, or less than it showed before. A hard stop.
    #[error(
        "the server's data cannot be trusted: {0}. Nothing was changed; do not enter your passphrase again before this is explained"
    )]
    Untrusted(String),
    /// A blob is on no node that answers.
    #[error("a part of the data (blob {}) cannot be read from any node now", .0.short())]
    Unreadable(BlobId),
    /// The snapshot was forgotten while it was read, and what no other needs of it is deleted.
    #[error("snapshot {0} was forgotten meanwhile, and this part of it is deleted")]
    Forgotten(u64),
    /// Its owner took it out of all history.
    #[error("{0} was deleted for good")]
    Purged(String),
    /// The vault holds these blobs no more, or too few copies of them: they are to be sent again.
    #[error("{} parts of the data are not in the vault any more, or have too few copies", .0.len())]
    Gone(Vec<BlobId>),
    /// Too few nodes took the data.
    #[error(
        "too few storage nodes took the data: {0}. What was sent is kept for a day; trying again resumes it"
    )]
    TooFewCopies(String),
    /// There is no entry with this path.
    #[error("{0} does not exist")]
    NotFound(String),
    /// A name that a backup cannot have.
    #[error("{0} cannot be a name in a backup")]
    Name(String),
    /// Not a glob.
    #[error("the pattern cannot be used: {0}")]
    Pattern(#[from] globset::Error),
    /// Settings that nobody would read.
    #[error("these settings cannot be saved: {0}")]
    Settings(#[from] BodyError),
    /// Something else has this name already.
    #[error("{path} is {taken_by} in the backup; rename it, or delete what is there first. Nothing was sent")]
    Clash {
        /// The path.
        path: String,
        /// What is there.
        taken_by: &'static str,
    },
    /// The stored tree breaks the format, or is not to be had.
    #[error("the stored folder tree cannot be read: {0}")]
    Tree(#[source] Box<TreeError<Error>>),
    /// A restored file does not match its hash.
    #[error("{path} did not come back as it was backed up: {source}")]
    Damaged {
        /// The file.
        path: String,
        /// What differs.
        #[source]
        source: backup::VerifyError,
    },
    /// A folder has so many entries that even the index of its pages does not fit into one blob.
    #[error("a folder has too many entries for one backup: {0}")]
    TooLarge(#[from] FrameError),
    /// The vault has a newer key than this device was given.
    #[error("the vault's key number {0} has not arrived on this device yet")]
    UnknownEpoch(u32),
    /// Others kept writing to the vault at the same time.
    #[error("the vault was changed by somebody else at the same time; try again")]
    Busy,
    /// The source has another newest snapshot than the one that the changes are of: they are to be found anew.
    #[error("another snapshot of this folder came first")]
    StaleBase,
    /// What the server claims to hold could not be read back.
    #[error("the server claims to hold data that it does not give back (blob {}); the backup is not verified", .0.short())]
    Unverified(BlobId),
    /// An archive cannot be written.
    #[error("the archive cannot be written")]
    Archive(#[from] zip::result::ZipError),
    /// The browser's cryptography failed.
    #[error(transparent)]
    Platform(#[from] PlatformError),
}

impl Error {
    /// The coordinator's code, where it gave one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Api { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the same request may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Network { .. }
            | Self::SignInRefused(_)
            | Self::TooFewCopies(_)
            | Self::Unreadable(_)
            | Self::Busy => true,
            Self::Tree(source) => matches!(&**source,
                TreeError::Read { source, .. } | TreeError::Write(source) if source.is_retryable()),
            Self::Api { code, .. } => matches!(
                code,
                ErrorCode::Unavailable
                    | ErrorCode::InsufficientZones
                    | ErrorCode::TooManyRequests
                    | ErrorCode::RequestTimeout
                    | ErrorCode::BlobsMissing
            ),
            _ => false,
        }
    }

    /// Whether it says no more than that a blob is on no node that answers.
    pub(crate) fn is_unreadable(&self) -> bool {
        match self {
            Self::Unreadable(_) => true,
            Self::Tree(source) => matches!(&**source,
                TreeError::Read { source, .. } if source.is_unreadable()),
            _ => false,
        }
    }

    pub(crate) fn untrusted(reason: impl Into<String>) -> Self {
        Self::Untrusted(reason.into())
    }
}

impl From<EnvelopeError> for Error {
    fn from(error: EnvelopeError) -> Self {
        Self::Untrusted(error.to_string())
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Platform(error) => Self::Platform(error),
            OpenError::Refused => Self::Untrusted(error.to_string()),
        }
    }
}

impl From<GrantError> for Error {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Open(error) => error.into(),
            other => Self::Untrusted(other.to_string()),
        }
    }
}

impl From<LowOrderKey> for Error {
    fn from(error: LowOrderKey) -> Self {
        Self::Untrusted(error.to_string())
    }
}

impl From<TreeError<Error>> for Error {
    fn from(error: TreeError<Error>) -> Self {
        Self::Tree(Box::new(error))
    }
}
