//! Checking a vault: that every tree can be read, that every blob has enough copies, and that a sample of the copies
//! is what it should be.

use std::collections::HashSet;

use ::backup::{TreeError, diff};
use bytes::Bytes;
use crypto::blob::BlobKind;
use futures_util::future::join_all;
use protocol::blob_list::{StoredBlob, unpack_stored};
use protocol::blobs::LocatedGroup;
use protocol::digest::sha256;
use protocol::id::{BlobId, NodeId, SourceId};
use protocol::limits::PLAN_BLOBS_MAX;
use protocol::uploads::NodeGrant;

use crate::error::Error;
use crate::vault::Vault;

/// Which blobs are downloaded, from every node that has a copy.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Sample {
    /// None.
    #[default]
    Nothing,
    /// So many of a hundred, at random.
    Percent(f64),
    /// One of several parts of about the same size, the same blobs each time: `part` is 1 to `of`; any other has
    /// none.
    Part {
        /// Which.
        part: u64,
        /// Of how many.
        of: u64,
    },
    /// So many bytes, at random; each blob counts once.
    Bytes(u64),
}

/// Something that a check found, or how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckEvent {
    /// So many of so many blobs are done.
    Progress {
        /// Done.
        done: u64,
        /// In all.
        total: u64,
    },
    /// A snapshot's tree cannot be read.
    BrokenSnapshot {
        /// Its source.
        source: SourceId,
        /// Its number.
        seq: u64,
        /// Why.
        reason: String,
    },
    /// No node that is up has the blob.
    Missing(BlobId),
    /// A copy is not what it should be, or its node does not give it.
    DamagedCopy {
        /// Of this blob.
        blob: BlobId,
        /// On this node.
        node: NodeId,
        /// What happened.
        reason: String,
    },
    /// Copies came, and the vault's keys do not open them.
    Unreadable(BlobId),
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckSummary {
    /// Snapshots that were checked.
    pub snapshots: u64,
    /// Those whose trees cannot be read.
    pub broken_snapshots: u64,
    /// Different blobs that they need.
    pub blobs: u64,
    /// Their bytes, one copy.
    pub bytes: u64,
    /// Blobs on no node that is up.
    pub missing: u64,
    /// Blobs with so few copies that they are at risk.
    pub at_risk: u64,
    /// Blobs with fewer copies than the cluster keeps, not counting those above: it makes new ones by itself.
    pub few_copies: u64,
    /// Blobs that were downloaded.
    pub read_blobs: u64,
    /// Bytes that were downloaded, all copies counted.
    pub read_bytes: u64,
    /// Copies that are not what they should be.
    pub damaged_copies: u64,
    /// Blobs that do not open.
    pub unreadable: u64,
}

impl CheckSummary {
    /// Whether something is wrong that does not mend itself.
    pub fn is_damaged(&self) -> bool {
        let Self { broken_snapshots, missing, at_risk, damaged_copies, unreadable, .. } = *self;
        broken_snapshots + missing + at_risk + damaged_copies + unreadable > 0
    }

    /// Adds the sums of another vault.
    pub fn add(&mut self, other: &Self) {
        self.snapshots += other.snapshots;
        self.broken_snapshots += other.broken_snapshots;
        self.blobs += other.blobs;
        self.bytes += other.bytes;
        self.missing += other.missing;
        self.at_risk += other.at_risk;
        self.few_copies += other.few_copies;
        self.read_blobs += other.read_blobs;
        self.read_bytes += other.read_bytes;
        self.damaged_copies += other.damaged_copies;
        self.unreadable += other.unreadable;
    }
}

/// A check under way.
struct Check<'a> {
    vault: &'a Vault,
    sample: Sample,
    on_event: &'a mut dyn FnMut(CheckEvent),
    summary: CheckSummary,
    copies_kept: usize,
    copies_at_risk: usize,
}

impl Vault {
    /// Checks all snapshots of all sources that are kept. What is wrong is told to `on_event`, and stops nothing.
    ///
    /// # Errors
    /// Those of the coordinator.
    pub async fn check(
        &self,
        sample: Sample,
        on_event: &mut dyn FnMut(CheckEvent),
    ) -> Result<CheckSummary, Error> {
        let status = self.status().await?;
        self.refresh_kept().await?;
        let mut check = Check {
            vault: self,
            sample,
            on_event,
            summary: CheckSummary::default(),
            copies_kept: status.replicas as usize,
            copies_at_risk: status.write_zones as usize,
        };
        let mut blobs = HashSet::new();
        for source in self.sources() {
            check.collect(source.source, &mut blobs).await?;
        }
        check.blobs(blobs).await?;
        Ok(check.summary)
    }
}

