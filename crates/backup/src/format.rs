//! What the decoders of all tree blobs share.

use protocol::cbor::{CborError, Value};
use protocol::id::{BlobId, IdError};

use crate::name::NameError;

/// Fields of later versions, which are kept: keys from 64 up, ascending, with their values.
pub type Extensions = Vec<(u64, Value)>;

/// Bytes or values break a rule of the tree format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The bytes are not deterministic CBOR of the expected shape.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// An id is not one.
    #[error("a blob id is not valid")]
    Id(#[from] IdError),
    /// A name is not one.
    #[error("an entry's name is not valid")]
    Name(#[from] NameError),
    /// Well-formed, but against a rule.
    #[error("{0}")]
    Rule(&'static str),
}

pub(crate) fn rule(holds: bool, rule: &'static str) -> Result<(), FormatError> {
    if holds { Ok(()) } else { Err(FormatError::Rule(rule)) }
}

pub(crate) fn into_blob_id(value: Value) -> Result<BlobId, FormatError> {
    Ok(BlobId::from_bytes(value.into_byte_array()?)?)
}

pub(crate) fn into_u32(value: Value) -> Result<u32, FormatError> {
    u32::try_from(value.into_u64()?).map_err(|_| FormatError::Rule("a number has more than 32 bits"))
}
