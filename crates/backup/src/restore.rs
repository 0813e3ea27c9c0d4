//! What to fetch for one file and in which order, and whether the bytes that came are the file.

use crypto::blob::BlobKind;
use protocol::id::BlobId;

use crate::blobs::{Ahead, BlobSource, TreeError, get_one};
use crate::content::{ChunkRef, Content, INLINE_CHUNKS_MAX, sum_of_chunks};
use crate::directory::ChunkList;
use crate::format::rule;

/// How to get the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePlan {
    /// They are here.
    Inline(Vec<u8>),
    /// They are in these chunks, in this order, without gaps.
    Chunks(Vec<Piece>),
}

/// One chunk and its place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The sealed chunk.
    pub id: BlobId,
    /// Bytes of the file in it.
    pub raw_len: u32,
    /// Where they begin in the file.
    pub offset: u64,
}

/// Plans the reading of a file of `size` bytes; reads its chunk lists, if it has any.
///
/// # Errors
/// [`TreeError::Read`], or [`TreeError::Malformed`] with the list after which the chunks no longer fit the file.
pub async fn plan_file<S: BlobSource>(
    source: &S,
    size: u64,
    content: &Content,
) -> Result<FilePlan, TreeError<S::Error>> {
    let lists = match content {
        Content::Inline(bytes) => return Ok(FilePlan::Inline(bytes.clone())),
        Content::Chunks(chunks) => return Ok(FilePlan::Chunks(place(chunks))),
        Content::Lists(lists) => lists,
    };
    let mut chunks = Vec::new();
    let mut sum = 0;
    let mut ahead = Ahead::new(source, lists.iter().copied());
    for (id, position) in lists.iter().zip(1..) {
        ahead.step().await;
        let list = read_chunk_list(source, id).await?;
        sum += sum_of_chunks(&list).map_err(TreeError::malformed(id))?;
        chunks.extend(list);
        let is_last = position == lists.len();
        let fits = if is_last { sum == size } else { sum < size };
        rule(fits, "the chunk lists of a file do not sum to its size")
            .and(rule(
                !is_last || chunks.len() > INLINE_CHUNKS_MAX,
                "a file of at most 64 chunks in chunk lists",
            ))
            .map_err(TreeError::malformed(id))?;
    }
    Ok(FilePlan::Chunks(place(&chunks)))
}

pub(crate) async fn read_chunk_list<S: BlobSource>(
    source: &S,
    id: &BlobId,
) -> Result<Vec<ChunkRef>, TreeError<S::Error>> {
    let raw = get_one(source, id, BlobKind::ChunkList).await?;
    Ok(ChunkList::decode(&raw).map_err(TreeError::malformed(id))?.chunks)
}

fn place(chunks: &[ChunkRef]) -> Vec<Piece> {
    let mut offset = 0;
    let piece = |chunk: &ChunkRef| {
        let piece = Piece { id: chunk.id, raw_len: chunk.raw_len, offset };
        offset += u64::from(chunk.raw_len);
        piece
    };
    chunks.iter().map(piece).collect()
}

/// The bytes that came are not those of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// More or fewer bytes.
    #[error("the file has {actual} bytes instead of {size}")]
    Size {
        /// What the entry says.
        size: u64,
        /// What came, up to the first byte too many.
        actual: u64,
    },
    /// As many bytes, but others.
    #[error("the file's content does not have the recorded hash")]
    Hash,
}

/// Checks a file against its entry while it is written, without holding it.
pub struct FileVerifier {
    hasher: blake3::Hasher,
    seen: u64,
    size: u64,
    hash: [u8; 32],
}

impl FileVerifier {
    /// `size` and `hash` are those of the entry.
    pub fn new(size: u64, hash: [u8; 32]) -> Self {
        Self { hasher: blake3::Hasher::new(), seen: 0, size, hash }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// [`VerifyError::Size`] as soon as there are too many.
    pub fn update(&mut self, data: &[u8]) -> Result<(), VerifyError> {
        self.seen += data.len() as u64;
        if self.seen > self.size {
            return Err(VerifyError::Size { size: self.size, actual: self.seen });
        }
        self.hasher.update(data);
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`VerifyError`] if it is not the file of the entry.
    pub fn finish(self) -> Result<(), VerifyError> {
        if self.seen != self.size {
            return Err(VerifyError::Size { size: self.size, actual: self.seen });
        }
        if self.hasher.finalize() == blake3::Hash::from_bytes(self.hash) {
            Ok(())
        } else {
            Err(VerifyError::Hash)
        }
    }
}
