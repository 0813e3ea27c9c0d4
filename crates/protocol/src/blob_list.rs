//! Packed lists of blobs, and the digest by which a grant names one.

use crate::bytes::{Base64, Reader};
use crate::digest::{PREFIX, sha256};
use crate::id::BlobId;
use crate::limits::{BLOB_BYTES_MAX, BLOB_BYTES_MIN, GROUP_BLOBS_MAX, PLAN_BLOBS_MAX};

/// A blob and how many bytes it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SizedBlob {
    /// SHA-256 of the whole blob.
    pub id: BlobId,
    /// Its bytes.
    pub size: u32,
}

/// A blob as nodes store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredBlob {
    /// SHA-256 of the whole blob.
    pub id: BlobId,
    /// Its bytes.
    pub size: u32,
    /// Counts from 1; one more each time the blob was condemned to deletion.
    pub generation: u32,
}

/// A packed list is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a list of blobs: {0}")]
pub struct BlobListError(&'static str);

/// Packs `(id, size)*`.
pub fn pack_sized(blobs: &[SizedBlob]) -> Base64 {
    let mut out = Vec::with_capacity(blobs.len() * 36);
    for blob in blobs {
        out.extend(blob.id.as_bytes());
        out.extend(blob.size.to_be_bytes());
    }
    Base64(out)
}

/// Reads `(id, size)*`: at most 1000, sizes that a blob can have, no id twice.
///
/// # Errors
/// [`BlobListError`] naming the rule that is broken.
pub fn unpack_sized(bytes: &Base64) -> Result<Vec<SizedBlob>, BlobListError> {
    let blobs = unpack(&bytes.0, |reader| Some((BlobId::from_field(reader.array()?), reader.u32()?)))?;
    let blobs = blobs
        .into_iter()
        .map(|(id, size)| {
            Ok(SizedBlob { id: id.ok_or(BlobListError("a zero id"))?, size: checked_size(size)? })
        })
        .collect::<Result<Vec<_>, _>>()?;
    check_list(blobs.iter().map(|blob| blob.id), PLAN_BLOBS_MAX)?;
    Ok(blobs)
}

/// Packs `(id, size, generation)*`.
pub fn pack_stored(blobs: &[StoredBlob]) -> Base64 {
    Base64(stored_bytes(blobs))
}

/// Reads `(id, size, generation)*`: at most 256, sizes that a blob can have, no id twice.
///
/// # Errors
/// [`BlobListError`] naming the rule that is broken.
pub fn unpack_stored(bytes: &Base64) -> Result<Vec<StoredBlob>, BlobListError> {
    let blobs = unpack(&bytes.0, read_stored)?;
    let blobs =
        blobs.into_iter().collect::<Option<Vec<_>>>().ok_or(BlobListError("a zero id or generation"))?;
    for blob in &blobs {
        checked_size(blob.size)?;
    }
    check_list(blobs.iter().map(|blob| blob.id), GROUP_BLOBS_MAX)?;
    Ok(blobs)
}

/// Reads one part of an inventory, `(id, size, generation)*` of any number: ids ascend and begin with the part's byte.
///
/// # Errors
/// [`BlobListError`] naming the rule that is broken.
pub fn unpack_inventory(part: u8, bytes: &[u8]) -> Result<Vec<StoredBlob>, BlobListError> {
    let blobs = unpack(bytes, read_stored)?;
    let blobs =
        blobs.into_iter().collect::<Option<Vec<_>>>().ok_or(BlobListError("a zero id or generation"))?;
    if blobs.iter().any(|blob| blob.id.as_bytes()[0] != part) {
        return Err(BlobListError("an id of another part"));
    }
    if blobs.windows(2).any(|pair| pair[0].id >= pair[1].id) {
        return Err(BlobListError("ids that do not ascend"));
    }
    Ok(blobs)
}

/// Packs ids.
pub fn pack_ids(ids: &[BlobId]) -> Base64 {
    Base64(ids.iter().flat_map(|id| *id.as_bytes()).collect())
}

/// Reads ids: at most 1000, none twice.
///
/// # Errors
/// [`BlobListError`] naming the rule that is broken.
pub fn unpack_ids(bytes: &Base64) -> Result<Vec<BlobId>, BlobListError> {
    let ids = unpack(&bytes.0, |reader| Some(BlobId::from_field(reader.array()?)))?;
    let ids = ids.into_iter().collect::<Option<Vec<_>>>().ok_or(BlobListError("a zero id"))?;
    check_list(ids.iter().copied(), PLAN_BLOBS_MAX)?;
    Ok(ids)
}

/// The digest of a list by which a grant names it: over the list sorted by id.
pub fn digest(blobs: &[StoredBlob]) -> [u8; 32] {
    let mut sorted = blobs.to_vec();
    sorted.sort_unstable();
    let count = u32::try_from(sorted.len()).expect("limited to GROUP_BLOBS_MAX");
    sha256(&[PREFIX, b"blobs\0", &count.to_be_bytes(), &stored_bytes(&sorted)])
}

pub(crate) fn stored_bytes(blobs: &[StoredBlob]) -> Vec<u8> {
    let mut out = Vec::with_capacity(blobs.len() * 40);
    for blob in blobs {
        out.extend(blob.id.as_bytes());
        out.extend(blob.size.to_be_bytes());
        out.extend(blob.generation.to_be_bytes());
    }
    out
}

/// The outer option says that bytes are missing, the inner that a field is zero.
#[expect(clippy::option_option, reason = "two different refusals, told apart by the callers")]
pub(crate) fn read_stored(reader: &mut Reader<'_>) -> Option<Option<StoredBlob>> {
    let id = BlobId::from_field(reader.array()?);
    let size = reader.u32()?;
    let generation = reader.u32()?;
    Some(id.filter(|_| generation > 0).map(|id| StoredBlob { id, size, generation }))
}

fn unpack<T>(
    bytes: &[u8],
    mut read: impl FnMut(&mut Reader<'_>) -> Option<T>,
) -> Result<Vec<T>, BlobListError> {
    let mut reader = Reader(bytes);
    let mut out = Vec::new();
    while !reader.is_empty() {
        out.push(read(&mut reader).ok_or(BlobListError("cut short"))?);
    }
    Ok(out)
}

fn checked_size(size: u32) -> Result<u32, BlobListError> {
    if (BLOB_BYTES_MIN..=BLOB_BYTES_MAX).contains(&size) {
        Ok(size)
    } else {
        Err(BlobListError("a size that no blob has"))
    }
}

fn check_list(ids: impl Iterator<Item = BlobId>, count_max: usize) -> Result<(), BlobListError> {
    let mut ids: Vec<_> = ids.collect();
    if ids.is_empty() || ids.len() > count_max {
        return Err(BlobListError("none, or too many"));
    }
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(BlobListError("an id twice"));
    }
    Ok(())
}
