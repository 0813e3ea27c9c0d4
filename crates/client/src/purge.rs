//! Deleting for good: which blobs hold nothing but what is to go, of all that any kept snapshot of the vault has.
//!
//! Only the content of files goes, in its chunks. Folders stay, and with them names, link targets and files of at most
//! 1 KiB, which are part of their folders: those go when the snapshots that have them are forgotten. Lists of chunks
//! stay too, so that it can always be told what a file needs.

use std::collections::{BTreeMap, BTreeSet};

use ::backup::find;
use protocol::blob_list::unpack_stored;
use protocol::id::{BlobId, SourceId};
use protocol::limits::PLAN_BLOBS_MAX;

use crate::error::Error;
use crate::path::Path;
use crate::vault::Vault;

mod reach;

use reach::{Going, Staying};

/// What is to be deleted for good: a file or folder, at one path of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeTarget {
    /// The source.
    pub source: SourceId,
    /// Where it is.
    pub path: Path,
    /// Only as it is in the snapshot of this number, in whichever else it is the same; or else all that ever was there.
    pub version: Option<u64>,
}

/// What deleting it for good comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgePlan {
    /// Blobs that nothing else needs.
    pub blobs: BTreeSet<BlobId>,
    /// Different contents of files that are to go.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, bytes of what nothing else has, which goes.
    pub bytes_gone: u64,
    /// Of the files, those that are part of their folders, and stay.
    pub embedded: u64,
    /// Snapshots that have it, and can be forgotten with its name.
    pub snapshots: BTreeSet<u64>,
    /// The newest snapshot of a folder of a device has it: what is in that stays.
    pub in_folder: bool,
    /// The newest snapshot of the uploads has it: it has to be deleted there first.
    pub in_uploads: bool,
}

/// A kept snapshot.
#[derive(Clone, Copy)]
struct Kept {
    source: SourceId,
    seq: u64,
    root: BlobId,
    /// It is the newest of a source that takes more: the server lets nothing of it go.
    is_newest: bool,
}

impl Vault {
    /// Looks through all kept snapshots of the vault for what deleting something for good would take.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no kept snapshot has it; [`Error::Tree`] if a folder cannot be read: then nobody knows
    /// what else needs its files.
    pub async fn plan_purge(&self, target: &PurgeTarget) -> Result<PurgePlan, Error> {
        let not_found = || Error::NotFound(target.path.to_string());
        if target.path.is_root() {
            return Err(not_found());
        }
        self.refresh().await?;
        self.refresh_kept().await?;
        let kept = self.kept_snapshots();
        let is_uploads = self.uploads().is_ok_and(|uploads| uploads == target.source);
        let fetcher = self.fetcher();
        let names = target.path.names();

        let mut there = BTreeMap::new();
        for snapshot in kept.iter().filter(|kept| kept.source == target.source) {
            if let Some(entry) = find(fetcher, &snapshot.root, names).await? {
                there.insert(snapshot.seq, (*snapshot, entry));
            }
        }
        let version = match target.version {
            Some(seq) => Some(there.get(&seq).ok_or_else(not_found)?.1.node.clone()),
            None => None,
        };
        there.retain(|_, (_, entry)| version.as_ref().is_none_or(|version| entry.node == *version));
        if there.is_empty() {
            return Err(not_found());
        }
        let is_newest = there.values().any(|(snapshot, _)| snapshot.is_newest);
        let mut plan = PurgePlan {
            in_folder: is_newest && !is_uploads,
            in_uploads: is_newest && is_uploads,
            snapshots: there.values().filter(|(it, _)| !it.is_newest).map(|(it, _)| it.seq).collect(),
            ..PurgePlan::default()
        };
        // Of the uploads it is deleted first; a folder of a device shows what is on its disk.
        there.retain(|_, (snapshot, _)| is_uploads || !snapshot.is_newest);
        let going = Going::collect(fetcher, there.values().map(|(_, entry)| entry)).await?;
        (plan.files, plan.bytes, plan.embedded) = (going.files.len() as u64, going.bytes, going.embedded);
        let mut blobs = going.blobs;
        let mut staying = Staying::new(fetcher, &mut blobs);
        for snapshot in &kept {
            let left_out = there.contains_key(&snapshot.seq) && snapshot.source == target.source;
            staying.walk_snapshot(&snapshot.root, left_out.then_some(names)).await?;
        }
        plan.blobs = self.held(blobs.keys().copied().collect()).await?;
        plan.bytes_gone = plan.blobs.iter().map(|id| u64::from(blobs[id])).sum();
        Ok(plan)
    }

    /// Those of the blobs that the server still has for this vault: some may have been deleted for good before.
    async fn held(&self, blobs: Vec<BlobId>) -> Result<BTreeSet<BlobId>, Error> {
        let mut held = BTreeSet::new();
        for ids in blobs.chunks(PLAN_BLOBS_MAX) {
            for group in self.client().locate(self.id(), ids).await?.groups {
                let stored =
                    unpack_stored(&group.blobs).map_err(|error| Error::untrusted(error.to_string()))?;
                held.extend(
                    stored.into_iter().map(|blob| blob.id).filter(|id| ids.binary_search(id).is_ok()),
                );
            }
        }
        Ok(held)
    }

    /// Deletes for good what a plan of now says, all but the names.
    ///
    /// # Errors
    /// As [`Vault::purge`] and [`Vault::remove`].
    pub async fn purge_planned(&self, target: &PurgeTarget, plan: &PurgePlan) -> Result<(), Error> {
        if plan.in_uploads {
            self.remove_path(target.source, &target.path).await?;
        }
        if !plan.blobs.is_empty() {
            self.purge(&plan.blobs, vec![(target.source, target.path.to_bytes())]).await?;
        }
        Ok(())
    }

    /// All of them, of all sources.
    fn kept_snapshots(&self) -> Vec<Kept> {
        let chain = self.chain();
        let of_source = |(source, log): (&SourceId, &crate::chain::SourceLog)| {
            let newest = log.snapshots.last().filter(|_| !log.closed).map(|newest| newest.seq);
            let kept = log.snapshots.iter().filter(|logged| self.is_kept(source, logged.seq));
            let kept = kept.map(|logged| Kept {
                source: *source,
                seq: logged.seq,
                root: logged.content.root,
                is_newest: Some(logged.seq) == newest,
            });
            kept.collect::<Vec<_>>()
        };
        chain.sources().flat_map(of_source).collect()
    }
}
