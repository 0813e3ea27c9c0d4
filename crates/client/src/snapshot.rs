//! Making a snapshot: a source's newest tree is edited, all of the new tree is made durable, and one signed commit
//! puts it into the vault's log. If somebody else's commit comes first, the same edits are made on top of that, unless
//! they were for one tree alone.

use std::collections::HashSet;
use std::rc::Rc;

use ::backup::{Change, NewDirectory, WrittenDirectory, diff, edit};
use crypto::blob::BlobKind;
use crypto::commit::{NewBody, NewCommit, Snapshot, seal_commit};
use protocol::blob_list::{SizedBlob, unpack_stored};
use protocol::bytes::Base64;
use protocol::envelope::EnvelopeHash;
use protocol::error::ErrorCode;
use protocol::id::{BlobId, IdempotencyKey, SourceId};
use protocol::limits::{PLAN_BLOBS_MAX, REFS_PAGE_MAX};
use protocol::refs::{self, Reference};
use protocol::uploads::CommitUploadRequest;

use crate::error::Error;
use crate::progress::{Phase, Progress};
use crate::repair::Repair;
use crate::upload::{self, OpenUpload, Pace, Planned, Sent, Uploader};
use crate::vault::Vault;

/// How often a snapshot is put on top of another's commit that came first.
pub(crate) const RACES_MAX: usize = 8;
/// Of what the coordinator claims to hold already, one in so many is read back, and no fewer than the second number.
const CLAIMS_CHECKED: (usize, usize) = (100, 8);
const DIRECTORY_MODE: u32 = 0o755;
const CLIENT: &str = concat!("triplicate ", env!("CARGO_PKG_VERSION"));

/// What changes in a source's tree.
#[derive(Default, Clone)]
pub(crate) struct Edits {
    pub(crate) changes: Vec<Change>,
    /// Files that should be in the snapshot and could not be read.
    pub(crate) unreadable_files: u64,
    /// More of a first backup follows.
    pub(crate) partial: bool,
}

impl Edits {
    pub(crate) fn of(changes: Vec<Change>) -> Self {
        Self { changes, ..Self::default() }
    }
}

/// What edits are made on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// Whatever is newest: each edit says by itself what is to be.
    Newest,
    /// This snapshot of the source, or none at all: the edits are what tells it from files that can be read again.
    Snapshot(Option<u64>),
}

/// Where a snapshot goes.
pub(crate) struct WriteOptions {
    pub(crate) source: SourceId,
    pub(crate) basis: Basis,
    /// Names the upload session: the same key opens it again.
    pub(crate) session: IdempotencyKey,
    /// The edits only delete.
    pub(crate) removes: bool,
    /// What the newest snapshot has lost.
    pub(crate) repair: Repair,
    pub(crate) pace: Option<Pace>,
}

/// A snapshot that is durable.
pub(crate) struct Written {
    pub(crate) seq: u64,
    pub(crate) sent: Sent,
}