impl Check<'_> {
    /// Reads the trees of a source's snapshots, each as far as it differs from the one before.
    async fn collect(&mut self, source: SourceId, blobs: &mut HashSet<BlobId>) -> Result<(), Error> {
        let snapshots: Vec<_> = {
            let chain = self.vault.chain();
            let logged = chain.source(&source).map_or(&[][..], |log| &log.snapshots);
            let kept = logged.iter().filter(|logged| self.vault.is_kept(&source, logged.seq));
            kept.map(|snapshot| (snapshot.seq, snapshot.content.root)).collect()
        };
        let mut before = None;
        for (seq, root) in snapshots {
            self.summary.snapshots += 1;
            match diff(self.vault.fetcher(), before.as_ref(), &root).await {
                Ok(references) => {
                    let gained = references.iter().filter(|reference| reference.delta > 0);
                    blobs.extend(gained.map(|reference| reference.blob));
                    before = Some(root);
                }
                Err(TreeError::Read { source: error, .. }) if !matches!(error, Error::Unreadable(_)) => {
                    return Err(error);
                }
                Err(error) => {
                    self.summary.broken_snapshots += 1;
                    let reason = Error::from(error).to_string();
                    (self.on_event)(CheckEvent::BrokenSnapshot { source, seq, reason });
                }
            }
        }
        Ok(())
    }

    async fn blobs(&mut self, blobs: HashSet<BlobId>) -> Result<(), Error> {
        let mut ids: Vec<BlobId> = blobs.into_iter().collect();
        self.shuffle(&mut ids);
        let total = u32::try_from(ids.len()).expect("memory holds fewer than 2^32 ids");
        let mut choice = Choice { sample: self.sample, total, seen: 0, bytes: 0 };
        for batch in ids.chunks(PLAN_BLOBS_MAX) {
            let located = self.vault.client().locate(self.vault.id(), batch).await?;
            let mut missing: HashSet<BlobId> = batch.iter().copied().collect();
            for group in &located.groups {
                let blobs =
                    unpack_stored(&group.blobs).map_err(|error| Error::untrusted(error.to_string()))?;
                self.count_copies(group.replicas.len(), &blobs);
                let wanted: Vec<usize> = blobs
                    .iter()
                    .enumerate()
                    .filter_map(|(index, blob)| {
                        missing.remove(&blob.id);
                        choice.takes(blob).then_some(index)
                    })
                    .collect();
                if !wanted.is_empty() {
                    self.read(group, &blobs, &wanted).await?;
                }
            }
            self.summary.missing += missing.len() as u64;
            for id in missing {
                (self.on_event)(CheckEvent::Missing(id));
            }
            self.summary.blobs += batch.len() as u64;
            (self.on_event)(CheckEvent::Progress { done: self.summary.blobs, total: u64::from(total) });
        }
        Ok(())
    }

    /// In a random order, so that the first of them are a fair sample.
    fn shuffle(&self, ids: &mut [BlobId]) {
        // Their order in a set is no order to rely on.
        ids.sort_unstable();
        for end in (1..ids.len()).rev() {
            let random = u64::from_be_bytes(self.vault.client().platform.random());
            ids.swap(end, (random % (end as u64 + 1)) as usize);
        }
    }

    fn count_copies(&mut self, copies: usize, blobs: &[StoredBlob]) {
        let summary = &mut self.summary;
        summary.bytes += blobs.iter().map(|blob| u64::from(blob.size)).sum::<u64>();
        if copies < self.copies_at_risk {
            summary.at_risk += blobs.len() as u64;
        } else if copies < self.copies_kept {
            summary.few_copies += blobs.len() as u64;
        }
    }

    /// Reads all copies of some blobs.
    async fn read(
        &mut self,
        group: &LocatedGroup,
        blobs: &[StoredBlob],
        wanted: &[usize],
    ) -> Result<(), Error> {
        let vault = self.vault;
        let reads = group.replicas.iter().map(|replica| read_copies(vault, replica, blobs, wanted));
        let copies = join_all(reads).await;
        for (position, index) in wanted.iter().enumerate() {
            let id = blobs[*index].id;
            self.summary.read_blobs += 1;
            let mut good = None;
            for (replica, contents) in group.replicas.iter().zip(&copies) {
                match &contents[position] {
                    Ok(content) => {
                        self.summary.read_bytes += content.len() as u64;
                        good = Some(content.clone());
                    }
                    Err(reason) => {
                        self.summary.damaged_copies += 1;
                        let (node, reason) = (replica.node, reason.clone());
                        (self.on_event)(CheckEvent::DamagedCopy { blob: id, node, reason });
                    }
                }
            }
            let opens = match good {
                Some(content) => vault.fetcher().open(id, content, &BlobKind::ALL).await.is_some(),
                None => false,
            };
            if !opens {
                self.summary.unreadable += 1;
                (self.on_event)(CheckEvent::Unreadable(id));
            }
        }
        Ok(())
    }
}

