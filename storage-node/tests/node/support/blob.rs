//! Blobs with content, and how a batch of them looks.

use std::path::Path;

use protocol::blob_list::StoredBlob;
use protocol::data_plane::PutHeader;
use protocol::digest::sha256;
use protocol::id::BlobId;

/// A blob with content.
#[derive(Clone, Debug)]
pub struct Blob {
    pub stored: StoredBlob,
    pub bytes: bytes::Bytes,
}

impl Blob {
    pub fn of(bytes: Vec<u8>) -> Self {
        let id = BlobId::from_bytes(sha256(&[&bytes])).expect("not zero");
        let size = u32::try_from(bytes.len()).expect("small");
        Self { stored: StoredBlob { id, size, generation: 1 }, bytes: bytes.into() }
    }

    /// Bytes of this size that look random, others for each seed.
    pub fn random(seed: u64, size: usize) -> Self {
        let mut bytes = Vec::with_capacity(size + 32);
        for counter in 0_u64.. {
            if bytes.len() >= size {
                break;
            }
            bytes.extend(sha256(&[&seed.to_be_bytes(), &counter.to_be_bytes()]));
        }
        bytes.truncate(size);
        Self::of(bytes)
    }

    pub fn at_generation(mut self, generation: u32) -> Self {
        self.stored.generation = generation;
        self
    }
}

pub fn list(blobs: &[Blob]) -> Vec<StoredBlob> {
    blobs.iter().map(|blob| blob.stored).collect()
}

pub fn batch_body(header: &PutHeader, blobs: &[Blob]) -> Vec<u8> {
    let mut body = header.to_bytes();
    for blob in blobs {
        body.extend_from_slice(&blob.bytes);
    }
    body
}

/// Flips a bit in the middle of every record of a blob.
pub fn damage(data: &Path, blob: &Blob) {
    for pack in super::packs(data) {
        let mut bytes = std::fs::read(&pack).expect("readable");
        let front = &blob.bytes[..16.min(blob.bytes.len())];
        let starts = (0..bytes.len()).step_by(8).filter(|at| bytes[*at..].starts_with(front));
        let starts: Vec<_> = starts.collect();
        for at in starts {
            bytes[at + blob.bytes.len() / 2] ^= 0x10;
        }
        std::fs::write(pack, bytes).expect("writable");
    }
}
