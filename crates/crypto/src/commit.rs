//! Commits: sealing their bodies, signing them, and opening them again. The clear part, the signature's verification
//! and the rules of the chain are in `protocol::envelope::commit`.

use protocol::envelope::EnvelopeHash;
use protocol::envelope::commit::{CommitEnvelope, CommitHead, Kind, SnapshotFlags, issue};
use protocol::id::SourceId;

use crate::backend::Backend;
use crate::error::{OpenError, PlatformError};
use crate::seal::{self, CommitBody};
use crate::secret::Salt;
use crate::sign::Author;
use crate::vault::VaultKeys;

mod body;
mod purge;
mod settings;
mod snapshot;

pub use body::{Body, BodyError};
pub use purge::{Purge, PurgedPath};
pub use settings::{DeviceName, Settings, Source, SourceSettings};
pub use snapshot::Snapshot;

/// Why a commit's body cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The account state may list this epoch already; its key is fetched, or waited for.
    #[error("the key of epoch {epoch} is not known yet")]
    UnknownEpoch {
        /// The epoch in the seal's header.
        epoch: u32,
    },
    /// The wrong keys for this commit.
    #[error("the commit names another vault than the keys are for")]
    OtherVault,
    /// It does not open under the keys of its epoch.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It opens, but its author did not follow the format.
    #[error("the commit's body is not what the format says")]
    Body(#[from] BodyError),
}

/// Where a new commit stands: its body, and all of its head that body, author and keys do not say.
#[derive(Debug, Clone, Copy)]
pub struct NewCommit<'a> {
    /// What it says.
    pub body: NewBody<'a>,
    /// Its number in the vault, from 0.
    pub seq: u64,
    /// Hash of the commit before; zeros at 0.
    pub prev: EnvelopeHash,
    /// Digest of the clear list beside the envelope.
    pub digest: [u8; 32],
    /// The account state by which the author may be judged.
    pub account_state_seq: u64,
}

/// A body to write, with what the head says about it.
#[derive(Debug, Clone, Copy)]
pub enum NewBody<'a> {
    /// A snapshot of a source; `baseline`: the references beside it are absolute counts.
    Snapshot {
        /// The source.
        source: SourceId,
        /// Absolute counts instead of increments.
        baseline: bool,
        /// What is sealed.
        body: &'a Snapshot,
    },
    /// The source takes no more snapshots.
    SourceClosed(SourceId),
    /// The settings of the whole vault.
    Settings(&'a Settings),
    /// Snapshots are kept no longer.
    Forget,
    /// Blobs are deleted for good.
    Purge(&'a Purge),
    /// The settings of one source.
    SourceSettings {
        /// The source.
        source: SourceId,
        /// What is sealed.
        body: &'a SourceSettings,
    },
}

impl NewBody<'_> {
    fn kind_and_source(self) -> (Kind, Option<SourceId>) {
        match self {
            Self::Snapshot { source, baseline, body } => {
                (Kind::Snapshot(SnapshotFlags { baseline, partial: body.partial }), Some(source))
            }
            Self::SourceClosed(source) => (Kind::SourceClosed, Some(source)),
            Self::Settings(_) => (Kind::Settings, None),
            Self::Forget => (Kind::Forget, None),
            Self::Purge(_) => (Kind::Purge, None),
            Self::SourceSettings { source, .. } => (Kind::SourceSettings, Some(source)),
        }
    }

    fn encode(self) -> Vec<u8> {
        match self {
            Self::Snapshot { body, .. } => body.encode(),
            Self::SourceClosed(_) | Self::Forget => body::encode_empty(),
            Self::Settings(body) => body.encode(),
            Self::Purge(body) => body.encode(),
            Self::SourceSettings { body, .. } => body.encode(),
        }
    }
}

/// Seals a body in the vault's newest epoch, and signs the commit.
pub async fn seal_commit(
    backend: &Backend,
    keys: &VaultKeys,
    author: Author<'_>,
    commit: &NewCommit<'_>,
    salt: Salt,
) -> Result<Vec<u8>, PlatformError> {
    let (epoch, epoch_keys) = keys.newest();
    let (kind, source) = commit.body.kind_and_source();
    let head = CommitHead {
        kind,
        vault: keys.vault(),
        source,
        seq: commit.seq,
        prev: commit.prev,
        device: author.device(),
        digest: commit.digest,
        account_state_seq: commit.account_state_seq,
    };
    let context = CommitBody { head: &head.to_bytes(), epoch };
    let sealed = seal::seal(backend, &epoch_keys.commit, &context, &commit.body.encode(), salt).await?;
    Ok(issue(author.key(), &head, &sealed))
}

/// Opens the body of a commit that was verified, and checks that it agrees with the clear part.
pub async fn open_commit(
    backend: &Backend,
    keys: &VaultKeys,
    commit: &CommitEnvelope,
) -> Result<Body, CommitError> {
    if commit.head.vault != keys.vault() {
        return Err(CommitError::OtherVault);
    }
    let epoch = commit.key_epoch();
    let epoch_keys = keys.epoch(epoch).ok_or(CommitError::UnknownEpoch { epoch })?;
    let context = CommitBody { head: &commit.head.to_bytes(), epoch };
    let bytes = seal::open(backend, &epoch_keys.commit, &context, &commit.sealed).await?;
    let body = Body::decode(&bytes, commit.head.kind)?;
    if let Body::SourceSettings(SourceSettings { entry: Some(entry), .. }) = &body
        && Some(entry.source) != commit.head.source
    {
        return Err(BodyError::Rule("head and body name different sources").into());
    }
    Ok(body)
}
