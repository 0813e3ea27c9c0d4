//! A large file that is rewritten a hundred times a second.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use client::{At, SnapshotRef, TreeNode, Vault};
use futures_util::TryStreamExt as _;
use testkit::long::scale;
use testkit::wait_until;

use crate::support::{Folder, World, entries, noise, wait_until_equal};

const STAMPS: u64 = 64;
/// Commits that an agent makes without waiting; then one a minute.
const COMMITS_AT_ONCE: u64 = 5;

/// Writes a version's number to places all over the file, again and again, until it is dropped.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(path: &Path, len: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, file) = (stop.clone(), File::options().write(true).open(path).unwrap());
        let thread = thread::spawn(move || {
            for version in 1_u64.. {
                for stamp in 0..STAMPS {
                    file.write_all_at(&version.to_be_bytes(), stamp * (len / STAMPS)).unwrap();
                }
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // That it panicked is told by the panic.
            drop(thread.join());
        }
    }
}

fn stamps(content: &[u8]) -> BTreeSet<&[u8]> {
    content.chunks(content.len() / STAMPS as usize).map(|part| &part[..8]).collect()
}

/// Snapshots in which the file is flagged, after a look at those in which it is not: these hold one version.
async fn count_flagged(vault: &Vault) -> usize {
    vault.refresh().await.unwrap();
    let source = vault.sources()[0].source;
    let mut flagged = 0;
    for snapshot in vault.snapshots(source) {
        let snapshot = SnapshotRef { source, at: At::Seq(snapshot.seq) };
        match entries(vault, snapshot).await.get(&b"busy"[..]).map(|entry| entry.node.clone()) {
            Some(TreeNode::File { changed: true, .. }) => flagged += 1,
            Some(TreeNode::File { changed: false, .. }) => {
                let file = vault.open_file(snapshot, &["busy"]).await.unwrap();
                let content: Vec<Vec<u8>> = file.stream.try_collect().await.unwrap();
                assert_eq!(stamps(&content.concat()).len(), 1, "a mixture that is not flagged");
            }
            other => panic!("{other:?}"),
        }
    }
    flagged
}

#[tokio::test]
async fn a_file_that_never_rests_is_flagged_and_others_are_backed_up_beside_it() {
    let len = scale(8 << 20, 50 << 20);
    let world = World::start(2).await;
    let agent = world.admit().await;
    let mut first = noise(1, len as usize);
    (0..STAMPS).for_each(|stamp| first[(stamp * (len / STAMPS)) as usize..][..8].fill(0));
    let folder = Folder::new(&[("busy", &first)]);
    agent.add(folder.path()).await;
    let vault = world.vault().await;
    let started = Instant::now();
    let _running = agent.start().await;
    let writer = Writer::start(&folder.join("busy"), len);
    for round in 0..scale(1, 3) {
        let name = format!("beside-{round}");
        folder.write(&name, b"quiet");
        let source = vault.sources()[0].source;
        let deadline = Instant::now() + Duration::from_mins(5);
        loop {
            vault.refresh().await.unwrap();
            let is_there = vault.sources()[0].newest.is_some()
                && entries(&vault, source).await.contains_key(name.as_bytes());
            if is_there {
                break;
            }
            assert!(Instant::now() < deadline, "{}", agent.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    wait_until("a snapshot has the file flagged", async || count_flagged(&vault).await > 0).await;
    drop(writer);
    wait_until_equal(&vault, folder.path(), &agent).await;
    count_flagged(&vault).await;
    let commits = vault.snapshots(vault.sources()[0].source).len() as u64;
    let minutes = started.elapsed().as_secs() / 60;
    assert!(commits <= COMMITS_AT_ONCE + minutes + 1, "{commits} commits in {minutes} minutes");
    assert_eq!(stamps(&fs::read(folder.join("busy")).unwrap()).len(), 1);
}
