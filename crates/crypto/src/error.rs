//! The errors that several modules share. Opening anything has one refusal without detail: which check failed
//! would be an oracle for whoever serves the bytes.

/// Something sealed could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Damaged, forged, cut off, of another kind, or sealed under another key or context.
    #[error("the sealed data are damaged, or are not what was asked for")]
    Refused,
    /// Not an answer about the data.
    #[error(transparent)]
    Platform(#[from] PlatformError),
}

/// The browser's cryptography refused a call that cannot fail by its inputs (in practice: out of memory).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the platform's cryptography failed")]
pub struct PlatformError;
