//! Deletions: what they take, what comes later, and what survives of them.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use proptest::prelude::*;
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use storage_node::store::{GroupLimits, Store, StoreError, StoreOptions};
use testkit::disk::{Disk, fill, may_mount};
use testkit::tempdir;

use crate::recovery::{crashed, delete, has, open, options, put, run, small, store_id, try_put, verified};
use crate::support::{Blob, Coordinator, Node, Setup, data, list, refusal};

#[tokio::test]
async fn a_deletion_takes_generations_up_to_its_own_and_gives_a_receipt_for_all_of_the_list() {
    let node = Node::start(&Coordinator::start().await, Setup::default()).await;
    let (old, new, absent) =
        (Blob::random(1, 5000), Blob::random(2, 5000).at_generation(2), Blob::random(3, 5000));
    for blob in [&old, &new] {
        assert_eq!(node.put(blob).await.status(), 200);
    }
    let wanted = [old.clone(), new.clone().at_generation(1), absent];
    // An answer may be lost, and the request repeated.
    for _ in 0..2 {
        let receipt = node.verify(&node.delete(&wanted).await);
        assert_eq!((receipt.op, receipt.blobs), (Operation::Delete, list(&wanted)));
        assert!(!node.has(&old).await && node.has(&new).await);
        assert_eq!(node.ready().await.1["blobs"], 1);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_late_deletion_does_not_hit_what_was_stored_since_at_a_higher_generation() {
    let node = Node::start(&Coordinator::start().await, Setup::default()).await;
    let first = Blob::random(1, 5000);
    let second = first.clone().at_generation(2);
    node.put(&first).await;
    node.delete(std::slice::from_ref(&first)).await;
    assert_eq!(node.put(&second).await.status(), 200);
    node.delete(std::slice::from_ref(&first)).await;
    assert!(node.has(&second).await);

    node.delete(std::slice::from_ref(&second)).await;
    assert_eq!(refusal(node.put(&first).await).await, (403, ErrorCode::InvalidGrant));
    assert!(!node.has(&first).await);
    node.stop().await;
}

/// As when a surplus copy was given up, and another node dies later.
#[tokio::test]
async fn a_blob_comes_back_at_the_generation_at_which_it_was_deleted() {
    let coordinator = Coordinator::start().await;
    let blob = Blob::random(1, 5000);
    let mut folder = Arc::new(tempdir().unwrap());
    for _ in 0..2 {
        let node = Node::start_process(&coordinator, Setup { folder, ..Setup::default() }).await;
        node.delete(std::slice::from_ref(&blob)).await;
        assert!(!node.has(&blob).await);
        assert_eq!(node.put(&blob).await.status(), 200);
        node.signal_kill();
        folder = node.ended().await;
        fs::remove_file(data(&folder).join("index.redb")).unwrap();
        let node = Node::start_process(&coordinator, Setup { folder, ..Setup::default() }).await;
        assert!(node.has(&blob).await);
        folder = node.stop().await;
    }
}

#[tokio::test]
async fn deletions_survive_a_crash_and_the_loss_of_the_index() {
    let coordinator = Coordinator::start().await;
    let blobs: Vec<_> = (0..4).map(|seed| Blob::random(seed, 5000)).collect();
    let mut node = Node::start_process(&coordinator, Setup::default()).await;
    node.put_batch(&blobs, &[]).await;
    node.delete(&blobs[..2]).await;
    for index_is_lost in [false, true] {
        node.signal_kill();
        let folder = node.ended().await;
        if index_is_lost {
            fs::remove_file(data(&folder).join("index.redb")).unwrap();
        }
        node = Node::start_process(&coordinator, Setup { folder, ..Setup::default() }).await;
        let mut found = Vec::new();
        for blob in &blobs {
            found.push(node.has(blob).await);
        }
        assert_eq!(found, [false, false, true, true], "index lost: {index_is_lost}");
        assert_eq!(node.ready().await.1["blobs"], 2);
    }
    node.stop().await;
}

#[tokio::test]
async fn deletions_work_on_a_disk_that_is_full_up_to_its_reserve() {
    if !may_mount() {
        return;
    }
    let coordinator = Coordinator::start().await;
    let disk = Disk::tmpfs(16 << 20);
    let folder = Arc::new(tempdir().unwrap());
    let path = format!("--data={}", disk.path().join("node").display());
    // So small a pack that the deletions need a new one, for which there is no room in advance.
    let options = &[path.as_str(), "--pack-bytes=1048576", "--reserve-bytes=900000", "--upkeep-ms=3600000"];
    let node = Node::start_process(&coordinator, Setup { options, folder, ..Setup::default() }).await;
    let blobs: Vec<_> = (0..6).map(|seed| Blob::random(seed, 200_000)).collect();
    for blob in &blobs {
        assert_eq!(node.put(blob).await.status(), 200);
    }
    let filler = fill(disk.path(), 800_000);
    assert_eq!(refusal(node.put(&Blob::random(9, 5000)).await).await, (507, ErrorCode::InsufficientStorage));
    node.delete(&blobs[..5]).await;
    assert!(!node.has(&blobs[0]).await && node.has(&blobs[5]).await);
    fs::remove_file(filler).unwrap();
    node.stop().await;
    disk.unmount();
}

/// State and totals are the same however the store is opened.
fn assert_same_however_opened(folder: &std::path::Path, check: impl Fn(&Store)) {
    check(&open(folder));
    open(folder).close().unwrap();
    check(&open(folder));
    fs::remove_file(folder.join("index.redb")).unwrap();
    check(&open(folder));
}

#[test]
fn the_newest_of_many_generations_stands_until_it_is_deleted_too() {
    let folder = crashed(&[small(1)]);
    let at = |generation| small(1).at_generation(generation);
    let store = open(folder.path());
    put(&store, &[at(3)]);
    delete(&store, &[at(2)]);
    drop(store);
    assert_same_however_opened(folder.path(), |store| {
        assert_eq!(store.find(&at(3).stored.id).unwrap(), Some(at(3).stored));
    });
    delete(&open(folder.path()), &[at(3)]);
    assert_same_however_opened(folder.path(), |store| {
        assert!(!has(store, &at(3)));
        assert_eq!(store.status().totals, storage_node::store::Totals::default());
        let refused = try_put(store, &[at(2)]);
        assert!(matches!(refused, Err(StoreError::Deleted(_))), "{refused:?}");
    });
}

#[test]
fn a_deletion_and_its_repetition_take_one_record() {
    let blobs: Vec<_> = (0..3).map(small).collect();
    let folder = crashed(&blobs);
    let store = open(folder.path());
    delete(&store, &blobs);
    let pack = crate::recovery::only_pack(folder.path());
    let before = fs::read(&pack).unwrap();
    delete(&store, &blobs);
    assert_eq!(fs::read(&pack).unwrap(), before);
}

#[test]
fn a_lower_generation_of_a_blob_that_is_damaged_takes_its_place() {
    let blob = small(1).at_generation(3);
    let folder = crashed(std::slice::from_ref(&blob));
    let store = open(folder.path());
    crate::support::damage(folder.path(), &blob);
    put(&store, &[blob.clone().at_generation(1)]);
    assert!(has(&store, &blob));
    drop(store);
    fs::remove_file(folder.path().join("index.redb")).unwrap();
    let store = open(folder.path());
    assert!(has(&store, &blob));
    assert_eq!(store.find(&blob.stored.id).unwrap(), Some(blob.stored));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Puts and deletions that are written and synced together come out as if one after the other.
    #[test]
    fn the_order_within_a_group_counts(steps in prop::collection::vec((any::<bool>(), 1..4_u32), 2..8)) {
        let folder = tempdir().unwrap();
        let group = GroupLimits { wait: Duration::from_millis(20), ..options().group };
        let store = Store::open(folder.path(), store_id(), StoreOptions { group, ..options() }).unwrap();
        let (mut stands, mut deleted) = (0, 0);
        let blob = |generation| small(1).at_generation(generation);
        let work = steps.iter().map(|(puts, generation)| {
            if *puts { store.put(vec![verified(&blob(*generation))]).boxed() }
            else { store.delete(list(&[blob(*generation)])).boxed() }
        });
        let outcomes = run(futures_util::future::join_all(work));
        for ((puts, generation), outcome) in steps.iter().zip(outcomes) {
            if *puts && *generation < deleted {
                prop_assert!(matches!(outcome, Err(StoreError::Deleted(_))));
                continue;
            }
            outcome.unwrap();
            if *puts {
                (stands, deleted) = (stands.max(*generation), 0);
            } else if stands <= *generation {
                (stands, deleted) = (0, deleted.max(*generation));
            }
        }
        let expected = (stands > 0).then(|| blob(stands).stored);
        let id = blob(1).stored.id;
        prop_assert_eq!(store.find(&id).unwrap(), expected);
        drop(store);
        fs::remove_file(folder.path().join("index.redb")).unwrap();
        prop_assert_eq!(open(folder.path()).find(&id).unwrap(), expected);
    }
}
