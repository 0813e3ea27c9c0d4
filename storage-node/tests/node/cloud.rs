//! Stores in clouds: whose folder it is, what one line says is wrong, and how few requests it takes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use configuration::Secret;
use static_assertions::assert_not_impl_any;
use storage_node::store::{CloudPlace, Dropbox, Provider, S3, Store, StoreError};
use testkit::tempdir;
use tokio::net::TcpListener;

use crate::compaction::{NOW_MS, compact_all};
use crate::media::{cloud_options, on_all_media_async};
use crate::recovery::{delete, has, put, run, store_id, verified};
use crate::scrub::{PERIOD_MS, scrub_all};
use crate::support::{Blob, Coordinator, Medium, Node, Setup, damage};

assert_not_impl_any!(Secret: std::fmt::Debug, std::fmt::Display);
assert_not_impl_any!(CloudPlace: std::fmt::Debug);
assert_not_impl_any!(S3: std::fmt::Debug);
assert_not_impl_any!(Dropbox: std::fmt::Debug);

pub fn clouds() -> [Medium; 2] {
    [Medium::s3(), Medium::dropbox()]
}

pub fn refusal(result: Result<Store, StoreError>) -> String {
    let line = format!("{:#}", anyhow::Error::from(result.unwrap_err()));
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}

/// Opens with a place that differs.
pub fn open_with(
    medium: &Medium,
    folder: &Path,
    change: impl FnOnce(&mut CloudPlace),
) -> Result<Store, StoreError> {
    let mut place = medium.place(folder).unwrap();
    change(&mut place);
    Store::open_cloud(folder, store_id(), cloud_options(), place)
}

pub fn rebuilt(medium: &Medium, folder: &Path) -> Store {
    fs::remove_file(folder.join("index.redb")).unwrap();
    medium.open(folder)
}

on_all_media_async!(a_cluster_of_nodes_takes_a_batch_and_gives_it_back_after_a_restart);

/// With two nodes on disks.
async fn a_cluster_of_nodes_takes_a_batch_and_gives_it_back_after_a_restart(medium: &Medium) {
    let coordinator = Coordinator::start().await;
    let first = Node::start(&coordinator, Setup::default()).await;
    let second = Node::start(&coordinator, Setup::default()).await;
    let third = Node::start(&coordinator, Setup { medium, ..Setup::default() }).await;
    let told = coordinator.member(third.id).unwrap().join.medium;
    let expected = match medium {
        Medium::Disk => protocol::nodes::Medium::Disk,
        Medium::S3(..) => protocol::nodes::Medium::S3,
        Medium::Dropbox(..) => protocol::nodes::Medium::Dropbox,
    };
    assert_eq!(told, expected);
    first.wait_until_up().await;
    let blobs: Vec<_> = (0..5).map(|seed| Blob::random(seed, 50_000)).collect();
    let events = first.put_batch(&blobs, &[second.id, third.id]).await;
    let stored =
        events.iter().filter(|event| matches!(event, protocol::data_plane::PutEvent::Stored { .. })).count();
    assert_eq!(stored, 3, "{events:?}");
    assert_eq!(third.audit(&blobs, [7; 32]).await.iter().flatten().count(), blobs.len());
    third.delete(&blobs[..1]).await;
    let folder = third.stop().await;

    let third = Node::start(&coordinator, Setup { folder, medium, ..Setup::default() }).await;
    assert!(!third.has(&blobs[0]).await);
    for blob in &blobs[1..] {
        assert!(third.has(blob).await);
    }
    let beat = coordinator.member(third.id).unwrap().heartbeats.pop().unwrap();
    assert!(beat.free_bytes > 0 && beat.capacity_bytes >= beat.free_bytes, "{beat:?}");
    for node in [first, second, third] {
        node.stop().await;
    }
}

/// What a file of 4 KiB becomes.
const SMALL: usize = (4 << 10) + 64;

