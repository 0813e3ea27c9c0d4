//! The bytes on disk, which outlive every version of the program. `docs/STORE.md` describes them.

use std::fs;

use storage_node::store::Store;
use testkit::{TempDir, tempdir};

use crate::recovery::{PACK_HEADER, delete, has, open, put, store_id};
use crate::support::{Blob, packs};

/// Written by format 1 and never changed; made by hand from `docs/STORE.md`.
const GOLDEN: &[u8] = include_bytes!("../golden/v1/00000001.pack");

/// Written by the version that began to delete; made by hand in the same way. Tombstones of both blobs of the first
/// pack, and the first blob again, at the next generation.
const GOLDEN_TOMBSTONES: &[u8] = include_bytes!("../golden/v1/00000002.pack");

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

fn open_packs(packs: &[&[u8]]) -> (TempDir, Store) {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("packs")).unwrap();
    for (number, pack) in (1_u32..).zip(packs) {
        let mut pack = pack.to_vec();
        pack[12..16].copy_from_slice(&number.to_be_bytes());
        renew_checksum(&mut pack, 0);
        fs::write(folder.path().join("packs").join(format!("{number:08}.pack")), pack).unwrap();
    }
    let store = open(folder.path());
    (folder, store)
}

#[test]
fn tombstones_of_format_1_hide_what_is_in_front_of_them_and_of_lower_generations() {
    let [first, second] = blobs();
    // In the other order the second blob is written again after its deletion, at the same generation.
    for (packs, again) in
        [([GOLDEN, GOLDEN_TOMBSTONES], None), ([GOLDEN_TOMBSTONES, GOLDEN], Some(second.stored))]
    {
        let (_folder, store) = open_packs(&packs);
        assert_eq!(store.find(&first.stored.id).unwrap(), Some(first.clone().at_generation(2).stored));
        assert!(has(&store, &first));
        assert_eq!(store.find(&second.stored.id).unwrap(), again);
        assert_eq!(store.recovered().damaged_ranges, 0);
    }
}

/// The index is a cache: one of the version before deletions is made anew.
#[test]
fn an_index_of_format_1_is_rebuilt() {
    let [first, _] = blobs();
    let (folder, store) = open_packs(&[GOLDEN]);
    delete(&store, std::slice::from_ref(&first));
    drop(store);
    let path = folder.path().join("index.redb");
    fs::remove_file(&path).unwrap();
    {
        let database = redb::Database::create(&path).unwrap();
        let blobs = redb::TableDefinition::<[u8; 32], [u8; 20]>::new("blobs");
        let checkpoint = redb::TableDefinition::<(), &[u8]>::new("checkpoint");
        let transaction = database.begin_write().unwrap();
        // As if the first blob stood at the pack's start, and the log ended behind the second one.
        let mut location = [0; 20];
        (location[3], location[11], location[15], location[19]) = (1, 64, 5, 1);
        transaction.open_table(blobs).unwrap().insert(first.stored.id.as_bytes(), location).unwrap();
        let row = serde_json::json!({
            "format": 1,
            "store": store_id(),
            "end": { "pack": 1, "offset": GOLDEN.len() },
            "totals": { "blobs": 1, "bytes": 5 },
        });
        let row = row.to_string();
        transaction.open_table(checkpoint).unwrap().insert((), row.as_bytes()).unwrap();
        transaction.commit().unwrap();
    }
    let store = open(folder.path());
    assert!(store.recovered().index_rebuilt);
    assert_eq!(store.find(&first.stored.id).unwrap(), None);
    assert_eq!(store.status().totals.blobs, 1);
}

#[test]
fn a_deletion_is_written_as_the_same_bytes_but_for_the_random_marker() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    let [_, blob] = blobs();
    put(&store, std::slice::from_ref(&blob));
    let start = PACK_HEADER + 64 + 256;
    delete(&store, &[blob]);
    drop(store);
    let mut written = fs::read(packs(folder.path()).remove(0)).unwrap();
    written[start..start + 12].copy_from_slice(&GOLDEN_TOMBSTONES[32..44]);
    renew_checksum(&mut written, start);
    let expected = &GOLDEN_TOMBSTONES[PACK_HEADER..PACK_HEADER + 64];
    assert_eq!(hex::encode(&written[start..start + 64]), hex::encode(expected));
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
