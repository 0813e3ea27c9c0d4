//! What opening a store makes of a damaged folder. The layout is that of `docs/STORE.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use storage_node::store::{IncomingBlob, Recovered, Reserve, Store, StoreError, StoreOptions, VerifiedBlob};
use testkit::{TempDir, tempdir};

use crate::media::on_all_media;
use crate::support::{Blob, Medium, list, packs};

pub const PACK_HEADER: usize = 64;
pub const RECORD_HEADER: usize = 64;
const PACK_BYTES: u64 = 64 << 10;

pub fn store_id() -> protocol::id::StoreId {
    protocol::id::StoreId::from_bytes([0x11; 16]).unwrap()
}

pub fn options() -> StoreOptions {
    StoreOptions {
        pack_bytes: PACK_BYTES,
        checkpoint_every: Duration::from_hours(1),
        reserve: Reserve { bytes: 0, percent: 0 },
        ..StoreOptions::default()
    }
}

pub fn open(folder: &Path) -> Store {
    Store::open(folder, store_id(), options()).unwrap()
}

pub fn put(store: &Store, blobs: &[Blob]) {
    try_put(store, blobs).unwrap();
}

pub fn try_put(store: &Store, blobs: &[Blob]) -> Result<(), StoreError> {
    run(store.put(blobs.iter().map(verified).collect()))
}

pub fn verified(blob: &Blob) -> VerifiedBlob {
    let mut incoming = IncomingBlob::new(blob.stored);
    incoming.push(&blob.bytes);
    incoming.finish().unwrap()
}

pub fn delete(store: &Store, blobs: &[Blob]) {
    run(store.delete(list(blobs))).unwrap();
}

pub fn has(store: &Store, blob: &Blob) -> bool {
    run(store.read(&blob.stored.id)).unwrap().is_some_and(|bytes| bytes == blob.bytes)
}

pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub fn record_len(blob: &Blob) -> usize {
    (RECORD_HEADER + blob.bytes.len()).next_multiple_of(8)
}

/// A folder as a crash leaves it, with these blobs in one pack: never closed, no checkpoint, no index.
pub fn crashed(blobs: &[Blob]) -> TempDir {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    for blob in blobs {
        put(&store, std::slice::from_ref(blob));
    }
    drop(store);
    assert!(!folder.path().join("CLEAN").exists());
    fs::remove_file(folder.path().join("index.redb")).unwrap();
    folder
}

/// The same on any medium. In a cloud each blob that is put alone takes a pack of its own; here the first few share one.
fn crashed_on(medium: &Medium, blobs: &[Blob]) -> TempDir {
    if medium.is_disk() {
        return crashed(blobs);
    }
    let folder = tempdir().unwrap();
    let store = medium.open(folder.path());
    for blobs in blobs.chunks(3) {
        put(&store, blobs);
    }
    drop(store);
    fs::remove_file(folder.path().join("index.redb")).unwrap();
    folder
}

on_all_media!(
    damage_in_an_older_pack_loses_that_record_alone,
    a_pack_whose_header_is_damaged_is_still_read,
    bytes_inside_a_blob_do_not_pass_for_a_record,
    an_index_that_is_gone_garbage_or_older_is_brought_up_to_the_packs,
    a_store_in_use_is_refused,
    a_record_of_a_kind_from_the_future_is_not_skipped,
    a_clean_stop_is_believed_once,
    files_that_are_not_ours_are_left_alone,
);

pub fn only_pack(folder: &Path) -> PathBuf {
    let mut packs = packs(folder);
    assert_eq!(packs.len(), 1);
    packs.remove(0)
}

pub fn small(seed: u64) -> Blob {
    Blob::random(seed, 20)
}