/// One node's copies, each verified by its hash.
async fn read_copies(
    vault: &Vault,
    replica: &NodeGrant,
    blobs: &[StoredBlob],
    wanted: &[usize],
) -> Vec<Result<Bytes, String>> {
    let verified = |index: usize, content: Bytes| {
        let is_right = sha256(&[&content]) == *blobs[index].id.as_bytes();
        if is_right { Ok(content) } else { Err("other bytes than were stored".to_owned()) }
    };
    if let Ok(contents) = vault.client().read_blobs(replica, blobs, wanted).await {
        return wanted.iter().zip(contents).map(|(index, content)| verified(*index, content)).collect();
    }
    // A batch fails as a whole where one blob is missing; the others may still be there.
    let mut contents = Vec::with_capacity(wanted.len());
    for index in wanted {
        let read = vault.client().read_blobs(replica, blobs, &[*index]).await;
        let content = read.map_err(|error| error.to_string()).map(|mut one| one.pop().unwrap_or_default());
        contents.push(content.and_then(|content| verified(*index, content)));
    }
    contents
}

/// Chooses the sample from blobs that come in a random order.
struct Choice {
    sample: Sample,
    /// How many come.
    total: u32,
    seen: u32,
    bytes: u64,
}

impl Choice {
    fn takes(&mut self, blob: &StoredBlob) -> bool {
        self.seen += 1;
        match self.sample {
            Sample::Nothing => false,
            Sample::Percent(percent) => f64::from(self.seen - 1) * 100.0 < f64::from(self.total) * percent,
            Sample::Part { part, of } => {
                let id = blob.id.as_bytes();
                let number = u64::from_be_bytes(*id.first_chunk().expect("ids have 32 bytes"));
                number.checked_rem(of).is_some_and(|rest| rest + 1 == part)
            }
            Sample::Bytes(bytes) => {
                let takes = self.bytes < bytes;
                self.bytes += u64::from(blob.size);
                takes
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn chosen(sample: Sample, blobs: u8) -> usize {
        let mut choice = Choice { sample, total: u32::from(blobs), seen: 0, bytes: 0 };
        let blob =
            |byte| StoredBlob { id: BlobId::from_bytes([byte; 32]).unwrap(), size: 1000, generation: 1 };
        (1..=blobs).filter(|byte| choice.takes(&blob(*byte))).count()
    }

    #[test]
    fn a_sample_is_as_large_as_was_asked_for() {
        assert_eq!(chosen(Sample::Nothing, 200), 0);
        assert_eq!(chosen(Sample::Percent(100.0), 200), 200);
        assert_eq!(chosen(Sample::Percent(1.0), 200), 2);
        assert_eq!(chosen(Sample::Percent(0.1), 200), 1, "never none");
        assert_eq!(chosen(Sample::Bytes(2500), 200), 3);
        let parts = (1..=7).map(|part| chosen(Sample::Part { part, of: 7 }, 200));
        assert_eq!(parts.sum::<usize>(), 200, "the parts are the whole");
    }

    #[test]
    fn a_part_that_does_not_exist_is_empty() {
        for (part, of) in [(0, 0), (1, 0), (0, 7), (8, 7)] {
            assert_eq!(chosen(Sample::Part { part, of }, 200), 0, "{part} of {of}");
        }
    }
}
