//! Finding damage by reading everything, and what becomes of it.

use std::collections::BTreeSet;
use std::{fs, thread};

use protocol::blob_list::{StoredBlob, unpack_stored};
use protocol::error::ErrorCode;
use storage_node::store::{Pace, Stop, Store};
use testkit::wait_until;

use crate::recovery::{crashed, has, open, put, small};
use crate::support::{Blob, Coordinator, Node, Setup, damage, data, refusal};

const NOW_MS: u64 = 1_795_399_200_000;
pub const PERIOD_MS: u64 = 30 * 24 * 3_600_000;

/// Reads everything once.
pub fn scrub_all(store: &Store, now_ms: u64) {
    while store.scrub(PERIOD_MS, &Pace::unlimited(), now_ms).unwrap() {}
    assert_eq!(store.scrub_progress().finished_ms, Some(now_ms));
}

fn reported(node: &Node) -> Vec<StoredBlob> {
    let beats = node.coordinator.member(node.id).unwrap().heartbeats;
    let lists = beats.iter().filter(|beat| !beat.damaged.0.is_empty());
    lists.flat_map(|beat| unpack_stored(&beat.damaged).unwrap()).collect()
}

pub async fn wait_until_reported(node: &Node, blob: &Blob) {
    wait_until("the coordinator is told", async || reported(node).contains(&blob.stored)).await;
}

fn blobs(count: u64) -> Vec<Blob> {
    (0..count).map(|seed| Blob::random(seed, 20_000)).collect()
}

#[test]
fn a_damaged_record_is_put_aside_and_stays_gone_however_the_store_is_opened() {
    let blobs = blobs(8);
    // One in an older pack, and the last record of the log.
    for place in [1, 7] {
        let folder = crashed(&blobs);
        let store = open(folder.path());
        damage(folder.path(), &blobs[place]);
        scrub_all(&store, NOW_MS);
        let check = |store: &Store| {
            for (blob, at) in blobs.iter().zip(0..) {
                assert_eq!(has(store, blob), at != place, "{at}");
                assert_eq!(store.find(&blob.stored.id).unwrap().is_some(), at != place, "{at}");
            }
            assert_eq!(store.status().totals.blobs, 7);
            assert_eq!(store.damage_report().unwrap().blobs, [blobs[place].stored]);
            assert_eq!(store.damaged_count(), 1);
        };
        check(&store);
        assert_eq!(fs::read_dir(folder.path().join("quarantine")).unwrap().count(), 1);
        drop(store);
        check(&open(folder.path()));
        open(folder.path()).close().unwrap();
        check(&open(folder.path()));
        fs::remove_file(folder.path().join("index.redb")).unwrap();
        check(&open(folder.path()));
    }
}

#[test]
fn a_new_copy_of_a_damaged_blob_counts_and_needs_no_report() {
    let blobs = blobs(8);
    for place in [1, 7] {
        let folder = crashed(&blobs);
        let store = open(folder.path());
        damage(folder.path(), &blobs[place]);
        scrub_all(&store, NOW_MS);
        drop(store);
        // The log's end is found anew, with the damaged record behind it.
        fs::remove_file(folder.path().join("index.redb")).unwrap();
        let store = open(folder.path());
        put(&store, &blobs[place..=place]);
        assert!(has(&store, &blobs[place]));
        assert_eq!(store.damage_report().unwrap().blobs, []);
        drop(store);
        assert!(has(&open(folder.path()), &blobs[place]));
        fs::remove_file(folder.path().join("index.redb")).unwrap();
        assert!(blobs.iter().all(|blob| has(&open(folder.path()), blob)), "{place}");
    }
}

#[test]
fn a_new_copy_counts_also_when_the_pack_of_the_damaged_one_is_gone() {
    let blobs = blobs(8);
    let folder = crashed(&blobs);
    let store = open(folder.path());
    damage(folder.path(), &blobs[7]);
    scrub_all(&store, NOW_MS);
    drop(store);
    fs::remove_file(crate::support::packs(folder.path()).pop().unwrap()).unwrap();
    put(&open(folder.path()), &blobs[7..]);
    assert!(has(&open(folder.path()), &blobs[7]));
    fs::remove_file(folder.path().join("index.redb")).unwrap();
    assert!(has(&open(folder.path()), &blobs[7]));
}

#[test]
fn a_record_whose_header_is_damaged_and_a_pack_that_is_gone_are_found_too() {
    let blobs = blobs(8);
    let folder = crashed(&blobs);
    let store = open(folder.path());
    let packs = crate::support::packs(folder.path());
    let mut bytes = fs::read(&packs[0]).unwrap();
    bytes[64 + 20] ^= 1;
    fs::write(&packs[0], bytes).unwrap();
    fs::remove_file(&packs[1]).unwrap();
    scrub_all(&store, NOW_MS);
    assert_eq!(store.find(&blobs[0].stored.id).unwrap(), None);
    assert!(has(&store, &blobs[1]));
    let here = blobs.iter().filter(|blob| has(&store, blob)).count() as u64;
    assert_eq!((store.status().totals.blobs, store.damaged_count()), (here, 8 - here));
    assert!(here < 7);
}

