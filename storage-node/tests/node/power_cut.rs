//! The power goes out under load: a loop-mounted ext4 is shut down without writing what was not synced
//! (`FS_IOC_SHUTDOWN`), mounted again, and every receipt's blobs must be there. Needs root.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use testkit::{TempDir, tempdir, wait_until};

use crate::crash::put_until_gone;
use crate::support::{Coordinator, Node, Setup};

const ROUNDS: u64 = 3;
const CLIENTS: u64 = 4;
/// `FS_IOC_SHUTDOWN` with `FS_SHUTDOWN_FLAGS_NOLOGFLUSH`.
const CUT: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A file system of its own, mounted over an empty folder.
struct Disk {
    image: TempDir,
    mounted: Arc<TempDir>,
}

impl Disk {
    fn make() -> Self {
        let disk = Self { image: tempdir().unwrap(), mounted: Arc::new(tempdir().unwrap()) };
        run("truncate", &["--size=256M", &disk.image()]);
        run("mkfs.ext4", &["-q", &disk.image()]);
        disk.mount();
        disk
    }

    fn image(&self) -> String {
        self.image.path().join("image").display().to_string()
    }

    fn path(&self) -> &Path {
        self.mounted.path()
    }

    fn mount(&self) {
        run("mount", &["-o", "loop", &self.image(), &self.path().display().to_string()]);
    }

    fn unmount(&self) {
        run("umount", &[&self.path().display().to_string()]);
    }

    fn cut_power(&self) {
        run("python3", &["-c", CUT, &self.path().display().to_string()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Also when the test failed in between; a disk that is not mounted is not an error then.
        drop(Command::new("umount").args(["--quiet", "--lazy"]).arg(self.path()).status());
    }
}

#[tokio::test]
async fn every_receipt_survives_a_power_cut_under_load() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: mounting needs root");
        return;
    }
    let coordinator = Coordinator::start().await;
    let disk = Disk::make();
    let seeds = Arc::new(AtomicU64::new(0));
    let mut durable = Vec::new();
    for round in 0..=ROUNDS {
        let options = &["--pack-bytes=2097152", "--checkpoint-ms=100"];
        let setup = Setup { options, folder: Arc::clone(&disk.mounted), ..Setup::default() };
        let node = Arc::new(Node::start_process(&coordinator, setup).await);
        for blob in &durable {
            assert!(node.has(blob).await, "round {round}: {:?}", blob.stored);
        }
        let acknowledged = Arc::new(AtomicU64::new(0));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                tokio::spawn(put_until_gone(Arc::clone(&node), Arc::clone(&seeds), Arc::clone(&acknowledged)))
            })
            .collect();
        let enough = 20 + 7 * round;
        wait_until("the node is busy", async || acknowledged.load(Ordering::Relaxed) >= enough).await;
        disk.cut_power();
        node.signal_kill();
        for client in clients {
            durable.extend(client.await.unwrap());
        }
        drop(Arc::into_inner(node).expect("no client is left").ended().await);
        disk.unmount();
        disk.mount();
    }
    assert!(durable.len() as u64 >= 3 * 20 * ROUNDS);
    disk.unmount();
}