#[test]
fn a_tail_cut_at_any_byte_loses_the_last_record_alone() {
    let blobs = [small(1), small(2), small(3)];
    let folder = crashed(&blobs);
    let pack = only_pack(folder.path());
    let whole = fs::read(&pack).unwrap();
    let start = PACK_HEADER + 2 * record_len(&blobs[0]);
    let payload_end = start + RECORD_HEADER + blobs[2].bytes.len();

    for cut in start..=payload_end {
        // A file that ends there, and a preallocated one whose last pages were never written.
        let mut zeroed = whole.clone();
        zeroed[cut..].fill(0);
        for bytes in [&whole[..cut], &zeroed] {
            fs::write(&pack, bytes).unwrap();
            drop(fs::remove_file(folder.path().join("index.redb")));
            let store = open(folder.path());
            // A payload that ends in zeros by chance is whole before its last byte is written.
            let survives =
                cut == payload_end || bytes.len() > cut && whole[cut..payload_end].iter().all(|b| *b == 0);
            let found: Vec<_> = blobs.iter().map(|blob| has(&store, blob)).collect();
            assert_eq!(found, [true, true, survives], "cut at {cut}");
            assert_eq!(store.recovered().damaged_ranges, 0);
            put(&store, &blobs);
            drop(store);
            assert!(blobs.iter().all(|blob| has(&open(folder.path()), blob)), "cut at {cut}");
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_record_loses_that_record_alone() {
    let blobs = [small(1), small(2), small(3)];
    let folder = crashed(&blobs);
    let pack = only_pack(folder.path());
    let whole = fs::read(&pack).unwrap();
    let start = PACK_HEADER + record_len(&blobs[0]);
    for at in start..start + record_len(&blobs[1]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&pack, &bytes).unwrap();
        drop(fs::remove_file(folder.path().join("index.redb")));
        let store = open(folder.path());
        let in_padding = at >= start + RECORD_HEADER + blobs[1].bytes.len();
        let found: Vec<_> = blobs.iter().map(|blob| has(&store, blob)).collect();
        assert_eq!(found, [true, in_padding, true], "byte {at}");
        assert_eq!(store.recovered().damaged_ranges, u64::from(!in_padding), "byte {at}");
        assert_eq!(fs::read(&pack).unwrap()[..whole.len()], bytes, "damage is kept where it is");
    }
}

fn damage_in_an_older_pack_loses_that_record_alone(medium: &Medium) {
    let blobs: Vec<_> = (0..8).map(|seed| Blob::random(seed, 20_000)).collect();
    let folder = crashed_on(medium, &blobs);
    let first = packs(&medium.folder(folder.path())).remove(0);
    assert!(packs(&medium.folder(folder.path())).len() > 1);
    let mut bytes = fs::read(&first).unwrap();
    bytes[PACK_HEADER + 30] ^= 1;
    fs::write(&first, bytes).unwrap();
    let store = medium.open(folder.path());
    let found: Vec<_> = blobs.iter().map(|blob| has(&store, blob)).collect();
    assert_eq!(found, [false, true, true, true, true, true, true, true]);
    assert_eq!(store.recovered().damaged_ranges, 1);
}

fn a_pack_whose_header_is_damaged_is_still_read(medium: &Medium) {
    let blobs = [small(1), small(2)];
    let folder = crashed_on(medium, &blobs);
    let pack = only_pack(&medium.folder(folder.path()));
    let mut bytes = fs::read(&pack).unwrap();
    bytes[..PACK_HEADER].fill(0);
    fs::write(&pack, bytes).unwrap();
    let store = medium.open(folder.path());
    assert!(blobs.iter().all(|blob| has(&store, blob)));
    assert_eq!(store.recovered().damaged_ranges, 1);
}

/// A blob of a client that knows the layout, but not the pack's marker, and hides a record for another blob in it.
pub fn carrier(hidden: &Blob) -> Blob {
    let mut forged = [0; RECORD_HEADER];
    forged[..12].copy_from_slice(b"TPLCPACK\0\0\0\0");
    forged[12] = 1;
    forged[16..20].copy_from_slice(&20_u32.to_be_bytes());
    forged[20..24].copy_from_slice(&u32::MAX.to_be_bytes());
    forged[24..28].copy_from_slice(&crc32c::crc32c(&hidden.bytes).to_be_bytes());
    forged[28..60].copy_from_slice(hidden.stored.id.as_bytes());
    let crc = crc32c::crc32c(&forged[..60]);
    forged[60..].copy_from_slice(&crc.to_be_bytes());
    Blob::of([&forged[..], &hidden.bytes].concat())
}

fn bytes_inside_a_blob_do_not_pass_for_a_record(medium: &Medium) {
    let hidden = small(7);
    let carrier = carrier(&hidden);
    let folder = crashed_on(medium, &[carrier.clone(), small(1)]);
    let pack = only_pack(&medium.folder(folder.path()));
    let mut bytes = fs::read(&pack).unwrap();
    bytes[PACK_HEADER] ^= 1;
    fs::write(&pack, bytes).unwrap();

    let store = medium.open(folder.path());
    assert!(store.find(&hidden.stored.id).unwrap().is_none());
    assert!(!has(&store, &carrier) && has(&store, &small(1)));
}

fn files_that_are_not_ours_are_left_alone(medium: &Medium) {
    let folder = crashed_on(medium, &[small(1)]);
    let other = tempdir().unwrap();
    let foreign_id = protocol::id::StoreId::from_bytes([0x22; 16]).unwrap();
    let foreign = medium.try_open_as(other.path(), foreign_id).unwrap();
    put(&foreign, &[small(9)]);
    drop(foreign);
    let in_packs = |name: &str| medium.folder(folder.path()).join("packs").join(name);
    fs::copy(only_pack(&medium.folder(other.path())), in_packs("00000007.pack")).unwrap();
    fs::write(in_packs("notes.txt"), "mine").unwrap();
    fs::write(in_packs("00000002.pack.swp"), "editor").unwrap();

    let store = medium.open(folder.path());
    assert_eq!(store.recovered().strangers, 3);
    assert!(has(&store, &small(1)) && !has(&store, &small(9)));
    put(&store, &(10..14).map(|seed| Blob::random(seed, 40_000)).collect::<Vec<_>>());
    put(&store, &[small(2)]);
    assert!(has(&store, &small(2)));
    assert_eq!(fs::read(in_packs("notes.txt")).unwrap(), b"mine");
    assert_eq!(
        fs::read(in_packs("00000007.pack")).unwrap(),
        fs::read(only_pack(&medium.folder(other.path()))).unwrap()
    );
}

#[test]
fn a_pack_that_a_crash_left_empty_is_put_aside() {
    for left in [vec![], vec![0; 4096], b"TPLCPACK".to_vec()] {
        let folder = crashed(&[small(1)]);
        let unused = folder.path().join("packs").join("00000002.pack");
        fs::write(&unused, left).unwrap();
        let store = open(folder.path());
        put(&store, &[small(2)]);
        drop(store);
        let store = open(folder.path());
        assert!(has(&store, &small(1)) && has(&store, &small(2)));
        assert!(!unused.exists());
        assert!(folder.path().join("quarantine").join("00000002.pack.0").exists());
        assert_eq!(store.recovered().damaged_ranges, 0);
    }
}

fn an_index_that_is_gone_garbage_or_older_is_brought_up_to_the_packs(medium: &Medium) {
    let (old, new) = (small(1), small(2));
    let folder = tempdir().unwrap();
    let index = folder.path().join("index.redb");
    let store = medium.open(folder.path());
    put(&store, std::slice::from_ref(&old));
    store.close().unwrap();
    drop(store);
    let older = fs::read(&index).unwrap();
    let store = medium.open(folder.path());
    put(&store, std::slice::from_ref(&new));
    drop(store);
    let crashed = fs::read(&index).unwrap();

    let cases = [
        Some(older),
        Some(crashed.clone()),
        None,
        Some(vec![]),
        Some(b"not a database".to_vec()),
        Some(crashed[..crashed.len() / 2].to_vec()),
    ];
    for (case, bytes) in cases.into_iter().enumerate() {
        match bytes {
            Some(bytes) => fs::write(&index, bytes).unwrap(),
            None => fs::remove_file(&index).unwrap(),
        }
        let store = medium.open(folder.path());
        assert!(has(&store, &old) && has(&store, &new), "case {case}");
        assert_eq!(store.recovered().index_rebuilt, case >= 2, "case {case}");
        assert_eq!(store.status().totals.blobs, 2, "case {case}");
    }
}

#[test]
fn an_index_of_packs_that_are_gone_is_not_believed() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    put(&store, &[small(1)]);
    store.close().unwrap();
    drop(store);
    fs::remove_file(only_pack(folder.path())).unwrap();
    let store = open(folder.path());
    assert_eq!(store.status().totals.blobs, 0);
    assert!(!has(&store, &small(1)));
    put(&store, &[small(1)]);
    assert!(has(&store, &small(1)));
}

fn a_clean_stop_is_believed_once(medium: &Medium) {
    let folder = tempdir().unwrap();
    let store = medium.open(folder.path());
    put(&store, &[small(1)]);
    store.close().unwrap();
    drop(store);
    assert!(folder.path().join("CLEAN").exists());
    let store = medium.open(folder.path());
    assert!(!folder.path().join("CLEAN").exists());
    assert_eq!(store.recovered(), Recovered::default());
    assert!(has(&store, &small(1)));
}

fn a_store_in_use_is_refused(medium: &Medium) {
    let folder = tempdir().unwrap();
    let store = medium.open(folder.path());
    let second = medium.try_open(folder.path());
    assert!(matches!(second, Err(StoreError::InUse(_))), "{second:?}");
    drop(store);
    medium.open(folder.path());
}

fn a_record_of_a_kind_from_the_future_is_not_skipped(medium: &Medium) {
    let folder = crashed_on(medium, &[small(1)]);
    let pack = only_pack(&medium.folder(folder.path()));
    let mut bytes = fs::read(&pack).unwrap();
    bytes[PACK_HEADER + 12] = 3;
    let crc = crc32c::crc32c(&bytes[PACK_HEADER..PACK_HEADER + 60]);
    bytes[PACK_HEADER + 60..PACK_HEADER + 64].copy_from_slice(&crc.to_be_bytes());
    fs::write(&pack, bytes).unwrap();
    let refused = medium.try_open(folder.path());
    assert!(matches!(refused, Err(StoreError::NewerFormat { kind: 3, .. })), "{refused:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever bits of the index flip, no blob is lost or mixed up.
    #[test]
    fn flipped_bits_in_the_index_lose_nothing(
        at in any::<proptest::sample::Index>(), bit in 0..8_u32, clean in any::<bool>()
    ) {
        let blobs: Vec<_> = (0..20).map(small).collect();
        let folder = tempdir().unwrap();
        let store = open(folder.path());
        put(&store, &blobs);
        store.close().unwrap();
        drop(store);
        if !clean {
            fs::remove_file(folder.path().join("CLEAN")).unwrap();
        }
        let index = folder.path().join("index.redb");
        let mut bytes = fs::read(&index).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(&index, bytes).unwrap();
        let store = open(folder.path());
        for blob in &blobs {
            prop_assert!(has(&store, blob), "bit {bit} of byte {at}");
        }
    }
}
