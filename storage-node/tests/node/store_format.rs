//! The bytes on disk, which outlive every version of the program. `docs/STORE.md` describes them.

use std::fs;

use testkit::tempdir;

use crate::recovery::{PACK_HEADER, has, open, put, store_id};
use crate::support::{Blob, packs};

/// Written by format 1 and never changed; made by hand from `docs/STORE.md`.
const GOLDEN: &[u8] = include_bytes!("../golden/v1/00000001.pack");

fn blobs() -> [Blob; 2] {
    [Blob::of(b"hello".to_vec()), Blob::of((0..=255).collect()).at_generation(7)]
}

#[test]
fn a_pack_of_format_1_is_read() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("packs")).unwrap();
    fs::write(folder.path().join("packs").join("00000001.pack"), GOLDEN).unwrap();
    let store = open(folder.path());
    for blob in blobs() {
        assert!(has(&store, &blob));
        assert_eq!(store.find(&blob.stored.id).unwrap(), Some(blob.stored));
    }
    assert_eq!(store.recovered().damaged_ranges, 0);
}

#[test]
fn the_same_blobs_are_written_as_the_same_bytes_but_for_the_random_marker() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    for blob in blobs() {
        put(&store, &[blob]);
    }
    drop(store);
    let mut written = fs::read(packs(folder.path()).remove(0)).unwrap();
    assert_eq!(written.len() as u64, crate::recovery::options().pack_bytes, "preallocated");
    assert_eq!(written[16..32], *store_id().as_bytes());
    let rest = written.split_off(GOLDEN.len());
    assert!(rest.iter().all(|byte| *byte == 0), "the rest is free");

    assert_ne!(written[32..44], GOLDEN[32..44], "each pack has its own marker");
    written[32..44].copy_from_slice(&GOLDEN[32..44]);
    renew_checksum(&mut written, 0);
    for record in [PACK_HEADER, PACK_HEADER + 64 + 8] {
        written[record..record + 12].copy_from_slice(&GOLDEN[32..44]);
        renew_checksum(&mut written, record);
    }
    assert_eq!(hex::encode(written), hex::encode(GOLDEN));
}

fn renew_checksum(bytes: &mut [u8], header: usize) {
    let crc = crc32c::crc32c(&bytes[header..header + 60]);
    bytes[header + 60..header + 64].copy_from_slice(&crc.to_be_bytes());
}
