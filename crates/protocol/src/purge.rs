//! The list beside a commit that deletes blobs for good: out of all history, as no snapshot in force needs them.

use sha2::{Digest as _, Sha256};

use crate::blob_list::pack_ids;
use crate::bytes::{Base64, Reader};
use crate::digest::PREFIX;
use crate::id::BlobId;
use crate::limits::PURGE_BLOBS_MAX;

/// A packed list is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a list of blobs to purge: {0}")]
pub struct PurgeListError(&'static str);

/// Packs ids.
pub fn pack(blobs: &[BlobId]) -> Base64 {
    pack_ids(blobs)
}

/// Reads the ids of a list or a page: at least one, at most 10,000, strictly ascending.
///
/// # Errors
/// [`PurgeListError`] naming the rule that is broken.
pub fn unpack(bytes: &[u8]) -> Result<Vec<BlobId>, PurgeListError> {
    let mut reader = Reader(bytes);
    let mut out: Vec<BlobId> = Vec::new();
    while !reader.is_empty() {
        let id = reader.array().ok_or(PurgeListError("cut short"))?;
        let id = BlobId::from_bytes(id).map_err(|_| PurgeListError("a zero id"))?;
        if out.last().is_some_and(|last| *last >= id) {
            return Err(PurgeListError("ids not strictly ascending"));
        }
        out.push(id);
    }
    if out.is_empty() || out.len() > PURGE_BLOBS_MAX {
        return Err(PurgeListError("none, or too many"));
    }
    Ok(out)
}

/// The digest that the head of the commit carries.
pub fn digest(blobs: &[BlobId]) -> [u8; 32] {
    let mut digest = PagedDigest::new(u32::try_from(blobs.len()).expect("limited to PURGE_PAGES_MAX pages"));
    digest.add(blobs);
    digest.finish()
}

/// [`digest`], page by page, for lists that need not be in memory at once.
pub struct PagedDigest(Sha256);

impl PagedDigest {
    /// Of a list of that many blobs.
    pub fn new(count: u32) -> Self {
        Self(Sha256::new().chain_update(PREFIX).chain_update(b"purge\0").chain_update(count.to_be_bytes()))
    }

    /// The next blobs.
    pub fn add(&mut self, page: &[BlobId]) {
        self.0.update(pack(page).0);
    }

    /// After the last blob.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