#[tokio::test]
async fn ten_thousand_small_blobs_take_fewer_than_fifty_uploads() {
    let medium = Medium::dropbox();
    let options = &["--cloud-group-wait-ms=250"];
    let setup = Setup { medium: &medium, options, ..Setup::default() };
    let node = Node::start(&Coordinator::start().await, setup).await;
    let blobs: Vec<_> = (0..10_000).map(|seed| Blob::random(seed, SMALL)).collect();
    let before = medium.fake_dropbox().calls("upload");
    // As a client sends them: batches, several at a time.
    let batches: Vec<_> = blobs.chunks(256).collect();
    for batches in batches.chunks(4) {
        let sent = batches.iter().map(|batch| node.put_batch(batch, &[]));
        assert_eq!(futures_util::future::join_all(sent).await.len(), batches.len());
    }
    let uploads = medium.fake_dropbox().calls("upload") - before;
    assert!(uploads < 50, "{uploads}");
    assert_eq!(node.ready().await.1["blobs"], 10_000);
    assert!(node.has(&blobs[9_999]).await);
    // And back in batches, whatever their order.
    let before = medium.fake_dropbox().calls("download");
    for batch in blobs.chunks(256) {
        let mut wanted: Vec<u32> = (0..batch.len() as u32).collect();
        wanted.reverse();
        let read = node.read_batch(batch, &wanted).await.bytes().await.unwrap();
        let expected: Vec<u8> = batch.iter().rev().flat_map(|blob| blob.bytes.to_vec()).collect();
        assert!(read == expected);
    }
    let downloads = medium.fake_dropbox().calls("download") - before;
    assert!(downloads < 200, "{downloads}");
    node.stop().await;
}

#[test]
fn a_folder_of_another_store_is_refused_and_so_is_one_that_lacks_its_own() {
    for medium in clouds() {
        let folder = tempdir().unwrap();
        drop(medium.open(folder.path()));
        let prefix = medium.place(folder.path()).unwrap().prefix;
        let other = tempdir().unwrap();
        let refused = open_with(&medium, other.path(), |place| place.prefix = prefix.clone());
        drop(refused.unwrap());

        let stranger = tempdir().unwrap();
        let id = protocol::id::StoreId::from_bytes([0x22; 16]).unwrap();
        let mut place = medium.place(stranger.path()).unwrap();
        place.prefix = prefix;
        let refused = refusal(Store::open_cloud(stranger.path(), id, cloud_options(), place));
        assert!(
            refused.contains("it holds another node's store; give each node a prefix of its own"),
            "{refused}"
        );

        let refused = open_with(&medium, folder.path(), |place| place.prefix = "elsewhere".into());
        assert!(refusal(refused).contains("this node's store is not there; compare bucket and prefix"));
        let refused = refusal(Medium::Disk.try_open(folder.path()));
        assert!(refused.contains("its packs are in a cloud"), "{refused}");
        let on_disk = tempdir().unwrap();
        drop(Medium::Disk.open(on_disk.path()));
        let refused = refusal(medium.try_open(on_disk.path()));
        assert!(refused.contains("its packs are on this disk"), "{refused}");
    }
}

#[test]
fn what_is_wrong_with_a_bucket_or_its_keys_is_one_line() {
    let medium = Medium::s3();
    let folder = tempdir().unwrap();
    let with = |change: &dyn Fn(&mut S3)| {
        refusal(open_with(&medium, folder.path(), |place| {
            place.patience.total = Duration::from_millis(50);
            let Provider::S3(s3) = &mut place.provider else { panic!("not S3") };
            change(s3);
        }))
    };
    assert_eq!(
        with(&|s3| s3.bucket = "other".into()),
        "there is no bucket other; make it, or correct the name"
    );
    let refused = with(&|s3| s3.secret_access_key = Secret::new("wrong".into()));
    assert!(refused.starts_with("the provider refuses the credentials: 403"), "{refused}");
    assert!(!refused.contains("wrong"), "{refused}");
    let refused = with(&|s3| s3.endpoint = "http://127.0.0.1:9".into());
    assert!(refused.starts_with("no answer from the provider:"), "{refused}");
    // Over TLS too.
    let refused = with(&|s3| s3.endpoint = "https://127.0.0.1:9".into());
    assert!(refused.starts_with("no answer from the provider:"), "{refused}");
}

