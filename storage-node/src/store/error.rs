//! What can go wrong in the store.

use std::io;
use std::path::PathBuf;

use protocol::id::BlobId;

use super::cloud::CloudError;

/// Why the store cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder of the store's.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another process has the store open.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// A pack cannot be read.
    #[error("cannot read pack {pack}")]
    ReadPack {
        /// Its number.
        pack: u32,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The system gives no more threads.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// A newer version of the program wrote here.
    #[error("pack {pack} has a record of kind {kind}, which a newer version wrote")]
    NewerFormat {
        /// The pack's number.
        pack: u32,
        /// The record's kind.
        kind: u8,
    },
    /// The index database fails.
    #[error("the index fails")]
    Index(#[source] Box<redb::Error>),
    /// The index can be read, but not understood.
    #[error("the index is damaged: {0}")]
    IndexContent(&'static str),
    /// The blob was deleted at a higher generation.
    #[error("blob {0} was deleted at a higher generation")]
    Deleted(BlobId),
    /// A pack's records and the index disagree, so the pack stays.
    #[error("pack {0} is used otherwise than its records say")]
    PackInUse(u32),
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The packs are somewhere else than where the store is to be opened.
    #[error("{0} is not this store's place: {1}")]
    Elsewhere(String, String),
    /// The packs are in a cloud, and it does not do what it is asked.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The cloud does not take what is to be written. It may later.
    #[error("the cloud takes no writes: {0}")]
    Unreachable(String),
    /// A sync failed, so what is on disk is not known until the next start.
    #[error("read-only until restarted: {0}")]
    ReadOnly(String),
    /// The writer stopped.
    #[error("the store is closing")]
    Closing,
}

impl StoreError {
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    pub(crate) fn index(error: impl Into<redb::Error>) -> Self {
        Self::Index(Box::new(error.into()))
    }
}
