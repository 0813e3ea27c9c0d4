//! References: the clear list beside a snapshot's envelope. How many references to each blob its tree gained or
//! lost against the source's tree before, or with the baseline flag, how many it has.

use sha2::{Digest as _, Sha256};

use crate::bytes::Reader;
use crate::digest::PREFIX;
use crate::id::BlobId;

/// Bytes of one reference in a packed list.
pub const REFERENCE_BYTES: usize = 36;

/// One blob and its change in references, which is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// The blob.
    pub blob: BlobId,
    /// The change, or the count in a baseline.
    pub delta: i32,
}

/// A packed list is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a list of references: {0}")]
pub struct RefsError(&'static str);

/// Packs a list: `(blob_id, i32)*`.
pub fn pack(references: &[Reference]) -> Vec<u8> {
    let mut out = Vec::with_capacity(references.len() * REFERENCE_BYTES);
    for reference in references {
        out.extend(reference.blob.as_bytes());
        out.extend(reference.delta.to_be_bytes());
    }
    out
}

/// Reads a packed list; ids must be strictly ascending and no delta zero.
///
/// # Errors
/// [`RefsError`] naming the rule that is broken.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Reference>, RefsError> {
    let mut reader = Reader(bytes);
    let mut out: Vec<Reference> = Vec::with_capacity(bytes.len() / REFERENCE_BYTES);
    while !reader.is_empty() {
        let (Some(blob), Some(delta)) = (reader.array(), reader.array()) else {
            return Err(RefsError("cut short"));
        };
        let blob = BlobId::from_bytes(blob).map_err(|_| RefsError("a zero id"))?;
        let delta = i32::from_be_bytes(delta);
        if delta == 0 {
            return Err(RefsError("a zero delta"));
        }
        if out.last().is_some_and(|last| last.blob >= blob) {
            return Err(RefsError("ids not strictly ascending"));
        }
        out.push(Reference { blob, delta });
    }
    Ok(out)
}

/// The digest that a snapshot's head carries.
pub fn digest(references: &[Reference]) -> [u8; 32] {
    let count = u32::try_from(references.len()).expect("limited to REFS_PAGES_MAX pages");
    let mut digest = PagedDigest::new(count);
    digest.add(references);
    digest.finish()
}

/// [`digest`], page by page, for lists that need not be in memory at once.
pub struct PagedDigest(Sha256);

impl PagedDigest {
    /// Of a list of that many references.
    pub fn new(count: u32) -> Self {
        Self(Sha256::new().chain_update(PREFIX).chain_update(b"refs\0").chain_update(count.to_be_bytes()))
    }

    /// The next references.
    pub fn add(&mut self, page: &[Reference]) {
        self.0.update(pack(page));
    }

    /// After the last reference.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