#[test]
fn a_round_begins_when_its_time_has_come_and_goes_on_where_it_was() {
    let blobs = blobs(8);
    let folder = crashed(&blobs);
    let store = open(folder.path());
    assert!(store.scrub(PERIOD_MS, &Pace::unlimited(), NOW_MS).unwrap());
    let first = store.scrub_progress();
    assert!(0 < first.done_bytes && first.done_bytes < first.total_bytes);
    drop(store);

    let store = open(folder.path());
    assert_eq!(store.scrub_progress(), first);
    // The first pack was read before it was damaged.
    damage(folder.path(), &blobs[0]);
    damage(folder.path(), &blobs[7]);
    let stop = Stop::default();
    stop.stop();
    assert!(!store.scrub(PERIOD_MS, &Pace { stop, ..Pace::unlimited() }, NOW_MS).unwrap());
    assert_eq!(store.scrub_progress(), first, "what was not read whole is read again");
    scrub_all(&store, NOW_MS + 1);
    assert_eq!(store.damage_report().unwrap().blobs, [blobs[7].stored]);

    assert!(!store.scrub(PERIOD_MS, &Pace::unlimited(), NOW_MS + PERIOD_MS - 1).unwrap());
    assert_eq!(store.damaged_count(), 1);
    scrub_all(&store, NOW_MS + PERIOD_MS);
    assert_eq!(store.damaged_count(), 2);
}

#[test]
fn a_line_that_a_crash_cut_short_spoils_no_other() {
    let blobs = [small(1), small(2), small(3)];
    let folder = crashed(&blobs);
    let path = folder.path().join("damaged.jsonl");
    let store = open(folder.path());
    damage(folder.path(), &blobs[0]);
    scrub_all(&store, NOW_MS);
    drop(store);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], &whole[..whole.len() / 2]].concat()).unwrap();
    let store = open(folder.path());
    damage(folder.path(), &blobs[1]);
    scrub_all(&store, NOW_MS + PERIOD_MS);
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.damaged_count(), 2);
    let found: Vec<_> = blobs.iter().map(|blob| has(&store, blob)).collect();
    assert_eq!(found, [false, false, true]);
}

#[tokio::test]
async fn damage_is_found_reported_until_it_was_heard_and_mended_by_a_new_copy() {
    let coordinator = Coordinator::start().await;
    let node = Node::start(&coordinator, Setup::default()).await;
    let blobs = blobs(3);
    node.put_batch(&blobs, &[]).await;
    let folder = node.stop().await;
    damage(&data(&folder), &blobs[1]);
    let options = &["--upkeep-ms=10", "--scrub-ms=3600000"];
    let node = Node::start(&coordinator, Setup { options, folder, ..Setup::default() }).await;
    wait_until_reported(&node, &blobs[1]).await;
    let beat = || coordinator.member(node.id).unwrap().heartbeats.pop().unwrap();
    wait_until("it is said once", async || beat().damaged.0.is_empty()).await;
    wait_until("the round ends", async || beat().scrub.finished_ms.is_some()).await;
    assert_eq!((beat().scrub.damaged, beat().scrub.total_bytes), (1, 60_000));
    assert_eq!(refusal(node.get(&blobs[1]).await).await, (404, ErrorCode::NotFound));
    assert_eq!(node.put(&blobs[1]).await.status(), 200);
    assert!(node.has(&blobs[1]).await);
    node.stop().await;
}

#[test]
fn what_is_found_damaged_while_reports_are_made_is_in_one_of_them() {
    let blobs = blobs(50);
    let folder = crashed(&blobs);
    let store = open(folder.path());
    for blob in &blobs {
        damage(folder.path(), blob);
    }
    let mut reported = BTreeSet::new();
    thread::scope(|scope| {
        let scrubbing = scope.spawn(|| scrub_all(&store, NOW_MS));
        while !scrubbing.is_finished() {
            let report = store.damage_report().unwrap();
            store.damage_reported(&report);
            reported.extend(report.blobs);
        }
    });
    reported.extend(store.damage_report().unwrap().blobs);
    assert_eq!(reported.len(), blobs.len());
}

#[tokio::test]
async fn a_damaged_read_leads_to_a_report() {
    let options = &["--upkeep-ms=10"];
    let node = Node::start(&Coordinator::start().await, Setup { options, ..Setup::default() }).await;
    let blob = Blob::random(1, 5000);
    node.put(&blob).await;
    // The round at the start found nothing to read.
    let round_over = async || node.ready().await.1["scrubbed_ms"].is_u64();
    wait_until("the first round ends", round_over).await;
    damage(&data(&node.folder), &blob);
    assert_eq!(refusal(node.get(&blob).await).await, (404, ErrorCode::NotFound));
    wait_until_reported(&node, &blob).await;
    node.stop().await;
}

#[tokio::test]
async fn many_damaged_blobs_a_day_end_writing() {
    let options = &["--upkeep-ms=10", "--damaged-max=2"];
    let node = Node::start(&Coordinator::start().await, Setup { options, ..Setup::default() }).await;
    let blobs = blobs(4);
    node.put_batch(&blobs, &[]).await;
    for blob in &blobs[..2] {
        damage(&data(&node.folder), blob);
        assert_eq!(node.audit(std::slice::from_ref(blob), [0; 32]).await, [None]);
        wait_until_reported(&node, blob).await;
    }
    let new = Blob::random(9, 5000);
    assert_eq!(node.put(&new).await.status(), 200);
    damage(&data(&node.folder), &blobs[2]);
    assert_eq!(node.audit(&blobs[2..3], [0; 32]).await, [None]);
    wait_until_reported(&node, &blobs[2]).await;

    assert_eq!(refusal(node.put(&Blob::random(10, 5000)).await).await, (503, ErrorCode::Unavailable));
    assert_eq!(node.ready().await.1["read_only"], "3 damaged blobs within a day");
    let beat = || node.coordinator.member(node.id).unwrap().heartbeats.pop().unwrap();
    wait_until("the coordinator is told", async || beat().read_only.is_some()).await;
    assert!(node.has(&new).await && node.has(&blobs[3]).await);
    node.delete(std::slice::from_ref(&new)).await;
    assert!(!node.has(&new).await);
    node.stop().await;
}
