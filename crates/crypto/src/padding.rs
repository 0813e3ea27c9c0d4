//! How far content is padded before it is sealed, so that a blob's size says little about it.

/// Every frame is at least this long, in bytes: small files and directories look alike.
const LEN_MIN: usize = 4096;

/// PAD: the padded length of a frame of `len` bytes, at most 4 GiB. At least 4096, then Padmé (Nikitin et al., "Reducing
/// Metadata Leakage from Encrypted Files and Communication with PURBs", PETS 2019), which keeps only the
/// floor(log2 log2 len) + 1 leading bits of a length, rounds up, and wastes at most 12 %.
pub fn padded_len(len: usize) -> usize {
    if len <= LEN_MIN {
        return LEN_MIN;
    }
    let exponent = len.ilog2();
    let kept_bits = exponent.ilog2() + 1;
    let mask = (1 << (exponent - kept_bits)) - 1;
    (len + mask) & !mask
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_small_frame_has_the_same_length() {
        assert!((0..=4096).all(|len| padded_len(len) == 4096));
        assert_eq!(padded_len(4097), 4352);
    }

    #[test]
    fn chunks_of_one_to_eight_mebibytes_have_few_lengths() {
        let mut lengths: Vec<usize> = (1 << 20..8 << 20).map(padded_len).collect();
        lengths.dedup();
        // Three doublings of at most 32 lengths each, and the one that closes the range.
        assert!(lengths.len() <= 97, "{} lengths", lengths.len());
    }

    proptest! {
        #[test]
        fn padding_is_monotone_idempotent_and_wastes_at_most_twelve_per_cent(len in 0_usize..1 << 30, more in 0_usize..1 << 20) {
            let padded = padded_len(len);
            prop_assert!(padded >= len);
            prop_assert!(padded <= padded_len(len + more));
            prop_assert_eq!(padded_len(padded), padded);
            prop_assert!(len <= 4096 || (padded - len) * 100 <= len * 12);
        }
    }
}
