//! What the index has in memory: entries that the last checkpoint does not have, and the sums over all entries.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use protocol::id::BlobId;
use serde::{Deserialize, Serialize};

use super::super::record::Kind;
use super::entry::{Entry, Location};
use super::{LogPosition, PackUse};

/// What the store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Different blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

#[derive(Debug)]
pub(super) struct Recent {
    /// None: removed, whatever the database says.
    pub(super) entries: HashMap<BlobId, Option<Entry>>,
    pub(super) end: LogPosition,
    pub(super) totals: Totals,
    /// Bytes of the records that stand, in each pack.
    pub(super) packs: BTreeMap<u32, PackUse>,
    /// Packs whose use the database has otherwise.
    pub(super) changed: BTreeSet<u32>,
    /// The last place of each id where a record was found damaged. It, and all in front of it, which it replaced, never
    /// counts again.
    lost: HashMap<BlobId, (u32, u64)>,
}

impl Recent {
    pub(super) fn new(end: LogPosition, totals: Totals, packs: BTreeMap<u32, PackUse>) -> Self {
        Self { entries: HashMap::new(), end, totals, packs, changed: BTreeSet::new(), lost: HashMap::new() }
    }

    pub(super) fn add_lost(&mut self, id: BlobId, at: Location) {
        let lost = self.lost.entry(id).or_default();
        *lost = at.place().max(*lost);
    }

    pub(super) fn is_lost(&self, id: &BlobId, entry: &Entry) -> bool {
        self.lost.get(id).is_some_and(|lost| entry.at.place() <= *lost)
    }

    /// Puts one entry in the place of another, which may be none.
    pub(super) fn replace(&mut self, id: BlobId, old: Option<Entry>, new: Option<Entry>) {
        if let Some(old) = old {
            let used = self.packs.entry(old.at.pack).or_default();
            let sum = used.of(old.kind);
            *sum = sum.saturating_sub(old.at.record_len());
            self.changed.insert(old.at.pack);
            if old.kind == Kind::Blob {
                self.totals.blobs = self.totals.blobs.saturating_sub(1);
                self.totals.bytes = self.totals.bytes.saturating_sub(u64::from(old.at.len));
            }
        }
        if let Some(new) = new {
            *self.packs.entry(new.at.pack).or_default().of(new.kind) += new.at.record_len();
            self.changed.insert(new.at.pack);
            if new.kind == Kind::Blob {
                self.totals.blobs += 1;
                self.totals.bytes += u64::from(new.at.len);
            }
        }
        self.entries.insert(id, new);
    }
}
