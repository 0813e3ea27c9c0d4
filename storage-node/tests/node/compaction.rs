//! Compaction: space comes back, and nothing that stands is lost, whenever it is interrupted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use storage_node::store::{Pace, Stop, Store};
use testkit::{TempDir, tempdir, wait_until};

use crate::crash::put_until_gone;
use crate::recovery::{crashed, delete, has, open, put, try_put};
use crate::support::{Blob, Coordinator, Node, Setup, data, packs};

pub const DEAD_PERCENT: u64 = 40;
/// 2026-11-23, 02:00.
pub const NOW_MS: u64 = 1_795_399_200_000;

/// Compacts until no pack has more dead bytes than it may; gives their number.
pub fn compact_all(store: &Store) -> usize {
    let mut compacted = 0;
    while let Some(pack) = store.pack_to_compact(DEAD_PERCENT).unwrap() {
        assert!(store.compact(pack, &Pace::unlimited(), NOW_MS).unwrap());
        compacted += 1;
    }
    compacted
}

/// So large that three fill a pack, the last one beyond its end.
fn blob(seed: u64) -> Blob {
    Blob::random(seed, 25_000)
}

/// Three full packs and a beginning. Of the first two packs one blob in three stays, of the third all do.
pub fn half_dead() -> (TempDir, Vec<Blob>, Vec<Blob>) {
    let blobs: Vec<_> = (0..10).map(blob).collect();
    let folder = crashed(&blobs);
    assert_eq!(packs(folder.path()).len(), 4);
    let (kept, gone): (Vec<_>, Vec<_>) = blobs.into_iter().zip(0..).partition(|(_, place)| {
        let place: u32 = *place;
        place >= 6 || place.is_multiple_of(3)
    });
    let blobs_of = |list: Vec<(Blob, u32)>| list.into_iter().map(|(blob, _)| blob).collect::<Vec<_>>();
    let (kept, gone) = (blobs_of(kept), blobs_of(gone));
    delete(&open(folder.path()), &gone);
    (folder, kept, gone)
}

fn copy(from: &Path) -> TempDir {
    let to = tempdir().unwrap();
    let copied = std::process::Command::new("cp").arg("-a").arg(from.join(".")).arg(to.path()).status();
    assert!(copied.unwrap().success());
    to
}

pub fn assert_holds(store: &Store, kept: &[Blob], gone: &[Blob], case: &str) {
    assert!(kept.iter().all(|blob| has(store, blob)), "{case}");
    assert!(gone.iter().all(|blob| store.find(&blob.stored.id).unwrap().is_none()), "{case}");
    assert_eq!(store.status().totals.blobs, kept.len() as u64, "{case}");
    assert_eq!(store.recovered().damaged_ranges, 0, "{case}");
}

/// The same after a crash, a clean stop, and without the index.
fn assert_holds_however_opened(folder: &Path, kept: &[Blob], gone: &[Blob], case: &str) {
    assert_holds(&open(folder), kept, gone, case);
    open(folder).close().unwrap();
    assert_holds(&open(folder), kept, gone, case);
    fs::remove_file(folder.join("index.redb")).unwrap();
    assert_holds(&open(folder), kept, gone, case);
}

pub fn in_trash(folder: &Path) -> Vec<PathBuf> {
    let days = fs::read_dir(folder.join("trash")).unwrap().map(|day| day.unwrap().path());
    let mut files: Vec<_> =
        days.flat_map(|day| fs::read_dir(day).unwrap().map(|file| file.unwrap().path())).collect();
    files.sort();
    files
}

#[test]
fn packs_with_many_dead_bytes_go_to_the_trash_and_what_stands_stays() {
    let (folder, kept, gone) = half_dead();
    let store = open(folder.path());
    assert_eq!(compact_all(&store), 2);
    assert_holds(&store, &kept, &gone, "at once");
    let day = folder.path().join("trash").join("2026-11-23");
    let names = [1, 2].map(|number| day.join(format!("{number:08}.{NOW_MS}.pack")));
    assert_eq!(in_trash(folder.path()), names);
    drop(store);
    assert_holds_however_opened(folder.path(), &kept, &gone, "later");
    assert_eq!(compact_all(&open(folder.path())), 0, "nothing is left to do");
}

