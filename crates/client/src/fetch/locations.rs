//! Where blobs are, as the coordinator said, for as long as its grants hold: what was located once can be read without
//! it.

use std::collections::HashMap;
use std::rc::Rc;

use protocol::blob_list::{StoredBlob, unpack_stored};
use protocol::blobs::LocatedGroup;
use protocol::id::BlobId;
use protocol::limits::GRANT_SECONDS;
use protocol::uploads::NodeGrant;

use crate::error::Error;

/// A grant is not used in its last seconds: the node reads it a little later, on its own clock.
const MARGIN_MS: u64 = 30_000;
/// Blobs whose places are remembered, at some 100 bytes each.
const BLOBS_MAX: usize = 64 << 10;

/// Blobs that the same nodes have.
pub(super) struct Group {
    pub(super) blobs: Vec<StoredBlob>,
    /// Best first.
    pub(super) replicas: Vec<NodeGrant>,
    /// In Unix milliseconds.
    until_ms: u64,
}

/// Where blobs are. Forgotten all at once when they become too many.
#[derive(Default)]
pub(super) struct Locations(HashMap<BlobId, (Rc<Group>, usize)>);

impl Locations {
    /// Takes in an answer to what was asked at `asked_ms`.
    pub(super) fn insert(&mut self, groups: Vec<LocatedGroup>, asked_ms: u64) -> Result<(), Error> {
        let until_ms = asked_ms + GRANT_SECONDS * 1000 - MARGIN_MS;
        self.0.retain(|_, (group, _)| group.until_ms > asked_ms);
        for LocatedGroup { blobs, replicas } in groups {
            let blobs = unpack_stored(&blobs).map_err(|error| Error::untrusted(error.to_string()))?;
            if self.0.len() + blobs.len() > BLOBS_MAX {
                self.0.clear();
            }
            let group = Rc::new(Group { blobs, replicas, until_ms });
            let places =
                group.blobs.iter().enumerate().map(|(index, blob)| (blob.id, (group.clone(), index)));
            self.0.extend(places);
        }
        Ok(())
    }

    /// Whether the blob can be read without asking.
    pub(super) fn has(&self, id: &BlobId, now_ms: u64) -> bool {
        self.0.get(id).is_some_and(|(group, _)| group.until_ms > now_ms)
    }

    /// They are not where they were said to be.
    pub(super) fn forget(&mut self, ids: &[BlobId]) {
        for id in ids {
            self.0.remove(id);
        }
    }

    /// Those of the blobs whose places are known, by group: which of its blobs they are.
    pub(super) fn by_group(&self, ids: &[BlobId]) -> Vec<(Rc<Group>, Vec<usize>)> {
        let mut groups: Vec<(Rc<Group>, Vec<usize>)> = Vec::new();
        let mut numbers = HashMap::new();
        for (group, index) in ids.iter().filter_map(|id| self.0.get(id)) {
            let number = *numbers.entry(Rc::as_ptr(group)).or_insert(groups.len());
            if number == groups.len() {
                groups.push((group.clone(), Vec::new()));
            }
            groups[number].1.push(*index);
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use protocol::blob_list::pack_stored;

    use super::*;

    fn id(number: u32) -> BlobId {
        let mut bytes = [1; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        BlobId::from_bytes(bytes).expect("not zeros")
    }

    fn located(numbers: std::ops::Range<u32>) -> LocatedGroup {
        let blobs: Vec<_> = numbers.map(|it| StoredBlob { id: id(it), size: 4160, generation: 1 }).collect();
        LocatedGroup { blobs: pack_stored(&blobs), replicas: Vec::new() }
    }

    #[test]
    fn places_hold_as_long_as_their_grants() {
        let mut locations = Locations::default();
        locations.insert(vec![located(0..2)], 1000).expect("a list");
        let last_ms = 1000 + GRANT_SECONDS * 1000 - MARGIN_MS - 1;
        assert!(locations.has(&id(1), last_ms) && !locations.has(&id(1), last_ms + 1));
        assert!(!locations.has(&id(2), 1000));
        locations.insert(vec![located(2..3)], last_ms + 1).expect("a list");
        assert!(locations.by_group(&[id(0), id(1)]).is_empty(), "what is over takes no memory");
    }

    #[test]
    fn blobs_are_found_by_group_and_forgotten_singly() {
        let mut locations = Locations::default();
        locations.insert(vec![located(0..3), located(3..5)], 0).expect("a list");
        locations.forget(&[id(1)]);
        let wanted = |numbers: &[u32]| {
            let ids: Vec<_> = numbers.iter().copied().map(id).collect();
            locations.by_group(&ids).into_iter().map(|(_, wanted)| wanted).collect::<Vec<_>>()
        };
        assert_eq!(wanted(&[0, 4, 2, 1, 9]), [vec![0, 2], vec![1]]);
    }

    #[test]
    fn they_do_not_become_too_many() {
        let mut locations = Locations::default();
        for first in (0..2 * BLOBS_MAX as u32).step_by(256) {
            locations.insert(vec![located(first..first + 256)], 0).expect("a list");
            assert!(locations.0.len() <= BLOBS_MAX && locations.has(&id(first), 0));
        }
    }
}
