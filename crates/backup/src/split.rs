//! A file as it is read: its chunks, its size and its hash, in one pass.

use crypto::vault::SipKeys;

use crate::chunker::Chunker;
use crate::content::INLINE_LEN_MAX;

/// Takes the bytes of one file in slices of any size and gives its chunks. Holds at most one chunk, 4 MiB.
pub struct FileSplitter {
    chunker: Chunker,
    hasher: blake3::Hasher,
    pending: Vec<u8>,
    size: u64,
}

/// What is known once the whole file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitFile {
    /// The bytes that were not in any chunk yet.
    pub remainder: Remainder,
    /// Bytes of the whole file.
    pub size: u64,
    /// BLAKE3 of the whole file.
    pub hash: [u8; 32],
}

/// The end of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remainder {
    /// The whole file, which is so small that it goes into its entry; there are no chunks.
    Inline(Vec<u8>),
    /// The last chunk.
    Chunk(Vec<u8>),
    /// Nothing: the file ended with the chunk given last.
    Nothing,
}

impl FileSplitter {
    /// For one file of the vault that the keys belong to.
    pub fn new(keys: &SipKeys) -> Self {
        Self { chunker: Chunker::new(keys), hasher: blake3::Hasher::new(), pending: Vec::new(), size: 0 }
    }

    /// Reads on and returns the chunks that end within `data`, in order.
    pub fn push(&mut self, mut data: &[u8]) -> Vec<Vec<u8>> {
        self.hasher.update(data);
        self.size += data.len() as u64;
        let mut chunks = Vec::new();
        while let Some(cut) = self.chunker.next_cut(data) {
            let (end, rest) = data.split_at(cut);
            let mut chunk = std::mem::take(&mut self.pending);
            chunk.extend_from_slice(end);
            chunks.push(chunk);
            data = rest;
        }
        self.pending.extend_from_slice(data);
        chunks
    }

    /// Ends the file.
    pub fn finish(self) -> SplitFile {
        let remainder = if self.size <= INLINE_LEN_MAX as u64 {
            Remainder::Inline(self.pending)
        } else if self.pending.is_empty() {
            Remainder::Nothing
        } else {
            Remainder::Chunk(self.pending)
        };
        SplitFile { remainder, size: self.size, hash: self.hasher.finalize().into() }
    }
}
