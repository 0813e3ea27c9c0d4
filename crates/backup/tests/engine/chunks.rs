//! Cuts and chunks of files.

use backup::{Chunker, FileSplitter, INLINE_LEN_MAX, MAX_CHUNK_LEN, MIN_CHUNK_LEN, Remainder};
use crypto::vault::SipKeys;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher24;

const KEYS: SipKeys = SipKeys { k0: 0x0123_4567_89ab_cdef, k1: 0xfedc_ba98_7654_3210 };
const MIB: usize = 1 << 20;

fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof().fill(&mut data);
    data
}

fn cuts<'a>(keys: &SipKeys, slices: impl IntoIterator<Item = &'a [u8]>) -> Vec<usize> {
    let mut chunker = Chunker::new(keys);
    let (mut ends, mut at) = (Vec::new(), 0);
    for mut slice in slices {
        while let Some(cut) = chunker.next_cut(slice) {
            at += cut;
            ends.push(at);
            slice = &slice[cut..];
        }
        at += slice.len();
    }
    ends
}

fn split(data: &[u8]) -> (Vec<Vec<u8>>, backup::SplitFile) {
    let mut splitter = FileSplitter::new(&KEYS);
    let chunks = splitter.push(data);
    (chunks, splitter.finish())
}

/// The format's own words, position by position.
fn cuts_by_definition(keys: &SipKeys, data: &[u8]) -> Vec<usize> {
    let gear: Vec<u64> = (0..=255u8)
        .map(|byte| {
            let digest = Sha256::new().chain_update(b"triplicate/v1/gear").chain_update([byte]).finalize();
            u64::from_be_bytes(*digest.first_chunk().unwrap())
        })
        .collect();
    let roll = |h: u64, byte: u8| (h << 1).wrapping_add(gear[usize::from(byte)]);
    let prf = |end: usize| SipHasher24::new_with_keys(keys.k0, keys.k1).hash(&data[end - 64..end]);
    let (mut ends, mut start) = (Vec::new(), 0);
    while data.len() - start >= MIN_CHUNK_LEN {
        let min = start + MIN_CHUNK_LEN;
        let limit = start + MAX_CHUNK_LEN - (prf(min) >> 44) as usize;
        let mut h = data[min - 64..min].iter().fold(0, |h, &byte| roll(h, byte));
        let mut at = min;
        let end = loop {
            if at == limit || h >> 58 == 0 && prf(at) & ((1 << 13) - 1) == 0 {
                break at;
            }
            let Some(&byte) = data.get(at) else { return ends };
            h = roll(h, byte);
            at += 1;
        };
        ends.push(end);
        start = end;
    }
    ends
}

/// Slices of the given sizes wherever a window decides about a cut, and long ones between.
fn slice_finely_around<'a>(cuts: &[usize], data: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let mut points: Vec<_> = starts.map(|start| start + MIN_CHUNK_LEN).chain(cuts.iter().copied()).collect();
    points.sort_unstable();
    let mut sizes = sizes.iter().cycle();
    let (mut slices, mut rest, mut at) = (Vec::new(), data, 0);
    while !rest.is_empty() {
        let next_point =
            points.iter().find(|point| at < **point + 100).map_or(usize::MAX, |point| point - 100);
        let size = if at < next_point { next_point - at } else { *sizes.next().unwrap() };
        let (slice, after) = rest.split_at(size.min(rest.len()));
        slices.push(slice);
        (rest, at) = (after, at + slice.len());
    }
    slices
}

