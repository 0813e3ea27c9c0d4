//! How the engine reads and writes blobs, without knowing how they are sealed or where they are kept.

use crypto::blob::BlobKind;
use protocol::id::BlobId;

use crate::format::FormatError;
use crate::name::{Name, PATH_DEPTH_MAX};

/// Where tree blobs come from: opened, verified and decompressed.
#[expect(
    async_fn_in_trait,
    reason = "clients run in wasm workers and on current-thread runtimes: no Send needed"
)]
pub trait BlobSource {
    /// Why a blob could not be had.
    type Error: std::error::Error + 'static;

    /// The authenticated kind, which is one of `expected`, and the content of a blob.
    async fn get(&self, id: &BlobId, expected: &[BlobKind]) -> Result<(BlobKind, Vec<u8>), Self::Error>;

    /// Tells that these tree blobs, at most [`PREFETCH_MAX`], are asked for next, one by one. A source that is far away
    /// gets them together. What it cannot get, [`Self::get`] tells.
    async fn prefetch(&self, ids: &[BlobId]);
}

/// Tree blobs that are announced together.
pub const PREFETCH_MAX: usize = 64;

/// Announces what is asked for one by one, some at a time.
pub(crate) struct Ahead<'a, S> {
    source: &'a S,
    ids: Vec<BlobId>,
    asked: usize,
}

impl<'a, S: BlobSource> Ahead<'a, S> {
    /// Of these blobs, in the order in which they are asked for.
    pub(crate) fn new(source: &'a S, ids: impl IntoIterator<Item = BlobId>) -> Self {
        Self { source, ids: ids.into_iter().collect(), asked: 0 }
    }

    /// The next of them is asked for.
    pub(crate) async fn step(&mut self) {
        if self.asked.is_multiple_of(PREFETCH_MAX) {
            let next = self.ids.iter().skip(self.asked).take(PREFETCH_MAX).copied().collect::<Vec<_>>();
            self.source.prefetch(&next).await;
        }
        self.asked += 1;
    }
}

/// Where tree blobs go: to be compressed, sealed and stored.
#[expect(
    async_fn_in_trait,
    reason = "clients run in wasm workers and on current-thread runtimes: no Send needed"
)]
pub trait BlobSink {
    /// Why a blob could not be taken.
    type Error: std::error::Error + 'static;

    /// Takes a content of at most 4 MiB. Equal contents of one kind have equal ids.
    async fn put(&mut self, kind: BlobKind, raw: Vec<u8>) -> Result<BlobId, Self::Error>;
}

/// Reading or writing a tree failed. `E` is the error of the blob source or sink.
#[derive(Debug, thiserror::Error)]
pub enum TreeError<E: std::error::Error + 'static> {
    /// The source did not give a blob.
    #[error("reading tree blob {id}")]
    Read {
        /// The blob.
        id: BlobId,
        /// What the source says.
        #[source]
        source: E,
    },
    /// The sink did not take a blob.
    #[error("writing a tree blob")]
    Write(#[source] E),
    /// A blob was given, and breaks a rule of the format.
    #[error("tree blob {id} breaks the format")]
    Malformed {
        /// The blob.
        id: BlobId,
        /// The rule.
        #[source]
        source: FormatError,
    },
    /// What is to be written breaks a rule of the format.
    #[error("an entry to be written breaks the format")]
    Unwritable(#[source] FormatError),
    /// A directory lies deeper than the format allows.
    #[error("a path has more than {PATH_DEPTH_MAX} components")]
    TooDeep,
    /// A path leads through something that is not a directory.
    #[error("{0} is not a directory")]
    NotADirectory(Name),
    /// A blob is referenced more than 2^31 times.
    #[error("blob {0} is referenced too often to be counted")]
    TooManyReferences(BlobId),
}

impl<E: std::error::Error + 'static> TreeError<E> {
    pub(crate) fn malformed(id: &BlobId) -> impl FnOnce(FormatError) -> Self {
        let id = *id;
        move |source| Self::Malformed { id, source }
    }
}

/// Reads a blob of exactly one kind.
pub(crate) async fn get_one<S: BlobSource>(
    source: &S,
    id: &BlobId,
    kind: BlobKind,
) -> Result<Vec<u8>, TreeError<S::Error>> {
    let (_, raw) = source.get(id, &[kind]).await.map_err(|source| TreeError::Read { id: *id, source })?;
    Ok(raw)
}
