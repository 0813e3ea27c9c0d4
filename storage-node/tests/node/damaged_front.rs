//! The first sectors of a pack are lost, and its header with them. What stands behind them is still served.

use std::fs;
use std::path::Path;

use storage_node::store::Store;
use testkit::TempDir;

use crate::recovery::{carrier, crashed, has, only_pack, open, put, small};
use crate::support::{Blob, packs};

const SECTOR: usize = 4096;

/// The blobs whose records begin in the lost sector are gone, the others are not.
fn assert_first_is_lost(store: &Store, blobs: &[Blob]) {
    let found: Vec<_> = blobs.iter().map(|blob| has(store, blob)).collect();
    let expected: Vec<_> = (0..blobs.len()).map(|number| number > 0).collect();
    assert_eq!(found, expected);
}

fn lose(pack: &Path, bytes: usize) {
    let mut content = fs::read(pack).unwrap();
    content[..bytes].fill(0);
    fs::write(pack, content).unwrap();
}

fn quarantined(folder: &TempDir) -> usize {
    fs::read_dir(folder.path().join("quarantine")).unwrap().count()
}

#[test]
fn a_lost_first_sector_loses_the_records_in_it_alone() {
    let blobs: Vec<_> = (0..4).map(|seed| Blob::random(seed, 5000)).collect();
    let folder = crashed(&blobs);
    lose(&only_pack(folder.path()), SECTOR);

    let store = open(folder.path());
    assert!(store.recovered().index_rebuilt);
    assert_first_is_lost(&store, &blobs);
    let recovered = store.recovered();
    assert_eq!((recovered.damaged_ranges, recovered.damaged_bytes), (1, 64 + 64 + 5000));
    put(&store, &blobs);
    assert!(blobs.iter().all(|blob| has(&store, blob)));
    store.close().unwrap();
    drop(store);

    let store = open(folder.path());
    assert!(blobs.iter().all(|blob| has(&store, blob)));
    assert_eq!(store.recovered().damaged_ranges, 1, "reported at every start");
    assert_eq!((packs(folder.path()).len(), quarantined(&folder)), (1, 0));
}

#[test]
fn a_lost_first_sector_of_an_older_pack_is_found_at_a_clean_start() {
    let blobs: Vec<_> = (0..8).map(|seed| Blob::random(seed, 20_000)).collect();
    let folder = crashed(&blobs);
    open(folder.path()).close().unwrap();
    assert!(packs(folder.path()).len() > 1);
    lose(&packs(folder.path())[0], SECTOR);

    let store = open(folder.path());
    assert!(!store.recovered().index_rebuilt);
    assert_first_is_lost(&store, &blobs);
    assert_eq!((store.recovered().damaged_ranges, quarantined(&folder)), (1, 0));
}

#[test]
fn a_pack_without_a_good_record_stays_and_gets_no_more() {
    let blob = Blob::random(1, 5000);
    let folder = crashed(std::slice::from_ref(&blob));
    let pack = only_pack(folder.path());
    lose(&pack, SECTOR);
    let before = fs::read(&pack).unwrap();

    let store = open(folder.path());
    assert!(!has(&store, &blob));
    let recovered = store.recovered();
    assert_eq!((recovered.damaged_ranges, recovered.damaged_bytes), (1, before.len() as u64));
    put(&store, &[small(1)]);
    drop(store);

    let store = open(folder.path());
    assert!(has(&store, &small(1)));
    assert_eq!(fs::read(&pack).unwrap(), before);
    assert_eq!((packs(folder.path()).len(), quarantined(&folder)), (2, 0));
}

#[test]
fn a_client_cannot_choose_the_marker_of_a_pack_whose_header_is_lost() {
    let hidden = small(7);
    let blobs = [carrier(&hidden), small(1)];
    let folder = crashed(&blobs);
    open(folder.path()).close().unwrap();
    // The pack's header and the carrier's: its content is now the first that looks like a record.
    lose(&only_pack(folder.path()), 64 + 64);

    let store = open(folder.path());
    assert_first_is_lost(&store, &blobs);
    assert!(store.find(&hidden.stored.id).unwrap().is_none());
    assert_eq!(store.recovered().damaged_ranges, 1);
    put(&store, &[small(2)]);
    drop(store);

    // Without the index nothing tells the pack's records from the forged one: none is taken.
    fs::remove_file(folder.path().join("index.redb")).unwrap();
    let store = open(folder.path());
    assert!(has(&store, &small(2)) && !has(&store, &small(1)));
    assert!(store.find(&hidden.stored.id).unwrap().is_none());
    assert_eq!((packs(folder.path()).len(), quarantined(&folder)), (2, 0));
}
