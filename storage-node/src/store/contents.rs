//! What a pack holds that still stands: for moving it elsewhere, and for verifying it.

use std::io;
use std::ops::Range;

use protocol::id::BlobId;

use super::Store;
use super::error::StoreError;
use super::examine::{Examined, KnownPack};
use super::index::{Entry, Location};
use super::pack::PACK_HEADER_LEN;
use super::record::Kind;

/// What of a pack stands, in the order of the log.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) blobs: Vec<(BlobId, Location)>,
    pub(crate) tombstones: Vec<(BlobId, Entry)>,
    /// Ranges that hold no record.
    pub(crate) damaged: Vec<Range<u64>>,
}

/// A pack that gets no more records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SealedPack {
    pub(crate) number: u32,
    /// Bytes of the file.
    pub(crate) len: u64,
    /// Of them, bytes that no record takes that stands.
    pub(crate) dead: u64,
}

impl Store {
    /// All packs but the one that is written to, in their order. Other stores' packs seem all dead.
    pub(crate) fn sealed_packs(&self) -> Result<Vec<SealedPack>, StoreError> {
        let newest = self.index.end().pack;
        let mut sealed = Vec::new();
        for (number, len) in self.log.packs()?.into_iter().filter(|(number, _)| *number < newest) {
            let used = self.index.pack_use(number);
            let dead = len.saturating_sub(PACK_HEADER_LEN + used.blobs + used.tombstones);
            sealed.push(SealedPack { number, len, dead });
        }
        Ok(sealed)
    }

    /// The pack, if it is this store's and its records can be told from other bytes.
    pub(crate) fn readable_pack(&self, number: u32) -> Result<Option<KnownPack>, StoreError> {
        match self.log.examine(number, self.id) {
            Ok(Examined::Pack(pack)) => Ok(Some(pack).filter(|pack| pack.marker.is_some())),
            Ok(Examined::Unused | Examined::Foreign) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::ReadPack { pack: number, source }),
        }
    }

    /// What stands of a pack, by its records; by the index alone if those do not tell of everything.
    pub(crate) fn contents(&self, number: u32) -> Result<Contents, StoreError> {
        let mut contents = Contents::default();
        if let Some(known) = self.readable_pack(number)? {
            contents = self.scan_contents(known)?;
        }
        let found: u64 = contents.blobs.iter().map(|(_, at)| at.record_len()).sum();
        if found != self.index.pack_use(number).blobs {
            contents.blobs = self.index.in_pack(number)?;
        }
        Ok(contents)
    }

    fn scan_contents(&self, known: KnownPack) -> Result<Contents, StoreError> {
        let number = known.number;
        let mut records = Vec::new();
        let scanned = self.log.scan(&known, |offset, header| {
            let at = Location { pack: number, offset, len: header.len, generation: header.generation };
            records.push((header.id, Entry { kind: header.kind, at }));
        })?;
        let mut contents = Contents { damaged: scanned.damaged, ..Contents::default() };
        contents.damaged.extend((known.damaged > 0).then_some(0..known.damaged));
        for (id, entry) in records {
            if self.index.entry(&id)? != Some(entry) {
                continue;
            }
            match entry.kind {
                Kind::Blob => contents.blobs.push((id, entry.at)),
                Kind::Tombstone => contents.tombstones.push((id, entry)),
            }
        }
        Ok(contents)
    }
}
