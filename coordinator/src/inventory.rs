//! Compares what a node has with what it should have: pure.

use std::ops::RangeInclusive;

use protocol::blob_list::StoredBlob;
use protocol::id::BlobId;

use crate::db::inventories::KnownBlob;

/// How one part of an inventory differs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The node should have these, at these generations, and has not.
    pub lost: Vec<(BlobId, u32)>,
    /// The node has these, and nobody knew it.
    pub found: Vec<StoredBlob>,
}

/// Parts that differ, and those between them, are read from the database together: one after the other they cost a
/// search for each blob, together one pass. Up to so many parts that do not differ may lie between two that do.
const GAP_PARTS: u8 = 8;

/// The ranges in which the differing parts, in ascending order, are read: as few as may be, of at most `blobs_max` blobs
/// by the counts of all parts, or of one part.
pub fn ranges(differing: &[u8], counts: &[u64], blobs_max: u64) -> Vec<RangeInclusive<u8>> {
    let mut ranges: Vec<RangeInclusive<u8>> = Vec::new();
    for part in differing {
        if let Some(range) = ranges.last_mut() {
            let blobs: u64 = counts[usize::from(*range.start())..=usize::from(*part)].iter().sum();
            if part - range.end() <= GAP_PARTS + 1 && blobs <= blobs_max {
                *range = *range.start()..=*part;
                continue;
            }
        }
        ranges.push(*part..=*part);
    }
    ranges
}

/// Both lists in ascending order of ids. `known` was read before the node was asked, so that what arrived in between is
/// found and not lost. A higher generation than the known one covers it.
pub fn compare(known: &[(BlobId, u32)], has: &[StoredBlob]) -> Difference {
    let mut difference = Difference::default();
    let mut has = has.iter().copied().peekable();
    for (id, generation) in known {
        while let Some(other) = has.next_if(|blob| blob.id < *id) {
            difference.found.push(other);
        }
        match has.next_if(|blob| blob.id == *id) {
            Some(blob) if blob.generation == *generation => {}
            Some(blob) => {
                if blob.generation < *generation {
                    difference.lost.push((*id, *generation));
                }
                difference.found.push(blob);
            }
            None => difference.lost.push((*id, *generation)),
        }
    }
    difference.found.extend(has);
    difference
}

/// What is to become of blobs that a node has without anybody knowing: copies that count, and copies that are to be
/// deleted. Nothing is done about blobs that the database never heard of, nor about a generation that it has not
/// reached.
pub fn sort_found(found: &[StoredBlob], known: &[KnownBlob]) -> (Vec<KnownBlob>, Vec<StoredBlob>) {
    let mut counting = Vec::new();
    let mut stale = Vec::new();
    for known in known {
        let Some(blob) = found.iter().find(|blob| blob.id == known.blob.blob.id) else { continue };
        if blob.generation < known.blob.blob.generation {
            stale.push(*blob);
        } else if blob.generation == known.blob.blob.generation && known.is_live {
            counting.push(*known);
        }
    }
    (counting, stale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::BlobKey;
    use crate::db::blobs::PlannedBlob;

    fn blob(number: u8, generation: u32) -> StoredBlob {
        let id = BlobId::from_bytes([number; 32]).expect("not zero");
        StoredBlob { id, size: 5000, generation }
    }

    fn known(numbers: &[(u8, u32)]) -> Vec<(BlobId, u32)> {
        numbers.iter().map(|(number, generation)| (blob(*number, 1).id, *generation)).collect()
    }

    #[test]
    fn parts_that_differ_are_read_together_with_few_between_them_and_not_too_many_blobs() {
        let counts = [10; 256];
        assert_eq!(ranges(&[], &counts, 100), []);
        assert_eq!(ranges(&[0, 1, 10, 20, 255], &counts, 1000), [0..=10, 20..=20, 255..=255]);
        assert_eq!(ranges(&[0, 1, 2, 3], &counts, 20), [0..=1, 2..=3]);
        assert_eq!(ranges(&[7, 8], &counts, 1), [7..=7, 8..=8]);
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(ranges(&all, &counts, 10_000), [0..=255]);
    }

    #[test]
    fn what_is_on_one_side_alone_differs() {
        let known = known(&[(1, 1), (3, 1), (5, 2), (6, 1), (7, 1)]);
        let has = [blob(2, 1), blob(3, 1), blob(5, 1), blob(6, 2), blob(9, 1)];
        let difference = compare(&known, &has);
        assert_eq!(difference.found, [has[0], has[2], has[3], has[4]]);
        assert_eq!(difference.lost, [(blob(1, 1).id, 1), (blob(5, 1).id, 2), (blob(7, 1).id, 1)]);
        assert_eq!(compare(&[], &[]), Difference::default());
    }

    #[test]
    fn what_is_found_counts_or_is_deleted() {
        let known = |number, generation, is_live| KnownBlob {
            blob: PlannedBlob { key: BlobKey(i64::from(number)), blob: blob(number, generation), trims: 0 },
            is_live,
        };
        let all = [known(1, 1, true), known(2, 2, true), known(3, 2, false), known(4, 2, false)];
        let found = [blob(1, 1), blob(2, 1), blob(3, 1), blob(4, 2), blob(5, 1), blob(6, 9)];
        let (counting, stale) = sort_found(&found, &all);
        assert_eq!(counting, [all[0]]);
        assert_eq!(stale, [blob(2, 1), blob(3, 1)]);
        assert_eq!(sort_found(&[blob(1, 2)], &all), (vec![], vec![]));
    }
}
