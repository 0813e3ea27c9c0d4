//! Compression of single chunks and tree blobs: zstd level 3, kept where it pays, and bounded on the way back.

use zstd::bulk;
use zstd::zstd_safe;

use crate::chunker::MAX_CHUNK_LEN;

/// No blob's content is longer, in bytes: 4 MiB.
pub const RAW_LEN_MAX: usize = MAX_CHUNK_LEN;

const LEVEL: i32 = 3;
/// A zstd frame begins with it (RFC 8878, section 3.1.1); a skippable frame does not.
const FRAME_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Compresses one content after the other, reusing its memory; no content influences the next.
pub struct Compressor {
    zstd: bulk::Compressor<'static>,
    scratch: Vec<u8>,
}

impl Compressor {
    /// Takes about 2 MB once the first content comes.
    pub fn new() -> Self {
        let zstd = bulk::Compressor::new(LEVEL).expect("level 3 exists and there is no dictionary to load");
        Self { zstd, scratch: Vec::new() }
    }

    /// One zstd frame, if it is shorter than `raw` by at least 1/8. Else `None`: store `raw` as it is.
    ///
    /// `raw` has at most [`RAW_LEN_MAX`] bytes.
    pub fn compress(&mut self, raw: &[u8]) -> Option<Vec<u8>> {
        self.scratch.clear();
        self.scratch.reserve(zstd_safe::compress_bound(raw.len()));
        self.zstd
            .compress_to_buffer(raw, &mut self.scratch)
            .expect("the buffer has the size that zstd asks for at most");
        let saved = raw.len().saturating_sub(self.scratch.len());
        (saved > 0 && saved >= raw.len().div_ceil(8)).then(|| self.scratch.clone())
    }
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

/// A compressed body is not what its frame header says.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// The header claims more than 4 MiB.
    #[error("a content of {0} bytes is longer than any blob's")]
    RawLen(usize),
    /// Not exactly one zstd frame: none, several, a skippable one, or bytes after it.
    #[error("the body is not exactly one zstd frame")]
    NotOneFrame,
    /// The frame is damaged or holds more than the header says.
    #[error("the zstd frame does not decompress into {raw_len} bytes")]
    Frame {
        /// What the header says.
        raw_len: usize,
        /// What zstd says.
        #[source]
        source: std::io::Error,
    },
    /// The frame holds another number of bytes than the header says.
    #[error("the zstd frame holds {actual} bytes instead of {raw_len}")]
    Length {
        /// What the header says.
        raw_len: usize,
        /// What came out.
        actual: usize,
    },
}

/// Decompresses exactly one frame into exactly `raw_len` bytes. Allocates no more than that, whatever the frame claims.
///
/// # Errors
/// [`DecompressError`], before anything is allocated where the lengths tell.
pub fn decompress(body: &[u8], raw_len: usize) -> Result<Vec<u8>, DecompressError> {
    if raw_len > RAW_LEN_MAX {
        return Err(DecompressError::RawLen(raw_len));
    }
    if !body.starts_with(&FRAME_MAGIC) || zstd_safe::find_frame_compressed_size(body) != Ok(body.len()) {
        return Err(DecompressError::NotOneFrame);
    }
    let frame = |source| DecompressError::Frame { raw_len, source };
    let mut raw = Vec::with_capacity(raw_len);
    let mut zstd = bulk::Decompressor::new().map_err(frame)?;
    zstd.decompress_to_buffer(body, &mut raw).map_err(frame)?;
    match raw.len() {
        actual if actual == raw_len => Ok(raw),
        actual => Err(DecompressError::Length { raw_len, actual }),
    }
}