impl Vault {
    /// Applies edits to a source's newest tree and commits the result. `make_edits` stores what they refer to.
    pub(crate) async fn write_snapshot(
        &self,
        options: WriteOptions,
        progress: &Rc<Progress>,
        make_edits: impl AsyncFnOnce(Uploader) -> Result<Edits, Error>,
    ) -> Result<Written, Error> {
        let WriteOptions { source, basis, session, removes, repair, pace } = options;
        self.base(source, basis)?;
        let client = self.client().for_operation();
        let opened = client.open_upload(self.id(), session, removes).await?;
        let upload = OpenUpload { client, opened };
        let planned = Planned::default();
        let mut make_edits = Some(make_edits);
        let mut edits = Edits::default();
        let mut sent = Sent::default();
        let is_repair = !repair.is_empty();
        // After a failed check nothing rests on counts of before.
        let mut baseline = is_repair;
        for _ in 0..RACES_MAX {
            let (uploader, sender) = upload::channel(
                self,
                &upload,
                planned.clone(),
                repair.clone(),
                progress.clone(),
                pace.clone(),
            );
            let write = async {
                let mut uploader = uploader;
                if let Some(make_edits) = make_edits.take() {
                    edits = make_edits(uploader.clone()).await?;
                }
                // Reading took its time: the log may have grown since, through this very vault.
                let mut base = self.base(source, basis)?;
                if repair.trees {
                    base.root = None;
                }
                let now_ns = self.client().platform.now_ms().cast_signed() * 1_000_000;
                let new_directory = NewDirectory { mode: DIRECTORY_MODE, mtime_ns: now_ns };
                let changes = edits.changes.clone();
                let fetcher = self.fetcher().patient_as(&upload.client);
                let tree = edit(&fetcher, &mut uploader, base.root, changes, new_directory).await?;
                Ok((base, tree))
            };
            let ((base, tree), (now_sent, claimed)) = futures_util::try_join!(write, sender.run())?;
            sent.new_bytes += now_sent.new_bytes;
            progress.update(|it| it.phase = Phase::Committing);
            if !is_repair {
                // What else is lost must not keep from the vault what is repaired; the check that follows finds it.
                self.check_claims(claimed).await?;
            }
            let base = Base { needs_baseline: base.needs_baseline || baseline, ..base };
            let (unreadable_files, partial) = (edits.unreadable_files, edits.partial);
            let new = NewTree { source, basis, base, tree, unreadable_files, partial, is_repair };
            match self.commit(&upload, &new, &planned).await {
                Ok(seq) => {
                    self.client().outlast(|| self.refresh()).await?;
                    return Ok(Written { seq, sent });
                }
                Err(error) if error.code() == Some(ErrorCode::ChainConflict) => {
                    self.client().outlast(|| self.account().refresh_states()).await?;
                    self.client().outlast(|| self.refresh()).await?;
                }
                // The increments do not fit what the coordinator counts: absolute counts set that right.
                Err(error) if error.code() == Some(ErrorCode::InvalidEnvelope) && !baseline => {
                    baseline = true;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Busy)
    }

    /// What a new snapshot of a source would stand on now.
    fn base(&self, source: SourceId, basis: Basis) -> Result<Base, Error> {
        let chain = self.chain();
        let (seq, prev) = chain.next();
        let log = chain.source(&source);
        let newest = log.and_then(|log| log.snapshots.last());
        if let Basis::Snapshot(expected) = basis
            && expected != newest.map(|newest| newest.seq)
        {
            return Err(Error::StaleBase);
        }
        Ok(Base {
            seq,
            prev,
            root: newest.map(|logged| logged.content.root),
            needs_baseline: !log.is_some_and(|log| log.takes_increments_of(self.account().device())),
        })
    }

    /// Stages the references of a new tree, and signs and sends the commit.
    async fn commit(&self, upload: &OpenUpload, new: &NewTree, planned: &Planned) -> Result<u64, Error> {
        let old_root = new.base.root.filter(|_| !new.base.needs_baseline);
        let client = &upload.client;
        let references = diff(&self.fetcher().patient_as(client), old_root.as_ref(), &new.tree.tree).await?;
        let held = self.claim_held(upload, &references, planned, new.basis).await?;
        if !new.is_repair {
            self.check_claims(held).await?;
        }
        // A list without references has one empty page, because page 0 begins a list anew.
        let pages = references.len().div_ceil(REFS_PAGE_MAX).max(1);
        for page in 0..pages {
            let end = references.len().min((page + 1) * REFS_PAGE_MAX);
            let packed = refs::pack(&references[page * REFS_PAGE_MAX..end]);
            let stage = || client.stage_references(upload.opened.upload, page as u32, &packed);
            client.outlast(stage).await?;
        }

        let state = self.account().newest_state();
        let sum = new.tree.totals.sum();
        let body = Snapshot {
            root: new.tree.tree,
            created_ms: client.platform.now_ms(),
            label: None,
            files: sum.files,
            bytes: sum.bytes,
            client: CLIENT.to_owned(),
            unreadable_files: new.unreadable_files,
            account_state: state.hash,
            partial: new.partial,
            extensions: Vec::new(),
        };
        let commit = NewCommit {
            body: NewBody::Snapshot { source: new.source, baseline: old_root.is_none(), body: &body },
            seq: new.base.seq,
            prev: new.base.prev,
            digest: refs::digest(&references),
            account_state_seq: state.seq,
        };
        let backend = client.platform.backend();
        let author = self.account().author();
        let envelope = seal_commit(&backend, &self.keys(), author, &commit, client.platform.salt()).await?;
        let request = CommitUploadRequest { envelope: Base64(envelope), key: self.idempotency_key() };
        Ok(client.outlast(|| client.commit_upload(upload.opened.upload, &request)).await?.seq)
    }

    /// Plans those blobs of the new tree that this session did not store itself, as when something deleted comes
    /// back: the coordinator holds them in place, and vouches for their copies, only once they are the session's.
    /// Returns them.
    async fn claim_held(
        &self,
        upload: &OpenUpload,
        references: &[Reference],
        planned: &Planned,
        basis: Basis,
    ) -> Result<Vec<BlobId>, Error> {
        let gained = references.iter().filter(|reference| reference.delta > 0);
        let held: Vec<BlobId> =
            gained.map(|reference| reference.blob).filter(|blob| planned.insert(*blob)).collect();
        let client = &upload.client;
        let (mut gone, mut scarce) = (Vec::new(), Vec::new());
        for ids in held.chunks(PLAN_BLOBS_MAX) {
            let mut blobs = Vec::with_capacity(ids.len());
            for group in client.outlast(|| client.locate(self.id(), ids)).await?.groups {
                let stored =
                    unpack_stored(&group.blobs).map_err(|error| Error::untrusted(error.to_string()))?;
                blobs.extend(stored.into_iter().map(|blob| SizedBlob { id: blob.id, size: blob.size }));
            }
            let located: HashSet<BlobId> = blobs.iter().map(|blob| blob.id).collect();
            gone.extend(ids.iter().copied().filter(|id| !located.contains(id)));
            if blobs.is_empty() {
                continue;
            }
            for group in client.outlast(|| client.plan(upload.opened.upload, &blobs, false)).await?.groups {
                let wanting =
                    unpack_stored(&group.blobs).map_err(|error| Error::untrusted(error.to_string()))?;
                scarce.extend(wanting.into_iter().map(|blob| blob.id));
            }
        }
        // Who can read the files again need not wait until others have mended the copies.
        if let Basis::Snapshot(_) = basis {
            gone.append(&mut scarce);
        }
        match (gone.is_empty(), scarce.is_empty()) {
            (false, _) => Err(Error::Gone(gone)),
            (true, false) => {
                Err(Error::TooFewCopies("some of what comes back has too few copies now".to_owned()))
            }
            (true, true) => Ok(held),
        }
    }

    /// Reads back a sample of what the coordinator said the vault holds already: it could be lying, or mistaken.
    async fn check_claims(&self, mut claimed: Vec<BlobId>) -> Result<(), Error> {
        let (share, least) = CLAIMS_CHECKED;
        let count = claimed.len().div_ceil(share).max(least).min(claimed.len());
        for _ in 0..count {
            let random = u64::from_be_bytes(self.client().platform.random());
            let id = claimed.swap_remove((random % claimed.len() as u64) as usize);
            match self.fetcher().patient().fetch(&[id], &BlobKind::ALL).await {
                Ok(_) => {}
                Err(Error::Unreadable(_)) => return Err(Error::Unverified(id)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) fn idempotency_key(&self) -> IdempotencyKey {
        let random = self.client().platform.random();
        IdempotencyKey::from_bytes(random).expect("16 random bytes are not all zero")
    }
}

/// Where in the log a snapshot stands, and the tree before it. Taken together at one moment: a tree that was edited
/// on another base than the commit names would undo what came between.
struct Base {
    seq: u64,
    prev: EnvelopeHash,
    root: Option<BlobId>,
    needs_baseline: bool,
}

/// A tree that is to become a source's newest.
struct NewTree {
    source: SourceId,
    basis: Basis,
    base: Base,
    tree: WrittenDirectory,
    unreadable_files: u64,
    partial: bool,
    is_repair: bool,
}