/// Answers that `s3s-fs` does not give, in the words of Amazon.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_region_a_wrong_clock_and_a_full_account_are_told_apart() {
    let error =
        |code: &str, text: &str| format!("<Error><Code>{code}</Code><Message>{text}</Message></Error>");
    let region = "the region 'us-east-1' is wrong; expecting 'eu-central-1'";
    let cases = [
        (
            400,
            error("AuthorizationHeaderMalformed", region),
            "bucket bucket is not in region us-east-1; the provider",
        ),
        (403, error("RequestTimeTooSkewed", "The difference is too large."), "this machine's clock is wrong"),
        (507, error("QuotaExceeded", "No room."), "the account has no room left"),
        (503, error("SlowDown", "Reduce your request rate."), "the provider asks to wait"),
        (403, error("AccessDenied", "Access Denied"), "the provider refuses the credentials: 403"),
        (500, error("InternalError", "We failed."), "the provider fails: 500"),
    ];
    for (status, body, expected) in cases {
        let status = StatusCode::from_u16(status).unwrap();
        let app = Router::new().fallback(async move || (status, body));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let line = tokio::task::spawn_blocking(move || {
            let (medium, folder) = (Medium::s3(), tempdir().unwrap());
            refusal(open_with(&medium, folder.path(), |place| {
                let Provider::S3(s3) = &mut place.provider else { panic!("not S3") };
                s3.endpoint = url;
                place.patience.total = Duration::from_millis(20);
            }))
        });
        let line = line.await.unwrap();
        assert!(line.starts_with(expected), "{line}");
        server.abort();
    }
}

#[test]
fn scrubbing_asks_for_hashes_and_reads_only_what_they_do_not_vouch_for() {
    for medium in clouds() {
        let folder = tempdir().unwrap();
        let by_hash = || open_with(&medium, folder.path(), |place| place.scrub_reads = false).unwrap();
        let blobs: Vec<_> = (0..4).map(|seed| Blob::random(seed, 30_000)).collect();
        let store = by_hash();
        for blob in &blobs {
            put(&store, std::slice::from_ref(blob));
        }
        let downloads = || match &medium {
            Medium::Dropbox(server, _) => server.calls("download"),
            _ => 0,
        };
        let before = downloads();
        scrub_all(&store, NOW_MS);
        assert_eq!(downloads(), before);
        assert_eq!(store.damaged_count(), 0);
        damage(&medium.folder(folder.path()), &blobs[2]);
        let store = if let Medium::Dropbox(..) = medium {
            // Its hash is of what it has now.
            store
        } else {
            drop(store);
            fs::remove_file(folder.path().join("hashes.jsonl")).unwrap();
            by_hash()
        };
        scrub_all(&store, NOW_MS + PERIOD_MS);
        let found: Vec<_> = blobs.iter().map(|blob| has(&store, blob)).collect();
        assert_eq!(found, [true, true, false, true]);
        assert_eq!(store.damage_report().unwrap().blobs, [blobs[2].stored]);
    }
}

#[test]
fn compaction_makes_room_and_the_trash_keeps_what_it_replaced() {
    for medium in clouds() {
        let folder = tempdir().unwrap();
        let blobs: Vec<_> = (0..6).map(|seed| Blob::random(seed, 30_000)).collect();
        let store = medium.open(folder.path());
        run(store.put(blobs[..3].iter().map(verified).collect())).unwrap();
        run(store.put(blobs[3..].iter().map(verified).collect())).unwrap();
        delete(&store, &blobs[..2]);
        assert_eq!(compact_all(&store), 1);
        let trash = medium.folder(folder.path()).join("trash");
        assert_eq!(fs::read_dir(&trash).unwrap().count(), 1);
        assert_eq!(store.empty_trash(NOW_MS + 1000, 2000).unwrap(), 0);
        drop(store);
        // The trash is known again after a restart.
        let store = rebuilt(&medium, folder.path());
        assert_eq!(store.empty_trash(NOW_MS + 2000, 2000).unwrap(), 1);
        assert_eq!(fs::read_dir(&trash).unwrap().count(), 0);
        let found: Vec<_> = blobs.iter().map(|blob| has(&store, blob)).collect();
        assert_eq!(found, [false, false, true, true, true, true]);
    }
}
