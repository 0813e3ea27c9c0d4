//! Nodes die, lie and come back; nothing that was committed is lost, and nothing is committed that could be.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::rc::Rc;

use client::Error;
use protocol::error::ErrorCode;
use testkit::cluster::Cluster;

use crate::native::{Device, assert_restores, back_up, noise};

#[tokio::test]
async fn any_one_node_may_die_and_everything_comes_back() {
    let mut cluster = Cluster::start(4).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let files = [("big", noise(1, 12 << 20)), ("small", noise(2, 5000)), ("tiny", vec![1, 2, 3])];
    back_up(&vault, &files).await.expect("backs up");
    for node in 0..4 {
        cluster.kill_node(node);
        let vault = Device::default().open(&cluster).await;
        assert_restores(&vault, &files).await;
        cluster.start_node(node).await;
    }
}

#[tokio::test]
async fn a_backup_goes_on_when_a_node_is_dead() {
    let mut cluster = Cluster::start(4).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    cluster.kill_node(1);
    let files = [("big", noise(1, 20 << 20)), ("small", noise(2, 5000))];
    back_up(&vault, &files).await.expect("two zones of three are enough");
    let status = vault.status().await.expect("status");
    assert!(status.sources[0].copies.iter().all(|count| count.copies >= 2), "{:?}", status.sources[0].copies);
    assert_restores(&vault, &files).await;
}

#[tokio::test]
async fn nothing_is_committed_that_too_few_nodes_hold() {
    let mut cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    cluster.kill_node(0);
    cluster.kill_node(1);
    let files = [("file", noise(1, 2 << 20))];
    let error = back_up(&vault, &files).await.expect_err("one node is not two zones");
    let refused =
        matches!(error, Error::TooFewCopies(_)) || error.code() == Some(ErrorCode::InsufficientZones);
    assert!(refused && error.is_retryable(), "{error}");
    assert!(!vault.refresh().await.expect("still there"), "no commit appeared");

    cluster.start_node(0).await;
    cluster.start_node(1).await;
    back_up(&vault, &files).await.expect("trying again succeeds");
    assert_restores(&vault, &files).await;
}

#[tokio::test]
async fn damaged_copies_are_passed_over() {
    let mut cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let files = [("a", noise(1, 6 << 20)), ("b", noise(2, 30_000)), ("c", noise(3, 30_000))];
    back_up(&vault, &files).await.expect("backs up");
    // Two of the three copies of everything lose a bit every 8 KiB, under the running nodes.
    for node in [0, 2] {
        for pack in std::fs::read_dir(cluster.node_folder(node).join("packs")).expect("packs") {
            let pack = pack.expect("a pack").path();
            let mut file = std::fs::OpenOptions::new().write(true).open(&pack).expect("a pack");
            for at in (4096..8 << 20).step_by(8 << 10) {
                file.seek(SeekFrom::Start(at)).expect("seeks");
                file.write_all(&[0x55, 0xaa]).expect("writes");
            }
        }
    }
    let vault = Device::default().open(&cluster).await;
    assert_restores(&vault, &files).await;

    cluster.kill_node(1);
    let error = Device::default().sign_in(&cluster).await.expect("signs in").open_vault().await;
    let vault = error.expect("the log is with the coordinator");
    let source = vault.uploads().expect("uploads");
    let error = crate::native::restore(&vault, source, "a").await.expect_err("no good copy is left");
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn everything_survives_a_kill_of_all_processes() {
    let mut cluster = Cluster::start(3).await;
    let device = Device::default();
    let vault = device.sign_up(&cluster).await.open_vault().await.expect("opens");
    let files = [("big", noise(1, 9 << 20)), ("small", noise(2, 5000))];
    back_up(&vault, &files).await.expect("backs up");
    for node in 0..3 {
        cluster.kill_node(node);
    }
    cluster.kill_coordinator();
    cluster.start_coordinator().await;
    for node in 0..3 {
        cluster.start_node(node).await;
    }
    assert_restores(&device.open(&cluster).await, &files).await;
}

#[tokio::test]
async fn a_cancelled_backup_leaves_nothing_and_its_repetition_resumes() {
    let cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let files = [("big", noise(1, 48 << 20))];
    let progress = Rc::new(client::Progress::default());
    let new_files = files.iter().map(|(name, content)| crate::native::file(name, content)).collect();
    let backup = vault.backup(new_files, &progress);
    let half_sent = async {
        while progress.get().bytes_sent < 16 << 20 {
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        done = backup => panic!("cancelled too late: {done:?}"),
        () = half_sent => {}
    }
    let sent_before = progress.get().bytes_sent;
    assert!(!vault.refresh().await.expect("still there"), "no commit appeared");
    let summary = back_up(&vault, &files).await.expect("repeats");
    assert!(
        summary.new_bytes_sent <= (50 << 20) - sent_before,
        "{} after {sent_before}",
        summary.new_bytes_sent
    );
    assert_restores(&vault, &files).await;
}

/// Reads like a file of noise, and is never in memory as a whole.
struct Endless;

impl client::ReadAt for Endless {
    fn read_at(
        &self,
        offset: u64,
        len: usize,
    ) -> futures_util::future::LocalBoxFuture<'_, Result<Vec<u8>, String>> {
        let left = usize::try_from(LARGE_BYTES - offset).expect("fits memory");
        Box::pin(async move { Ok(noise(offset, len.min(left))) })
    }
}

const LARGE_BYTES: u64 = 384 << 20;

/// The most memory that this process ever used, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[tokio::test]
async fn memory_does_not_grow_with_the_file() {
    use futures_util::stream::TryStreamExt as _;
    let cluster = Cluster::start(1).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let before = peak_memory();
    let path = vec!["large".to_owned()];
    let file =
        client::NewFile { path: path.clone(), mtime_ms: 0, size: LARGE_BYTES, reader: Box::new(Endless) };
    vault.backup(vec![file], &Rc::default()).await.expect("backs up");
    let source = vault.uploads().expect("uploads");
    let mut download = vault.open_file(source, &path).await.expect("opens");
    let mut restored = 0;
    while let Some(piece) = download.stream.try_next().await.expect("restores") {
        restored += piece.len() as u64;
    }
    assert_eq!(restored, LARGE_BYTES);
    let used = peak_memory() - before;
    assert!(used < 256 << 20, "{} MiB", used >> 20);
}
