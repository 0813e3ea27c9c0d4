//! Unsealed blobs in memory, and builders for what the tests put there.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use backup::{
    BlobSink, BlobSource, ChunkRef, Content, Entry, Name, Node, PREFETCH_MAX, TreeError, WrittenDirectory,
};
use crypto::blob::BlobKind;
use protocol::id::BlobId;
use sha2::{Digest, Sha256};

/// Content-addressed like the real thing: one kind and content, one id.
#[derive(Default)]
pub(crate) struct Store {
    blobs: RefCell<HashMap<BlobId, (BlobKind, Vec<u8>)>>,
    pub(crate) reads: Cell<usize>,
    /// Of these, how many nobody announced.
    pub(crate) surprises: Cell<usize>,
    announced: RefCell<HashSet<BlobId>>,
    pub(crate) writes: Cell<usize>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("no such blob")]
    Missing,
    #[error("a blob of another kind")]
    Kind,
}

pub(crate) type Result<T> = std::result::Result<T, TreeError<StoreError>>;

impl BlobSource for Store {
    type Error = StoreError;

    async fn get(
        &self,
        id: &BlobId,
        expected: &[BlobKind],
    ) -> std::result::Result<(BlobKind, Vec<u8>), StoreError> {
        self.reads.set(self.reads.get() + 1);
        if !self.announced.borrow().contains(id) {
            self.surprises.set(self.surprises.get() + 1);
        }
        let (kind, raw) = self.blobs.borrow().get(id).cloned().ok_or(StoreError::Missing)?;
        if expected.contains(&kind) { Ok((kind, raw)) } else { Err(StoreError::Kind) }
    }

    async fn prefetch(&self, ids: &[BlobId]) {
        assert!(ids.len() <= PREFETCH_MAX, "{} blobs at once", ids.len());
        self.announced.borrow_mut().extend(ids);
    }
}

impl BlobSink for &Store {
    type Error = StoreError;

    async fn put(&mut self, kind: BlobKind, raw: Vec<u8>) -> std::result::Result<BlobId, StoreError> {
        self.writes.set(self.writes.get() + 1);
        Ok(self.insert(kind, raw))
    }
}

impl Store {
    pub(crate) fn insert(&self, kind: BlobKind, raw: Vec<u8>) -> BlobId {
        let digest = Sha256::new().chain_update([kind as u8]).chain_update(&raw).finalize();
        let id = BlobId::from_bytes(digest.into()).unwrap();
        self.blobs.borrow_mut().insert(id, (kind, raw));
        id
    }

    pub(crate) fn raw(&self, id: &BlobId) -> (BlobKind, Vec<u8>) {
        self.blobs.borrow()[id].clone()
    }

    pub(crate) fn write(&self, entries: Vec<Entry>) -> WrittenDirectory {
        let mut sink = self;
        ready(backup::write_directory(&mut sink, entries)).unwrap()
    }
}

/// The result of a future that never waits.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the store in memory never waits"),
    }
}

pub(crate) fn name(text: impl AsRef<str>) -> Name {
    Name::new(text.as_ref()).unwrap()
}

pub(crate) fn path(text: &str) -> Vec<Name> {
    text.split('/').filter(|part| !part.is_empty()).map(name).collect()
}

pub(crate) fn blob(number: u64) -> BlobId {
    BlobId::from_bytes(Sha256::digest(number.to_be_bytes()).into()).unwrap()
}

pub(crate) fn file(text: impl AsRef<str>, content: Content) -> Entry {
    let size = match &content {
        Content::Inline(bytes) => bytes.len() as u64,
        Content::Chunks(chunks) => chunks.iter().map(|chunk| u64::from(chunk.raw_len)).sum(),
        Content::Lists(_) => panic!("a file in lists has its size from elsewhere"),
    };
    Entry::new(name(text), 0o644, 1, Node::File { size, content, hash: [7; 32], changed: false })
}

pub(crate) fn inline(text: impl AsRef<str>, bytes: &[u8]) -> Entry {
    file(text, Content::Inline(bytes.to_vec()))
}

/// Chunks of 1 MiB each.
pub(crate) fn chunks(numbers: impl IntoIterator<Item = u64>) -> Vec<ChunkRef> {
    numbers.into_iter().map(|number| ChunkRef { id: blob(number), raw_len: 1 << 20 }).collect()
}

/// A file of these chunks, written as an entry must have it.
pub(crate) fn chunked(store: &Store, text: impl AsRef<str>, chunks: Vec<ChunkRef>) -> Entry {
    let mut sink = store;
    let size = chunks.iter().map(|chunk| u64::from(chunk.raw_len)).sum();
    let content = ready(backup::write_content(&mut sink, chunks)).unwrap();
    Entry::new(name(text), 0o644, 1, Node::File { size, content, hash: [7; 32], changed: false })
}

pub(crate) fn symlink(text: impl AsRef<str>, target: &str) -> Entry {
    Entry::new(name(text), 0o777, 1, Node::Symlink { target: target.into() })
}