/// Data that is random here and constant there, in pieces around the sizes that matter.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![
        0..200usize,
        MIN_CHUNK_LEN - 70..MIN_CHUNK_LEN + 70,
        MIN_CHUNK_LEN..5 * MIB,
        MAX_CHUNK_LEN - 70..MAX_CHUNK_LEN + 70,
    ];
    // 0x5c holds the gate open.
    let piece = (any::<u64>(), prop_oneof![Just(None), any::<u8>().prop_map(Some), Just(Some(0x5c))], len)
        .prop_map(|(seed, constant, len)| constant.map_or_else(|| random(seed, len), |byte| vec![byte; len]));
    prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn slices_of_any_size_give_the_cuts_of_the_definition(
        data in data(),
        sizes in prop::collection::vec(prop_oneof![0..20usize, 0..100usize], 1..40).prop_filter("no progress", |sizes| sizes.iter().any(|size| *size > 0)),
    ) {
        let one_shot = cuts(&KEYS, [data.as_slice()]);
        let slices = slice_finely_around(&one_shot, &data, &sizes);
        prop_assert_eq!(cuts(&KEYS, slices), one_shot.clone());
        prop_assert_eq!(one_shot, cuts_by_definition(&KEYS, &data));
    }

    #[test]
    fn chunks_are_the_file_and_have_lengths_in_bounds(data in data()) {
        let (chunks, end) = split(&data);
        let lens: Vec<_> = chunks.iter().map(Vec::len).collect();
        prop_assert!(lens.iter().all(|len| (MIN_CHUNK_LEN..=MAX_CHUNK_LEN).contains(len)), "{lens:?}");
        let tail = match &end.remainder {
            Remainder::Inline(tail) => {
                prop_assert!(data.len() <= INLINE_LEN_MAX && chunks.is_empty());
                tail.as_slice()
            }
            Remainder::Chunk(tail) => {
                prop_assert!((1..=MAX_CHUNK_LEN).contains(&tail.len()));
                tail
            }
            Remainder::Nothing => &[],
        };
        prop_assert!([chunks.concat(), tail.to_vec()].concat() == data, "the chunks are not the file");
        prop_assert_eq!(end.size, data.len() as u64);
        prop_assert_eq!(end.hash, *blake3::hash(&data).as_bytes());
    }

    #[test]
    fn cuts_come_back_after_an_inserted_byte(seed: u64, at in 0..4 * MIB, byte: u8) {
        let data = random(seed, 20 * MIB);
        let changed = [&data[..at], &[byte], &data[at..]].concat();
        let before = cuts(&KEYS, [data.as_slice()]);
        let after: Vec<_> = cuts(&KEYS, [changed.as_slice()]).iter().map(|cut| cut - 1).collect();
        let common = before.iter().find(|cut| **cut > at && after.contains(cut));
        prop_assert!(common.is_some_and(|cut| cut - at < 16 * MIB), "{common:?}");
    }
}

#[test]
fn a_file_of_512_kib_is_one_chunk() {
    for len in [INLINE_LEN_MAX + 1, MIN_CHUNK_LEN - 1, MIN_CHUNK_LEN] {
        let (chunks, end) = split(&random(1, len));
        let last = match end.remainder {
            Remainder::Chunk(last) => Some(last.len()),
            _ => None,
        };
        let lens: Vec<_> = chunks.iter().map(Vec::len).chain(last).collect();
        assert_eq!(lens, [len]);
    }
}

#[test]
fn a_file_of_1_kib_is_inline_and_one_byte_more_is_a_chunk() {
    let remainder = |len| split(&random(2, len)).1.remainder;
    assert_eq!(remainder(0), Remainder::Inline(Vec::new()));
    assert_eq!(remainder(INLINE_LEN_MAX), Remainder::Inline(random(2, INLINE_LEN_MAX)));
    assert_eq!(remainder(INLINE_LEN_MAX + 1), Remainder::Chunk(random(2, INLINE_LEN_MAX + 1)));
}

#[test]
fn another_key_cuts_elsewhere_even_in_constant_data() {
    let other = SipKeys { k0: KEYS.k0 + 1, k1: KEYS.k1 };
    for data in [random(3, 16 * MIB), vec![0; 16 * MIB]] {
        let mine = cuts(&KEYS, [data.as_slice()]);
        assert!(!mine.is_empty());
        assert_ne!(mine, cuts(&other, [data.as_slice()]));
    }
}
