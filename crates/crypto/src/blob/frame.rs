//! The frame inside a blob: what its content is, how it was compressed, and zeros that hide its exact size.

use crate::error::OpenError;
use crate::padding::padded_len;

const HEAD_LEN: usize = 10;
/// The longest content of one blob before compression, in bytes.
pub const RAW_LEN_MAX: usize = 4 << 20;

/// What a blob holds. Storage nodes do not see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BlobKind {
    /// A piece of a file.
    Chunk = 0x10,
    /// A directory, or one page of a big one.
    Directory = 0x11,
    /// The chunk list of a big file.
    ChunkList = 0x12,
    /// The page index of a big directory.
    PageIndex = 0x13,
}

impl BlobKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Chunk, Self::Directory, Self::ChunkList, Self::PageIndex];
}

/// How a frame's body was made from its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// The content itself.
    Stored = 0,
    /// One zstd frame.
    Zstd = 1,
}

/// Content that no frame can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More than 4 MiB.
    #[error("{raw_len} bytes are more than one blob holds ({RAW_LEN_MAX})")]
    TooLong {
        /// Bytes before compression.
        raw_len: usize,
    },
    /// Such content is stored as it is.
    #[error("the compressed body ({body_len} bytes) is not smaller than its content ({raw_len} bytes)")]
    NotSmaller {
        /// Bytes after compression.
        body_len: usize,
        /// Bytes before.
        raw_len: usize,
    },
}

/// A frame to seal. Its lengths are within the format's bounds.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    kind: BlobKind,
    codec: Codec,
    raw_len: u32,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A frame of content as it is, at most 4 MiB.
    pub fn stored(kind: BlobKind, raw: &'a [u8]) -> Result<Self, FrameError> {
        let raw_len = checked_raw_len(raw.len())?;
        Ok(Self { kind, codec: Codec::Stored, raw_len, body: raw })
    }

    /// A frame of one zstd frame, which must be smaller than the `raw_len` bytes that it decompresses to.
    pub fn zstd(kind: BlobKind, raw_len: usize, body: &'a [u8]) -> Result<Self, FrameError> {
        if body.len() >= raw_len {
            return Err(FrameError::NotSmaller { body_len: body.len(), raw_len });
        }
        Ok(Self { kind, codec: Codec::Zstd, raw_len: checked_raw_len(raw_len)?, body })
    }

    pub(super) fn padded_len(&self) -> usize {
        padded_len(HEAD_LEN + self.body.len())
    }

    /// Appends the whole frame, padding included.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.padded_len();
        let body_len = u32::try_from(self.body.len()).expect("a body is at most 4 MiB");
        out.extend_from_slice(&[self.kind as u8, self.codec as u8]);
        out.extend_from_slice(&self.raw_len.to_be_bytes());
        out.extend_from_slice(&body_len.to_be_bytes());
        out.extend_from_slice(self.body);
        out.resize(end, 0);
    }
}

fn checked_raw_len(raw_len: usize) -> Result<u32, FrameError> {
    match u32::try_from(raw_len) {
        Ok(len) if raw_len <= RAW_LEN_MAX => Ok(len),
        _ => Err(FrameError::TooLong { raw_len }),
    }
}

/// A frame that was opened, and whose head and padding are right. The body is still compressed as the codec says.
#[derive(Debug, PartialEq, Eq)]
pub struct OpenedFrame {
    /// What it holds: one of the kinds that were expected.
    pub kind: BlobKind,
    /// How the body was made.
    pub codec: Codec,
    /// How many bytes the body must decompress to, at most 4 MiB; for [`Codec::Stored`] the body's own length.
    pub raw_len: usize,
    frame: Vec<u8>,
    body_end: usize,
}

impl OpenedFrame {
    pub(super) fn parse(frame: Vec<u8>, expected: &[BlobKind]) -> Result<Self, OpenError> {
        let head: &[u8; HEAD_LEN] = frame.first_chunk().ok_or(OpenError::Refused)?;
        let [kind, codec, raw @ .., b0, b1, b2, b3] = *head;
        let kind = *expected.iter().find(|expected| **expected as u8 == kind).ok_or(OpenError::Refused)?;
        let codec = match codec {
            0 => Codec::Stored,
            1 => Codec::Zstd,
            _ => return Err(OpenError::Refused),
        };
        let raw_len = u32::from_be_bytes(raw) as usize;
        let body_len = u32::from_be_bytes([b0, b1, b2, b3]) as usize;
        let stored_as_is = codec != Codec::Stored || body_len == raw_len;
        let body_end =
            body_len.checked_add(HEAD_LEN).filter(|end| *end <= frame.len()).ok_or(OpenError::Refused)?;
        let padding_is_right =
            padded_len(body_end) == frame.len() && frame[body_end..].iter().all(|byte| *byte == 0);
        if raw_len > RAW_LEN_MAX || !stored_as_is || !padding_is_right {
            return Err(OpenError::Refused);
        }
        Ok(Self { kind, codec, raw_len, frame, body_end })
    }

    /// The content, or what decompresses to it.
    pub fn body(&self) -> &[u8] {
        &self.frame[HEAD_LEN..self.body_end]
    }
}
