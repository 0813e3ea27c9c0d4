//! Reading all of the index, or one of the 256 parts that a blob's first byte names.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::PoisonError;

use protocol::blob_list::StoredBlob;
use protocol::id::BlobId;
use protocol::maintenance::{INVENTORY_PARTS, inventory_digest};
use redb::ReadableDatabase as _;

use super::super::error::StoreError;
use super::{BLOBS, Entry, Index, Location};

/// The digests of all parts.
pub(crate) type Digests = [[u8; 32]; INVENTORY_PARTS];

impl Index {
    /// The digest of each part: the XOR of its blobs' digests.
    pub(crate) fn digests(&self) -> Result<Box<Digests>, StoreError> {
        let mut digests = Box::new([[0; 32]; INVENTORY_PARTS]);
        self.each(whole(), |id, entry| {
            let Some(at) = entry.blob() else { return };
            let part = &mut digests[usize::from(id.as_bytes()[0])];
            let digest = inventory_digest(id, at.generation);
            part.iter_mut().zip(digest).for_each(|(sum, byte)| *sum ^= byte);
        })?;
        Ok(digests)
    }

    /// The blobs of one part, ids ascending.
    pub(crate) fn part(&self, first_byte: u8) -> Result<Vec<StoredBlob>, StoreError> {
        let (mut from, mut to) = ([0; 32], [0xff; 32]);
        (from[0], to[0]) = (first_byte, first_byte);
        let mut blobs = Vec::new();
        self.each(from..=to, |id, entry| {
            if let Some(at) = entry.blob() {
                blobs.push(StoredBlob { id: *id, size: at.len, generation: at.generation });
            }
        })?;
        blobs.sort_unstable();
        Ok(blobs)
    }

    /// The blobs whose records are in one pack, in their order there. Reads the whole index.
    pub(crate) fn in_pack(&self, pack: u32) -> Result<Vec<(BlobId, Location)>, StoreError> {
        let mut found = Vec::new();
        self.each(whole(), |id, entry| {
            found.extend(entry.blob().filter(|at| at.pack == pack).map(|at| (*id, at)));
        })?;
        found.sort_unstable_by_key(|(_, at)| at.offset);
        Ok(found)
    }

    /// Visits the entries of one moment.
    fn each(
        &self,
        range: RangeInclusive<[u8; 32]>,
        mut visit: impl FnMut(&BlobId, Entry),
    ) -> Result<(), StoreError> {
        let (recent, transaction) = {
            // Held together: an entry leaves memory only after the database has it.
            let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
            let entries = recent.entries.iter().filter(|(id, _)| range.contains(id.as_bytes()));
            let entries: BTreeMap<_, _> = entries.map(|(id, entry)| (*id, *entry)).collect();
            (entries, self.database.begin_read().map_err(StoreError::index)?)
        };
        let table = transaction.open_table(BLOBS).map_err(StoreError::index)?;
        for row in table.range(range).map_err(StoreError::index)? {
            let (id, entry) = row.map_err(StoreError::index)?;
            let Some(id) = BlobId::from_field(id.value()) else { continue };
            if !recent.contains_key(&id) {
                visit(&id, Entry::decode(entry.value()));
            }
        }
        for (id, entry) in recent {
            if let Some(entry) = entry {
                visit(&id, entry);
            }
        }
        Ok(())
    }
}

fn whole() -> RangeInclusive<[u8; 32]> {
    [0; 32]..=[0xff; 32]
}