#[test]
fn a_compaction_that_is_stopped_is_finished_later() {
    let (folder, kept, gone) = half_dead();
    let store = open(folder.path());
    // Nothing stands in these packs but a blob that is moved in one go: more blobs make more steps.
    let many: Vec<_> = (100..140).map(|seed| Blob::random(seed, 100_000)).collect();
    put(&store, &many);
    delete(&store, &many[..20]);
    let stop = Stop::default();
    stop.stop();
    let pace = Pace { stop, ..Pace::unlimited() };
    while let Some(pack) = store.pack_to_compact(DEAD_PERCENT).unwrap() {
        if !store.compact(pack, &pace, NOW_MS).unwrap() {
            break;
        }
    }
    drop(store);
    let store = open(folder.path());
    compact_all(&store);
    let (kept, gone) = ([&kept, &many[20..]].concat(), [&gone, &many[..20]].concat());
    assert_holds(&store, &kept, &gone, "finished");
}

/// What stands of a pack is moved, then the index forgets the pack, then the file goes. A crash leaves the log as far as
/// it was written, the index of any moment before, and the file at either place.
#[test]
fn a_crash_at_any_point_of_a_compaction_changes_nothing() {
    let (folder, kept, gone) = half_dead();
    let before = copy(folder.path());
    let store = open(folder.path());
    assert_eq!(compact_all(&store), 2);
    drop(store);
    let after = folder;

    let newest = packs(after.path()).pop().unwrap();
    let (old, new) =
        (fs::read(before.path().join("packs/00000004.pack")).unwrap(), fs::read(&newest).unwrap());
    let changed: Vec<_> = (0..new.len()).filter(|at| old.get(*at) != Some(&new[*at])).collect();
    let (first, last) = (changed[0], changed[changed.len() - 1]);
    let cuts = [first, first + 30, first + 64, usize::midpoint(first, last), last - 5, last + 1];
    for cut in cuts {
        for index in [Some(&before), Some(&after), None] {
            let case = format!("cut at {cut}, index {:?}", index.map(TempDir::path));
            let crashed = copy(before.path());
            let mut log = new.clone();
            log[cut..].fill(0);
            fs::write(crashed.path().join("packs/00000004.pack"), log).unwrap();
            match index {
                // The index is never ahead of the log.
                Some(folder) if cut == last + 1 || folder.path() == before.path() => {
                    fs::copy(folder.path().join("index.redb"), crashed.path().join("index.redb")).unwrap();
                }
                Some(_) => continue,
                None => fs::remove_file(crashed.path().join("index.redb")).unwrap(),
            }
            let store = open(crashed.path());
            assert_holds(&store, &kept, &gone, &case);
            assert_eq!(compact_all(&store), 2, "{case}");
            drop(store);
            assert_holds_however_opened(crashed.path(), &kept, &gone, &case);
        }
    }
}

#[test]
fn a_tombstone_moves_on_for_as_long_as_an_older_pack_may_have_what_it_hides() {
    let blobs: Vec<_> = (0..4).map(blob).collect();
    let folder = crashed(&blobs);
    let store = open(folder.path());
    // One dead record in the first pack, which is too little to compact it; its tombstone is in the second.
    delete(&store, &[blobs[0].clone().at_generation(2)]);
    put(&store, &(10..12).map(blob).collect::<Vec<_>>());
    put(&store, &[blob(12)]);
    delete(&store, &[blob(3), blob(10), blob(11)]);
    assert_eq!(compact_all(&store), 1);
    assert!(packs(folder.path()).iter().all(|pack| !pack.ends_with("00000002.pack")));
    drop(store);
    fs::remove_file(folder.path().join("index.redb")).unwrap();
    let store = open(folder.path());
    assert!(store.find(&blobs[0].stored.id).unwrap().is_none());
    assert!(try_put(&store, &blobs[..1]).is_err(), "it is still known to be deleted");

    // When the first pack goes, nothing is left to hide, and the tombstone goes with the next pack that has it.
    delete(&store, &blobs[1..3]);
    put(&store, &(20..24).map(blob).collect::<Vec<_>>());
    put(&store, &[blob(24)]);
    delete(&store, &(20..24).map(blob).chain([blob(12)]).collect::<Vec<_>>());
    compact_all(&store);
    put(&store, &[blob(30), blob(31), blob(32)]);
    put(&store, &[blob(33)]);
    delete(&store, &[blob(24), blob(30), blob(31), blob(32)]);
    compact_all(&store);
    try_put(&store, &blobs[..1]).unwrap();
    assert!(has(&store, &blobs[0]));
    drop(store);
    fs::remove_file(folder.path().join("index.redb")).unwrap();
    assert!(has(&open(folder.path()), &blobs[0]));
}

