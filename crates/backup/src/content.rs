//! Where the bytes of a file are: in its entry, in chunks, or in chunks that lists name.

use protocol::cbor::Value;
use protocol::id::BlobId;

use crate::chunker::MAX_CHUNK_LEN;
use crate::format::{FormatError, into_blob_id, into_u32, rule};

/// A file of at most this many bytes lies in its entry: 1 KiB.
pub const INLINE_LEN_MAX: usize = 1024;
/// A file of more chunks has them in chunk lists.
pub(crate) const INLINE_CHUNKS_MAX: usize = 64;

/// A chunk of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRef {
    /// The sealed chunk.
    pub id: BlobId,
    /// Bytes of the file in it: 1 to 4 MiB.
    pub raw_len: u32,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Here. Always so for a file of at most 1 KiB, and for no other.
    Inline(Vec<u8>),
    /// In at most 64 chunks, in their order.
    Chunks(Vec<ChunkRef>),
    /// In more than 64 chunks, named by these chunk lists, in their order.
    Lists(Vec<BlobId>),
}

impl Content {
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Inline(bytes) => Value::bytes(bytes),
            Self::Chunks(chunks) => chunks_to_value(chunks),
            Self::Lists(lists) => {
                let ids = lists.iter().map(|id| Value::bytes(id.as_bytes())).collect();
                Value::Map(vec![(0, Value::Array(ids))])
            }
        }
    }

    pub(crate) fn from_value(value: Value) -> Result<Self, FormatError> {
        match value {
            Value::Bytes(bytes) => Ok(Self::Inline(bytes)),
            Value::Array(_) => Ok(Self::Chunks(chunks_from_value(value)?)),
            _ => {
                let mut fields = value.into_fields()?;
                let ids = fields.need(0)?.into_array()?;
                rule(fields.finish()?.is_empty(), "a content pointer with unknown keys")?;
                Ok(Self::Lists(ids.into_iter().map(into_blob_id).collect::<Result<_, _>>()?))
            }
        }
    }
}

/// A file's content that is stored: all that an entry needs of it, without the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredContent {
    /// Bytes of the file.
    pub size: u64,
    /// BLAKE3 of all of them.
    pub hash: [u8; 32],
    /// Where they are.
    pub content: Content,
}

impl StoredContent {
    /// For whoever keeps it: `[size, hash, content]` with the content as entries have it.
    pub fn encode(&self) -> Vec<u8> {
        let fields = vec![Value::Uint(self.size), Value::bytes(self.hash), self.content.to_value()];
        Value::Array(fields).encode()
    }

    /// # Errors
    /// [`FormatError`] for anything that [`StoredContent::encode`] did not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let [size, hash, content] = Value::decode(bytes)?.into_tuple()?;
        let (size, hash) = (size.into_u64()?, hash.into_byte_array()?);
        let stored = Self { size, hash, content: Content::from_value(content)? };
        check_content(stored.size, &stored.content)?;
        Ok(stored)
    }
}

pub(crate) fn check_content(size: u64, content: &Content) -> Result<(), FormatError> {
    let small = size <= INLINE_LEN_MAX as u64;
    match content {
        Content::Inline(bytes) => {
            rule(small, "an inline file of more than 1 KiB")?;
            rule(bytes.len() as u64 == size, "an inline file's size is not its length")
        }
        Content::Chunks(chunks) => {
            rule(!small, "a file of at most 1 KiB in chunks")?;
            rule(chunks.len() <= INLINE_CHUNKS_MAX, "more than 64 chunks in an entry")?;
            rule(sum_of_chunks(chunks)? == size, "the chunks of a file do not sum to its size")
        }
        // The lists themselves are judged where they are read.
        Content::Lists(lists) => {
            rule(!small, "a file of at most 1 KiB in chunk lists")?;
            rule(!lists.is_empty(), "a file without chunk lists")
        }
    }
}

/// Bytes in all chunks, each of which must have 1 byte to 4 MiB.
pub(crate) fn sum_of_chunks(chunks: &[ChunkRef]) -> Result<u64, FormatError> {
    let valid = chunks.iter().all(|chunk| (1..=MAX_CHUNK_LEN as u32).contains(&chunk.raw_len));
    rule(valid, "a chunk does not have 1 byte to 4 MiB")?;
    Ok(chunks.iter().map(|chunk| u64::from(chunk.raw_len)).sum())
}

pub(crate) fn chunks_to_value(chunks: &[ChunkRef]) -> Value {
    let pair = |chunk: &ChunkRef| {
        Value::Array(vec![Value::bytes(chunk.id.as_bytes()), Value::Uint(chunk.raw_len.into())])
    };
    Value::Array(chunks.iter().map(pair).collect())
}

pub(crate) fn chunks_from_value(value: Value) -> Result<Vec<ChunkRef>, FormatError> {
    let pair = |pair: Value| {
        let [id, raw_len] = pair.into_tuple()?;
        Ok(ChunkRef { id: into_blob_id(id)?, raw_len: into_u32(raw_len)? })
    };
    value.into_array()?.into_iter().map(pair).collect()
}
