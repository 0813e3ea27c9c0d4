//! Which snapshots are kept: what the server says, the owner's policies, and taking snapshots or blobs out of history.
//!
//! Who may forget is signed; that something was forgotten is not: a server can always lose data. So its word only
//! hides what it says is gone, and changes nothing that was verified.

use std::collections::{BTreeMap, BTreeSet};

use crypto::commit::{Purge, PurgedPath};
#[cfg(doc)]
use protocol::error::ErrorCode;
use protocol::id::{BlobId, SourceId, UploadId};
use protocol::limits::PURGE_BLOBS_MAX;
use protocol::snapshots::{RetentionPolicy, RetentionPreview, RetentionResponse, SnapshotId};

use crate::error::Error;
use crate::settings::Change;
use crate::vault::Vault;

/// Which snapshots the server keeps, as far as it was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    /// The number of the first commit that the answer may not know of; 0 before there is one.
    unknown_from: u64,
    sources: BTreeMap<SourceId, BTreeSet<u64>>,
}

impl Kept {
    /// What is not known to be forgotten is kept.
    pub(crate) fn has(&self, source: &SourceId, seq: u64) -> bool {
        seq >= self.unknown_from || self.sources.get(source).is_some_and(|kept| kept.contains(&seq))
    }
}

impl Vault {
    /// Asks which snapshots are kept. Before, all count as kept.
    ///
    /// # Errors
    /// As the network and the server allow.
    pub async fn refresh_kept(&self) -> Result<(), Error> {
        let (unknown_from, _) = self.chain().next();
        let answer = self.client().snapshots(self.id()).await?;
        let seqs = |kept: Vec<protocol::snapshots::KeptSnapshot>| kept.into_iter().map(|it| it.seq).collect();
        let sources = answer.sources.into_iter().map(|of| (of.source, seqs(of.kept))).collect();
        self.set_kept(Kept { unknown_from, sources });
        Ok(())
    }

    /// Forgets snapshots of a source: what no other snapshot needs of them is deleted. Returns the commit's number.
    ///
    /// # Errors
    /// [`Error::OwnerOnly`] on a device; [`ErrorCode::StepUpRequired`], see [`Account::step_up`]. Refused by the server:
    /// the newest of a source that takes more, and more than 10,000 at a time.
    ///
    /// [`Account::step_up`]: crate::Account::step_up
    pub async fn forget(&self, source: SourceId, seqs: &BTreeSet<u64>) -> Result<u64, Error> {
        self.account().owner()?;
        let snapshots: Vec<_> = seqs.iter().map(|seq| SnapshotId { source, seq: *seq }).collect();
        let seq = self.change(|_| Ok(Change::Forget(snapshots.clone()))).await?;
        self.refresh_kept().await?;
        Ok(seq)
    }

    /// Deletes blobs for good that no newest snapshot needs, and notes for all clients where that was. Returns the
    /// commit's number.
    ///
    /// # Errors
    /// [`Error::OwnerOnly`] on a device; [`ErrorCode::StepUpRequired`], see [`Account::step_up`]. Refused by the server:
    /// blobs that a newest snapshot or an upload under way needs.
    ///
    /// [`Account::step_up`]: crate::Account::step_up
    pub async fn purge(
        &self,
        blobs: &BTreeSet<BlobId>,
        paths: Vec<(SourceId, Vec<u8>)>,
    ) -> Result<u64, Error> {
        self.account().owner()?;
        let paths = paths.into_iter().map(|(source, path)| PurgedPath { source, path }).collect();
        let purged_ms = self.client().platform.now_ms();
        let body = Purge { paths, purged_ms, extensions: Vec::new() };
        let blobs: Vec<BlobId> = blobs.iter().copied().collect();
        let staged = if blobs.len() > PURGE_BLOBS_MAX { Some(self.stage_purge(&blobs).await?) } else { None };
        self.change(|_| Ok(Change::Purge(blobs.clone(), staged, body.clone()))).await
    }

    /// Sends a list that is too long for one request ahead, in pages.
    async fn stage_purge(&self, blobs: &[BlobId]) -> Result<UploadId, Error> {
        let upload = self.client().open_upload(self.id(), self.idempotency_key(), true).await?.upload;
        for (page, ids) in blobs.chunks(PURGE_BLOBS_MAX).enumerate() {
            self.client().stage_purge(upload, page as u32, ids).await?;
        }
        Ok(upload)
    }

    /// How long the snapshots of a source are kept.
    ///
    /// # Errors
    /// As the network and the server allow; a device may not ask.
    pub async fn retention(&self, source: SourceId) -> Result<RetentionResponse, Error> {
        self.client().retention(self.id(), source).await
    }

    /// Changes how long they are kept.
    ///
    /// # Errors
    /// As [`Vault::retention`]; [`ErrorCode::StepUpRequired`], see [`Account::step_up`](crate::Account::step_up).
    pub async fn put_retention(&self, source: SourceId, policy: &RetentionPolicy) -> Result<(), Error> {
        self.client().put_retention(self.id(), source, policy).await
    }

    /// What a policy would do now.
    ///
    /// # Errors
    /// As [`Vault::retention`].
    pub async fn preview_retention(
        &self,
        source: SourceId,
        policy: &RetentionPolicy,
    ) -> Result<RetentionPreview, Error> {
        self.client().preview_retention(self.id(), source, policy).await
    }
}
