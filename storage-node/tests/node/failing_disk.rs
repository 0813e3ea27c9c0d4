//! Disks that fail or fill up under a running node. Nothing is acknowledged that is not there, and reads go on.

use std::fs;
use std::sync::Arc;

use protocol::error::ErrorCode;
use testkit::disk::{Disk, fill, may_mount};
use testkit::{TempDir, tempdir, wait_until};

use crate::support::{Blob, Coordinator, Node, Setup, refusal};

const BLOB_BYTES: usize = 200_000;
/// The packs' writes alone meet the failing disk.
const NO_CHECKPOINTS: &str = "--checkpoint-ms=3600000";
/// The index is due all the time.
const CHECKPOINTS: &str = "--checkpoint-ms=50";

fn blob(seed: u64) -> Blob {
    Blob::random(seed, BLOB_BYTES)
}

/// A node whose data alone is on the disk: log and join token stay readable when that fails.
async fn start(coordinator: &Coordinator, disk: &Disk, folder: &Arc<TempDir>, checkpoints: &str) -> Node {
    let data = format!("--data={}", disk.path().join("node").display());
    let options = &[data.as_str(), "--pack-bytes=4194304", checkpoints];
    Node::start_process(coordinator, Setup { options, folder: Arc::clone(folder), ..Setup::default() }).await
}

/// Puts other blobs than the durable ones, which the acknowledged ones join, and gives the one that is refused.
async fn put_until_refused(node: &Node, durable: &mut Vec<Blob>, expected: (u16, ErrorCode)) -> Blob {
    loop {
        let blob = blob(durable.len() as u64);
        let answer = node.put(&blob).await;
        if answer.status() != 200 {
            assert_eq!(refusal(answer).await, expected);
            return blob;
        }
        durable.push(blob);
    }
}

async fn assert_has_all(node: &Node, blobs: &[Blob]) {
    for blob in blobs {
        assert!(node.has(blob).await, "{:?}", blob.stored);
    }
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_until_a_restart() {
    if !may_mount() {
        return;
    }
    let coordinator = Coordinator::start().await;
    let folder = Arc::new(tempdir().unwrap());
    // A sparse image on a disk that fills up: writing to its pages in memory goes well, and their sync fails.
    let below = Disk::tmpfs(64 << 20);
    let disk = Disk::ext4(&below.path().join("image"), 128 << 20, &[]);
    let node = start(&coordinator, &disk, &folder, NO_CHECKPOINTS).await;
    let mut durable = vec![blob(0)];
    assert_eq!(node.put(&durable[0]).await.status(), 200);
    let filler = fill(below.path(), 0);
    let lost = put_until_refused(&node, &mut durable, (503, ErrorCode::Unavailable)).await;
    assert_eq!(node.refusals("read_only").await, 0, "it was tried");
    assert_eq!(node.get(&lost).await.status(), 404);
    assert_has_all(&node, &durable).await;
    let reason = node.ready().await.1["read_only"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("a sync failed: "), "{reason}");
    let beat = || coordinator.member(node.id).unwrap().heartbeats.pop().unwrap();
    wait_until("the coordinator is told", async || beat().read_only.as_ref() == Some(&reason)).await;

    fs::remove_file(filler).unwrap();
    assert_eq!(refusal(node.put(&lost).await).await, (503, ErrorCode::Unavailable));
    assert_eq!(node.refusals("read_only").await, 1, "it was not tried");
    assert_has_all(&node, &durable).await;
    node.stop().await;
    disk.unmount();
    disk.mount();

    let node = start(&coordinator, &disk, &folder, NO_CHECKPOINTS).await;
    assert_has_all(&node, &durable).await;
    assert_eq!(node.put(&lost).await.status(), 200);
    assert!(node.has(&lost).await);
    node.stop().await;
    disk.unmount();
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room_again() {
    if !may_mount() {
        return;
    }
    let coordinator = Coordinator::start().await;
    let folder = Arc::new(tempdir().unwrap());
    let disk = Disk::tmpfs(32 << 20);
    let mut node = start(&coordinator, &disk, &folder, CHECKPOINTS).await;
    let mut durable = vec![blob(0)];
    assert_eq!(node.put(&durable[0]).await.status(), 200);
    // Room for a blob, not for another pack: it is the store that meets the end of the disk.
    let filler = fill(disk.path(), 3 * BLOB_BYTES);
    let refused = put_until_refused(&node, &mut durable, (507, ErrorCode::InsufficientStorage)).await;
    assert_eq!(node.refusals("disk_full").await, 0, "it was tried");
    assert!(durable.len() > 10, "the pack that was there took some");

    for started in ["before", "on the full disk"] {
        assert_has_all(&node, &durable).await;
        assert_eq!(node.get(&refused).await.status(), 404);
        assert!(node.ready().await.1["read_only"].is_null(), "started {started}");
        assert_eq!(refusal(node.put(&refused).await).await, (507, ErrorCode::InsufficientStorage));
        node.signal_kill();
        node.ended().await;
        node = start(&coordinator, &disk, &folder, CHECKPOINTS).await;
    }

    fs::remove_file(filler).unwrap();
    assert_eq!(node.put(&refused).await.status(), 200);
    durable.push(refused);
    assert_has_all(&node, &durable).await;
    node.stop().await;
    let node = start(&coordinator, &disk, &folder, CHECKPOINTS).await;
    assert_has_all(&node, &durable).await;
    node.stop().await;
    disk.unmount();
}