#[test]
fn a_damaged_record_is_put_aside_and_the_others_move() {
    let (folder, kept, gone) = half_dead();
    let first = packs(folder.path()).remove(0);
    let mut bytes = fs::read(&first).unwrap();
    let at = bytes.windows(16).position(|window| window == &kept[0].bytes[..16]).unwrap();
    bytes[at + 1000] ^= 1;
    fs::write(&first, &bytes).unwrap();

    let store = open(folder.path());
    assert_eq!(compact_all(&store), 2);
    assert_holds(&store, &kept[1..], &[&gone, &kept[..1]].concat(), "at once");
    assert_eq!(store.damage_report().unwrap().blobs, [kept[0].stored]);
    let aside = fs::read(folder.path().join(format!("quarantine/00000001.pack.{}", at - 64))).unwrap();
    assert_eq!(aside[64..64 + 25_000], bytes[at..at + 25_000]);
    drop(store);
    fs::remove_file(folder.path().join("index.redb")).unwrap();
    assert!(!has(&open(folder.path()), &kept[0]));
}

#[test]
fn a_record_whose_header_is_damaged_keeps_its_bytes_in_quarantine() {
    let (folder, kept, _) = half_dead();
    let store = open(folder.path());
    let first = packs(folder.path()).remove(0);
    let mut bytes = fs::read(&first).unwrap();
    assert_eq!(bytes[128..144], kept[0].bytes[..16]);
    bytes[70] ^= 1;
    fs::write(&first, &bytes).unwrap();

    assert_eq!(compact_all(&store), 2);
    assert!(store.find(&kept[0].stored.id).unwrap().is_none());
    assert_eq!(store.damage_report().unwrap().blobs, [kept[0].stored]);
    let aside = fs::read(folder.path().join("quarantine/00000001.pack.64")).unwrap();
    assert_eq!(aside[..], bytes[64..64 + aside.len()]);
    assert!(aside.len() >= 64 + 25_000);
}

#[tokio::test]
async fn a_node_killed_while_it_compacts_under_load_loses_nothing_that_stands() {
    let coordinator = Coordinator::start().await;
    let mut folder = Arc::new(tempdir().unwrap());
    let seeds = Arc::new(AtomicU64::new(0));
    let mut durable: Vec<Blob> = Vec::new();
    let mut gone: Vec<Blob> = Vec::new();
    for round in 0..3 {
        let options = &["--pack-bytes=1048576", "--checkpoint-ms=100", "--upkeep-ms=10", "--trash-ms=0"];
        let setup = Setup { options, folder: Arc::clone(&folder), ..Setup::default() };
        let node = Arc::new(Node::start_process(&coordinator, setup).await);
        for blob in &durable {
            assert!(node.has(blob).await, "round {round}: {:?}", blob.stored);
        }
        for blob in &gone {
            assert_eq!(node.get(blob).await.status(), 404, "round {round}");
        }
        let acknowledged = Arc::new(AtomicU64::new(0));
        let clients: Vec<_> = (0..3)
            .map(|_| {
                tokio::spawn(put_until_gone(Arc::clone(&node), Arc::clone(&seeds), Arc::clone(&acknowledged)))
            })
            .collect();
        // Deleting most of what is there makes old packs due while new ones are written.
        let keep = durable.len().min(10);
        let condemned = durable.split_off(keep);
        for list in condemned.chunks(16) {
            node.delete(list).await;
        }
        gone.extend(condemned);
        let compacted = || !data(&folder).join("packs/00000001.pack").exists();
        let busy = async || acknowledged.load(Ordering::Relaxed) >= 40 && (round == 0 || compacted());
        wait_until("the node is busy", busy).await;
        for blob in &durable {
            assert!(node.has(blob).await, "round {round}, while compacting: {:?}", blob.stored);
        }
        node.signal_kill();
        for client in clients {
            durable.extend(client.await.unwrap());
        }
        folder = Arc::into_inner(node).expect("no client is left").ended().await;
    }
    let setup = Setup { options: &["--pack-bytes=1048576"], folder, ..Setup::default() };
    let node = Node::start_process(&coordinator, setup).await;
    for blob in &durable {
        assert!(node.has(blob).await, "at the end: {:?}", blob.stored);
    }
    for blob in &gone {
        assert_eq!(node.get(blob).await.status(), 404, "at the end");
    }
    node.stop().await;
}
