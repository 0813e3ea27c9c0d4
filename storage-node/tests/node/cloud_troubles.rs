//! What a lost answer, a late listing, a revoked token or a full account does to a store in a cloud.

use std::fs;
use std::path::Path;
use std::time::Duration;

use storage_node::store::{Patience, Store, StoreError};
use testkit::dropbox::Trouble;
use testkit::{tempdir, wait_until};

use crate::cloud::{clouds, open_with, rebuilt, refusal};
use crate::recovery::{delete, has, put, run, small, try_put};
use crate::support::{Blob, Coordinator, Medium, Node, Setup, list, packs};

/// With an account that gives up soon.
fn impatient(medium: &Medium, folder: &Path) -> Store {
    let patience = Patience { pause: Duration::from_millis(1), total: Duration::from_millis(1) };
    open_with(medium, folder, |place| place.patience = patience).unwrap()
}

#[test]
fn nothing_is_acknowledged_that_the_provider_did_not() {
    let (medium, folder) = (Medium::dropbox(), tempdir().unwrap());
    let (first, second) = (small(1), small(2));
    let store = impatient(&medium, folder.path());
    medium.fake_dropbox().trouble("upload", Trouble::Fails, 9);
    let failed = try_put(&store, std::slice::from_ref(&first));
    assert!(matches!(failed, Err(StoreError::Unreachable(_))), "{failed:?}");
    assert!(!has(&store, &first));
    assert!(store.status().read_only.unwrap().starts_with("the provider fails: 500"));
    // It answers, so that writes are let in again; they fail until they succeed.
    store.look_again();
    assert_eq!(store.status().read_only, None);
    while try_put(&store, std::slice::from_ref(&second)).is_err() {}
    assert!(!has(&store, &first) && has(&store, &second));
    drop(store);
    let store = rebuilt(&medium, folder.path());
    assert!(!has(&store, &first) && has(&store, &second));
    assert_eq!(store.recovered().damaged_ranges, 0);
}

/// What arrived without anybody knowing counts, and what comes next is decided behind it.
#[test]
fn an_upload_whose_answer_was_lost_is_found_before_anything_else_is_written() {
    let (medium, folder) = (Medium::dropbox(), tempdir().unwrap());
    let (first, second) = (small(1), small(2));
    let store = impatient(&medium, folder.path());
    put(&store, std::slice::from_ref(&first));
    medium.fake_dropbox().trouble("upload", Trouble::DoneButFails, 9);
    let failed = run(store.delete(list(std::slice::from_ref(&first))));
    assert!(matches!(failed, Err(StoreError::Unreachable(_))), "{failed:?}");
    assert!(has(&store, &first), "nobody knows of the deletion");
    // Its upload finds the deletion's object under the same number.
    while try_put(&store, std::slice::from_ref(&second)).is_err() {}
    assert!(!has(&store, &first) && has(&store, &second));
    while try_put(&store, std::slice::from_ref(&first)).is_err() {}
    assert!(has(&store, &first));
    drop(store);
    let store = rebuilt(&medium, folder.path());
    assert!(has(&store, &first) && has(&store, &second));
}

#[test]
fn an_upload_that_arrived_before_a_crash_is_found_at_the_next_start() {
    let (medium, folder) = (Medium::dropbox(), tempdir().unwrap());
    let blob = small(1);
    let store = impatient(&medium, folder.path());
    medium.fake_dropbox().trouble("upload", Trouble::DoneButFails, 1);
    assert!(try_put(&store, std::slice::from_ref(&blob)).is_err());
    drop(store);
    let store = medium.open(folder.path());
    assert!(has(&store, &blob));
    put(&store, &[small(2)]);
    assert!(has(&store, &blob) && has(&store, &small(2)));
}

#[test]
fn another_program_in_the_same_folder_ends_all_writing() {
    for medium in clouds() {
        let (folder, copy) = (tempdir().unwrap(), tempdir().unwrap());
        let store = medium.open(folder.path());
        put(&store, &[small(1)]);
        let prefix = medium.place(folder.path()).unwrap().prefix;
        // As when a node's folder was copied to another machine.
        let second = open_with(&medium, copy.path(), |place| place.prefix = prefix).unwrap();
        assert!(has(&second, &small(1)));
        put(&second, &[small(2)]);
        let refused = try_put(&store, &[small(3)]);
        assert!(matches!(refused, Err(StoreError::ReadOnly(_))), "{refused:?}");
        assert!(store.status().read_only.unwrap().starts_with("another program writes to"));
    }
}

#[test]
fn a_provider_that_asks_to_wait_is_left_alone_for_as_long() {
    let (medium, folder) = (Medium::dropbox(), tempdir().unwrap());
    let store = medium.open(folder.path());
    let dropbox = medium.fake_dropbox();
    // Longer than the store is patient for.
    dropbox.trouble("upload", Trouble::RateLimited(300), 1);
    let failed = try_put(&store, &[small(1)]).unwrap_err();
    assert!(matches!(failed, StoreError::Unreachable(_)), "{failed:?}");
    let before = dropbox.calls("upload");
    assert!(try_put(&store, &[small(1)]).is_err());
    store.look_again();
    assert_eq!(store.status().read_only.as_deref(), Some("the provider asks to wait"));
    assert_eq!(dropbox.calls("upload"), before);
}

