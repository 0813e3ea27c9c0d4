//! Storing the content of a file: read in slices, cut, sealed and sent while the next slices are being read.

use std::rc::Rc;

use ::backup::{ChunkRef, Content, FileSplitter, Remainder, StoredContent, write_content};
use crypto::blob::BlobKind;
use futures_util::future::{Either, LocalBoxFuture, pending, select};
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use protocol::id::BlobId;
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::platform::ReadAt;
use crate::progress::Progress;
use crate::upload::Uploader;

/// Files are read in slices of this size.
const SLICE_BYTES: usize = 4 << 20;
/// Bytes of files between reading and cutting, beside the memory that sealed blobs count against.
const READING_BYTES: usize = 32 << 20;
/// What a file counts at least, so that not all small files are open at once.
const SMALL_FILE_BYTES: u64 = 256 << 10;
/// What a file of more than one slice counts: slices, and the chunk that is being cut.
const LARGE_FILE_BYTES: u64 = 16 << 20;
/// Chunks of one file that are sealed at the same time.
const CHUNKS_AT_ONCE: usize = 4;

/// What a chunk is recognised by: B3 under the vault's fingerprint key.
pub type Fingerprint = [u8; 32];

/// Looks a chunk up.
pub type FindChunk = Box<dyn Fn(&Fingerprint) -> Option<BlobId>>;

/// A caller's memory of chunks that the vault holds, which are then neither sealed nor sent again.
///
/// What is learnt counts only once the snapshot it was learnt in is committed.
pub struct KnownChunks {
    /// The blob of a chunk, if it is known.
    pub find: FindChunk,
    /// A chunk was sealed as this blob.
    pub learn: Box<dyn Fn(Fingerprint, BlobId)>,
}

/// Stores the contents of files, many small ones or a few large ones at the same time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ContentWriter {
    uploader: Uploader,
    known: Option<Rc<KnownChunks>>,
    turns: Rc<Semaphore>,
    progress: Rc<Progress>,
}

impl ContentWriter {
    pub(crate) fn new(uploader: Uploader, known: Option<Rc<KnownChunks>>, progress: Rc<Progress>) -> Self {
        Self { uploader, known, turns: Rc::new(Semaphore::new(READING_BYTES)), progress }
    }

    /// Reads a file to its end and stores its chunks. `size` is what is known of its length; what is read counts.
    /// The inner error is the file's own, and stops nothing.
    pub(crate) async fn store(
        &self,
        reader: &dyn ReadAt,
        size: u64,
    ) -> Result<Result<StoredContent, String>, Error> {
        let cost = if size > SLICE_BYTES as u64 { LARGE_FILE_BYTES } else { size.max(SMALL_FILE_BYTES) };
        let _turn = self.turns.acquire_many(cost as u32).await.expect("never closed");
        let mut splitter = FileSplitter::new(&self.uploader.sip_keys());
        let mut sealing = FuturesOrdered::new();
        let mut chunks = Vec::new();
        let mut offset = 0;
        loop {
            let reading = reader.read_at(offset, SLICE_BYTES);
            let slice = match read_and_seal(reading, &mut sealing, &mut chunks).await? {
                Ok(slice) => slice,
                Err(reason) => return Ok(Err(reason)),
            };
            offset += slice.len() as u64;
            for chunk in splitter.push(&slice) {
                sealing.push_back(self.store_chunk(chunk));
            }
            self.progress.update(|it| it.bytes_read += slice.len() as u64);
            if slice.len() < SLICE_BYTES {
                break;
            }
        }
        let split = splitter.finish();
        let mut inline = None;
        match split.remainder {
            Remainder::Inline(bytes) => inline = Some(bytes),
            Remainder::Chunk(chunk) => sealing.push_back(self.store_chunk(chunk)),
            Remainder::Nothing => {}
        }
        while let Some(chunk) = sealing.next().await {
            chunks.push(chunk?);
        }
        let content = match inline {
            Some(bytes) => Content::Inline(bytes),
            None => write_content(&mut self.uploader.clone(), chunks).await?,
        };
        self.progress.update(|it| it.files_done += 1);
        Ok(Ok(StoredContent { size: split.size, hash: split.hash, content }))
    }

    async fn store_chunk(&self, chunk: Vec<u8>) -> Result<ChunkRef, Error> {
        let raw_len = chunk.len() as u32;
        let Some(known) = &self.known else {
            return Ok(ChunkRef { id: self.uploader.store(BlobKind::Chunk, chunk).await?, raw_len });
        };
        let fingerprint = self.uploader.fingerprint(&chunk);
        if let Some(id) = (known.find)(&fingerprint) {
            return Ok(ChunkRef { id, raw_len });
        }
        let id = self.uploader.store(BlobKind::Chunk, chunk).await?;
        (known.learn)(fingerprint, id);
        Ok(ChunkRef { id, raw_len })
    }
}

/// The next slice, once few enough chunks of those before are still being sealed. Neither waits for the other.
async fn read_and_seal(
    mut reading: LocalBoxFuture<'_, Result<Vec<u8>, String>>,
    sealing: &mut FuturesOrdered<impl Future<Output = Result<ChunkRef, Error>>>,
    sealed: &mut Vec<ChunkRef>,
) -> Result<Result<Vec<u8>, String>, Error> {
    let mut slice = None;
    loop {
        slice = match slice {
            Some(slice) if sealing.len() <= CHUNKS_AT_ONCE => return Ok(slice),
            slice => slice,
        };
        let is_read = slice.is_some();
        let read = async { if is_read { pending().await } else { (&mut reading).await } };
        let seal = async {
            match sealing.next().await {
                Some(chunk) => chunk,
                None => pending().await,
            }
        };
        match select(std::pin::pin!(read), std::pin::pin!(seal)).await {
            Either::Left((read, _)) => slice = Some(read),
            Either::Right((chunk, _)) => sealed.push(chunk?),
        }
    }
}
