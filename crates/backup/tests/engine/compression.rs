//! The compression rule, and frames that lie.

use backup::{Compressor, DecompressError, RAW_LEN_MAX, decompress};
use proptest::prelude::*;
use zstd::zstd_safe;

fn random(len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    blake3::Hasher::new().update(b"incompressible").finalize_xof().fill(&mut data);
    data
}

fn frame(raw: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(raw, 3).unwrap()
}

fn refused(body: &[u8], raw_len: usize) -> DecompressError {
    decompress(body, raw_len).unwrap_err()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_compressed_comes_back(word in prop::collection::vec(any::<u8>(), 1..50), times in 1..5000usize) {
        let raw = word.repeat(times);
        if let Some(body) = Compressor::new().compress(&raw) {
            prop_assert!(body.len() + raw.len().div_ceil(8) <= raw.len());
            prop_assert_eq!(decompress(&body, raw.len()).unwrap(), raw);
        }
    }

    #[test]
    fn any_bytes_give_raw_len_bytes_or_an_error(
        mut body in prop::collection::vec(any::<u8>(), 0..200),
        magic: bool,
        raw_len in 0..100_000usize,
    ) {
        if magic {
            body.splice(..body.len().min(4), [0x28, 0xB5, 0x2F, 0xFD]);
        }
        if let Ok(raw) = decompress(&body, raw_len) {
            prop_assert_eq!(raw.len(), raw_len);
        }
    }
}

#[test]
fn a_body_is_kept_from_one_eighth_of_saving_on() {
    // Random bytes, then zeros that cost next to nothing: the saving is the number of zeros, less the frame's overhead.
    let saving = |zeros: usize| {
        let raw = [random(70_000), vec![0; zeros]].concat();
        (raw.len(), raw.len() - frame(&raw).len(), Compressor::new().compress(&raw))
    };
    let mut kept = Vec::new();
    for zeros in 10_000..10_100 {
        let (len, saved, body) = saving(zeros);
        assert_eq!(body.is_some(), saved * 8 >= len, "{saved} of {len} bytes saved");
        kept.push(body.is_some());
    }
    assert!(kept.contains(&true) && kept.contains(&false), "the range does not reach both sides of the rule");
}

#[test]
fn no_content_influences_the_next() {
    let texts = [b"one text".repeat(100), b"another".repeat(1000), b"one text".repeat(100)];
    let mut compressor = Compressor::new();
    let bodies: Vec<_> = texts.iter().map(|text| compressor.compress(text)).collect();
    let alone: Vec<_> = texts.iter().map(|text| Compressor::new().compress(text)).collect();
    assert!(bodies[0].is_some());
    assert_eq!(bodies, alone);
}

#[test]
fn nothing_and_little_are_stored() {
    assert_eq!(Compressor::new().compress(&[]), None);
    assert_eq!(Compressor::new().compress(b"a"), None);
    assert_eq!(Compressor::new().compress(&random(RAW_LEN_MAX)), None);
}

#[test]
fn the_largest_content_comes_back() {
    let raw = vec![0; RAW_LEN_MAX];
    let body = Compressor::new().compress(&raw).unwrap();
    assert!(decompress(&body, RAW_LEN_MAX).unwrap() == raw);
    assert!(matches!(refused(&body, RAW_LEN_MAX + 1), DecompressError::RawLen(_)));
}

#[test]
fn a_bomb_is_refused_whether_or_not_it_tells_its_size() {
    let zeros = vec![0; 64 << 20];
    let honest = frame(&zeros);
    assert!(honest.len() < 16 << 10);
    assert!(matches!(refused(&honest, RAW_LEN_MAX), DecompressError::Frame { .. }));

    let mut context = zstd_safe::CCtx::create();
    context.set_parameter(zstd_safe::CParameter::ContentSizeFlag(false)).unwrap();
    let mut silent = Vec::with_capacity(zstd_safe::compress_bound(zeros.len()));
    context.compress2(&mut silent, &zeros).unwrap();
    assert!(matches!(zstd_safe::get_frame_content_size(&silent), Ok(None)));
    assert!(matches!(refused(&silent, RAW_LEN_MAX), DecompressError::Frame { .. }));
}

#[test]
fn another_length_than_the_header_says_is_refused() {
    let body = frame(&[0; 1000]);
    assert!(matches!(refused(&body, 999), DecompressError::Frame { .. }));
    assert!(matches!(refused(&body, 1001), DecompressError::Length { raw_len: 1001, actual: 1000 }));
}

#[test]
fn anything_but_exactly_one_frame_is_refused() {
    let one = frame(&[1; 1000]);
    let skippable = [&[0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0][..], b"skip"].concat();
    let not_one_frame = [
        Vec::new(),
        b"not zstd at all".to_vec(),
        skippable.clone(),
        [skippable.clone(), one.clone()].concat(),
        [one.clone(), skippable].concat(),
        [one.clone(), one.clone()].concat(),
        [one.clone(), vec![0]].concat(),
        one[..one.len() - 1].to_vec(),
    ];
    for body in not_one_frame {
        for raw_len in [0, 1000, 2000] {
            assert!(matches!(refused(&body, raw_len), DecompressError::NotOneFrame), "{body:02x?}");
        }
    }
}