#[test]
fn troubles_that_pass_are_waited_for() {
    let (medium, folder) = (Medium::dropbox(), tempdir().unwrap());
    let store = medium.open(folder.path());
    let dropbox = medium.fake_dropbox();
    let blob = Blob::random(1, 50_000);
    for trouble in [Trouble::Fails, Trouble::DoneButFails, Trouble::TooManyWrites, Trouble::RateLimited(1)] {
        dropbox.trouble("upload", trouble, 1);
    }
    put(&store, std::slice::from_ref(&blob));
    assert_eq!(packs(&medium.folder(folder.path())).len(), 1, "a repeated upload makes one pack");
    for trouble in [Trouble::Fails, Trouble::Short, Trouble::Cut] {
        dropbox.trouble("download", trouble, 1);
        assert!(has(&store, &blob), "{trouble:?}");
    }
    assert_eq!(store.status().damaged_reads, 0);
}

#[test]
fn a_token_that_ended_is_renewed_and_a_revoked_one_is_told_in_one_line() {
    let (medium, folder) = (Medium::dropbox(), tempdir().unwrap());
    let store = medium.open(folder.path());
    let dropbox = medium.fake_dropbox();
    put(&store, &[small(1)]);
    assert_eq!(dropbox.calls("token"), 1);
    dropbox.expire_tokens();
    assert!(has(&store, &small(1)));
    assert_eq!(dropbox.calls("token"), 2);

    dropbox.revoke();
    assert!(try_put(&store, &[small(2)]).is_err());
    let expected = "the provider refuses the refresh token: access was revoked; link the app again and give the new token";
    assert_eq!(store.status().read_only.as_deref(), Some(expected));
    assert_eq!(refusal(medium.try_open(tempdir().unwrap().path())), expected);
    dropbox.link_again();
    store.look_again();
    assert_eq!(store.status().read_only, None);
    put(&store, &[small(2)]);
}

#[test]
fn a_full_account_refuses_what_has_no_room_and_nothing_else() {
    let (medium, folder) = (Medium::dropbox(), tempdir().unwrap());
    let store = medium.open(folder.path());
    put(&store, &[small(1)]);
    assert!(store.space().unwrap().free_bytes > 1 << 30);
    medium.fake_dropbox().set_quota(20_000);
    let full = try_put(&store, &[Blob::random(2, 30_000)]);
    assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    assert_eq!(store.space().unwrap().free_bytes, 0);
    assert_eq!(store.status().read_only, None);
    delete(&store, &[small(1)]);
    medium.fake_dropbox().set_quota(1 << 30);
    put(&store, &[Blob::random(2, 30_000)]);
    assert!(store.space().unwrap().free_bytes > 0);
}

#[test]
fn a_listing_that_lacks_the_newest_packs_loses_nothing() {
    let (medium, folder) = (Medium::dropbox(), tempdir().unwrap());
    let blobs: Vec<_> = (0..6).map(small).collect();
    let store = medium.open(folder.path());
    for blob in &blobs {
        put(&store, std::slice::from_ref(blob));
    }
    store.close().unwrap();
    drop(store);
    medium.fake_dropbox().set_page(2);
    for index_is_lost in [false, true] {
        if index_is_lost {
            fs::remove_file(folder.path().join("index.redb")).unwrap();
        }
        medium.fake_dropbox().trouble("list_folder", Trouble::Stale(3), 1);
        let store = medium.open(folder.path());
        assert!(blobs.iter().all(|blob| has(&store, blob)), "index lost: {index_is_lost}");
        let new = small(100 + u64::from(index_is_lost));
        put(&store, std::slice::from_ref(&new));
        assert!(has(&store, &new));
        assert_eq!(store.recovered().damaged_ranges, 0);
    }
}

#[tokio::test]
async fn the_nodes_status_says_what_is_wrong_with_its_cloud_until_it_is_right() {
    let medium = Medium::dropbox();
    let coordinator = Coordinator::start().await;
    let setup = Setup { medium: &medium, options: &["--upkeep-ms=20"], ..Setup::default() };
    let node = Node::start(&coordinator, setup).await;
    medium.fake_dropbox().revoke();
    assert_eq!(node.put(&Blob::random(1, 5000)).await.status(), 503);
    let told = async || coordinator.member(node.id).unwrap().heartbeats.pop().unwrap().read_only;
    wait_until("it is told", async || told().await.is_some_and(|reason| reason.contains("revoked"))).await;
    medium.fake_dropbox().link_again();
    wait_until("it is right", async || told().await.is_none()).await;
    assert_eq!(node.put(&Blob::random(1, 5000)).await.status(), 200);
    node.stop().await;
}
