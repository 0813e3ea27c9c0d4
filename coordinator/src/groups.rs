//! Cuts a list of blobs into groups that one grant and one batch can carry.

use protocol::limits::{GROUP_BLOBS_MAX, GROUP_BYTES_MAX};

/// Keeps the order. A group has at most 256 blobs and 16 MiB, or is one blob.
pub fn cut<T>(blobs: impl IntoIterator<Item = T>, size: impl Fn(&T) -> u32) -> Vec<Vec<T>> {
    let mut groups: Vec<Vec<T>> = Vec::new();
    let mut bytes = 0;
    for blob in blobs {
        bytes += u64::from(size(&blob));
        match groups.last_mut() {
            Some(group) if group.len() < GROUP_BLOBS_MAX && bytes <= GROUP_BYTES_MAX => group.push(blob),
            _ => {
                bytes = u64::from(size(&blob));
                groups.push(vec![blob]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::limits::{BLOB_BYTES_MAX, BLOB_BYTES_MIN};

    use super::*;

    proptest! {
        #[test]
        fn groups_keep_every_blob_in_order_and_stay_within_limits(
            sizes in prop::collection::vec(BLOB_BYTES_MIN..=BLOB_BYTES_MAX, 0..600),
        ) {
            let groups = cut(sizes.iter().copied(), |size| *size);
            prop_assert_eq!(groups.concat(), sizes);
            for group in groups {
                let bytes: u64 = group.iter().map(|size| u64::from(*size)).sum();
                prop_assert!(!group.is_empty() && group.len() <= GROUP_BLOBS_MAX);
                prop_assert!(bytes <= GROUP_BYTES_MAX || group.len() == 1);
            }
        }
    }

    #[test]
    fn many_small_blobs_fill_groups_to_the_limit() {
        let lens: Vec<_> = cut(vec![BLOB_BYTES_MIN; 600], |size| *size).iter().map(Vec::len).collect();
        assert_eq!(lens, [256, 256, 88]);
    }
}
