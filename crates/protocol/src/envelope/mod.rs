//! The signed envelopes: commits, account states and device certificates.
//!
//! Here are their clear parts: building the bytes to sign, parsing, verifying, and the rules that need no secret.
//! What is sealed inside a commit stays an opaque byte string.

pub mod account_state;
pub mod commit;
pub mod device_certificate;

use crate::cbor::CborError;
use crate::id::IdError;
use crate::signature::BadSignature;

/// Why an envelope is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The bytes do not have the envelope's shape.
    #[error("not a well-formed envelope: {0}")]
    Malformed(&'static str),
    /// Its body is not what the format says.
    #[error(transparent)]
    Body(#[from] CborError),
    /// A field that must be an id is not.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The signature does not belong to it.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// It breaks a rule of its kind or of the chain it stands in.
    #[error("breaks a rule: {0}")]
    Rule(&'static str),
}

/// SHA-256 of an envelope: what the next one names as `prev`.
pub type EnvelopeHash = [u8; 32];

/// Splits off the last 64 bytes.
fn split_signature(bytes: &[u8]) -> Result<(&[u8], [u8; 64]), EnvelopeError> {
    bytes
        .split_last_chunk::<64>()
        .map(|(unsigned, signature)| (unsigned, *signature))
        .ok_or(EnvelopeError::Malformed("too short"))
}
