//! The log of a vault.
//!
//! `GET` answers with octets: for each commit a u32 length and the envelope, in order, until
//! [`crate::limits::COMMITS_ANSWER_BYTES_MAX`] is passed. A client asks again until it gets none.

use serde::{Deserialize, Serialize};

use crate::bytes::{Base64, Reader};
use crate::id::{IdempotencyKey, UploadId};

/// Adds a commit that needs no upload session: any but a snapshot.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AppendCommitRequest {
    /// The signed envelope.
    pub envelope: Base64,
    /// Chosen by the client; the same key gets the same answer again.
    pub key: IdempotencyKey,
    /// The list in clear beside the envelope, of those that have one: [`crate::snapshots::pack`] of what is forgotten,
    /// [`crate::purge::pack`] of what is purged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Base64>,
    /// The upload session in which that list was staged instead, of a purge of more blobs than the list takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged: Option<UploadId>,
}

/// The answer is not a list of envelopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a list of commits")]
pub struct CommitListError;

/// Adds an envelope to an answer.
pub fn push_envelope(out: &mut Vec<u8>, envelope: &[u8]) {
    out.extend(crate::digest::length_prefixed(envelope));
}

/// Reads an answer.
///
/// # Errors
/// [`CommitListError`] if it is cut short.
pub fn split_envelopes(bytes: &[u8]) -> Result<Vec<Vec<u8>>, CommitListError> {
    let mut reader = Reader(bytes);
    let mut out = Vec::new();
    while !reader.is_empty() {
        let len = reader.u32().ok_or(CommitListError)?;
        out.push(reader.take(len as usize).ok_or(CommitListError)?.to_vec());
    }
    Ok(out)
}
