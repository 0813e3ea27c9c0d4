//! Blobs whose bytes were compared with their id: the only ones that the store takes.

use bytes::{Bytes, BytesMut};
use protocol::blob_list::StoredBlob;
use sha2::{Digest as _, Sha256};

use super::record::{Kind, RecordHeader};

/// A blob with exactly its bytes.
#[derive(Debug, Clone)]
pub struct VerifiedBlob {
    pub(crate) header: RecordHeader,
    pub(crate) bytes: Bytes,
}

impl VerifiedBlob {
    /// The blob's bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// The bytes are not the blob's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes do not have the blob's SHA-256 and length")]
pub struct NotTheBlob;

/// A blob on its way in, hashed as it arrives.
#[derive(Debug)]
pub struct IncomingBlob {
    blob: StoredBlob,
    bytes: BytesMut,
    hash: Sha256,
}

impl IncomingBlob {
    /// Expects this blob.
    pub fn new(blob: StoredBlob) -> Self {
        Self { blob, bytes: BytesMut::with_capacity(blob.size as usize), hash: Sha256::new() }
    }

    /// Bytes that are still to come.
    pub fn missing(&self) -> usize {
        (self.blob.size as usize).saturating_sub(self.bytes.len())
    }

    /// Adds the next bytes; more than [`Self::missing`] make [`Self::finish`] fail.
    pub fn push(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes.extend_from_slice(bytes);
    }

    /// # Errors
    /// [`NotTheBlob`].
    pub fn finish(self) -> Result<VerifiedBlob, NotTheBlob> {
        let Self { blob, bytes, hash } = self;
        let hash: [u8; 32] = hash.finalize().into();
        if bytes.len() != blob.size as usize || hash != *blob.id.as_bytes() {
            return Err(NotTheBlob);
        }
        let header = RecordHeader {
            kind: Kind::Blob,
            id: blob.id,
            generation: blob.generation,
            len: blob.size,
            payload_crc: crc32c::crc32c(&bytes),
        };
        Ok(VerifiedBlob { header, bytes: bytes.freeze() })
    }
}
