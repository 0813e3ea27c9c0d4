//! What the writer is asked to do, and the records that this takes.

use std::collections::HashMap;

use bytes::Bytes;
use protocol::blob_list::StoredBlob;
use protocol::id::BlobId;
use tokio::sync::oneshot;

use super::error::StoreError;
use super::index::{Entry, Index};
use super::record::{Kind, RecordHeader, record_len};
use super::verified::VerifiedBlob;

/// Records that become durable together.
pub(crate) enum Work {
    /// New blobs.
    Put(Vec<VerifiedBlob>),
    /// Deletions: ids with the highest generation that goes.
    Delete(Vec<StoredBlob>),
    /// Records that leave their pack.
    Move(Vec<Moved>),
}

/// A record that leaves its pack, if it still stands.
pub(crate) struct Moved {
    pub(crate) id: BlobId,
    pub(crate) from: Entry,
    /// A blob's, compared with its id.
    pub(crate) payload: Bytes,
}

/// A record as it is appended.
pub(crate) type NewRecord = (RecordHeader, Bytes);

/// Work, and who waits for it.
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) done: oneshot::Sender<Result<(), StoreError>>,
}

impl Work {
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Put(blobs) => blobs.iter().map(|blob| blob.header.record_len()).sum(),
            Self::Delete(blobs) => blobs.len() as u64 * record_len(0),
            Self::Move(records) => records.iter().map(|moved| moved.from.at.record_len()).sum(),
        }
    }

    /// Whether it leads to more room, so that it goes on when there is hardly any.
    pub(crate) fn reclaims(&self) -> bool {
        !matches!(self, Self::Put(_))
    }

    /// Adds what must be appended to a group.
    ///
    /// # Errors
    /// [`StoreError::Deleted`] for a blob of a lower generation than one that was deleted.
    fn choose(&self, index: &Index, group: &mut Group) -> Result<(), StoreError> {
        match self {
            Self::Put(blobs) => {
                let mut records = Vec::with_capacity(blobs.len());
                for VerifiedBlob { header, bytes } in blobs {
                    let stands = group.stands(index, &header.id)?;
                    let generation = match stands {
                        Some((Kind::Tombstone, deleted)) if deleted > header.generation => {
                            return Err(StoreError::Deleted(header.id));
                        }
                        // Its record is damaged, or it would not be written again.
                        Some((Kind::Blob, higher)) => higher.max(header.generation),
                        _ => header.generation,
                    };
                    records.push((RecordHeader { generation, ..*header }, bytes.clone()));
                }
                for record in records {
                    group.add(record);
                }
            }
            Self::Delete(blobs) => {
                for StoredBlob { id, generation, .. } in blobs {
                    let is_needed = match group.stands(index, id)? {
                        Some((Kind::Tombstone, deleted)) => deleted < *generation,
                        Some((Kind::Blob, stored)) => stored <= *generation,
                        None => true,
                    };
                    if is_needed {
                        group.add((RecordHeader::tombstone(*id, *generation), Bytes::new()));
                    }
                }
            }
            Self::Move(records) => {
                for moved in records {
                    let untouched = !group.standing.contains_key(&moved.id);
                    if untouched && index.entry(&moved.id)? == Some(moved.from) {
                        group.add((moved.header(), moved.payload.clone()));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Jobs that are written and synced together.
///
/// Generations of an id never fall along the log: a blob that is written again has at least the generation that stands,
/// and what comes too late is not written. So the record that stands is always behind all that it hides.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) jobs: Vec<Job>,
    pub(crate) records: Vec<NewRecord>,
    /// What will stand of the ids in `records`.
    standing: HashMap<BlobId, (Kind, u32)>,
}

impl Group {
    /// The jobs that can be done, and their records; the others are answered.
    pub(crate) fn of(jobs: Vec<Job>, index: &Index) -> Self {
        let mut group = Self::default();
        for job in jobs {
            match job.work.choose(index, &mut group) {
                Ok(()) => group.jobs.push(job),
                // Whoever waited may have gone.
                Err(error) => drop(job.done.send(Err(error))),
            }
        }
        group
    }

    fn stands(&self, index: &Index, id: &BlobId) -> Result<Option<(Kind, u32)>, StoreError> {
        match self.standing.get(id) {
            Some(standing) => Ok(Some(*standing)),
            None => Ok(index.entry(id)?.map(|entry| (entry.kind, entry.at.generation))),
        }
    }

    fn add(&mut self, record: NewRecord) {
        let RecordHeader { id, kind, generation, .. } = record.0;
        self.standing.insert(id, (kind, generation));
        self.records.push(record);
    }
}

impl Moved {
    fn header(&self) -> RecordHeader {
        let Entry { kind, at } = self.from;
        match kind {
            Kind::Tombstone => RecordHeader::tombstone(self.id, at.generation),
            Kind::Blob => RecordHeader {
                kind,
                id: self.id,
                generation: at.generation,
                len: at.len,
                payload_crc: crc32c::crc32c(&self.payload),
            },
        }
    }
}
