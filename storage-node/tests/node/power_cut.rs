//! The power goes out under load: a loop-mounted ext4 is shut down without writing what was not synced
//! (`FS_IOC_SHUTDOWN`), mounted again, and every receipt's blobs must be there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use testkit::disk::{Disk, may_mount};
use testkit::{tempdir, wait_until};

use crate::crash::put_until_gone;
use crate::support::{Coordinator, Node, Setup};

const ROUNDS: u64 = 3;
const CLIENTS: u64 = 4;

#[tokio::test]
async fn every_receipt_survives_a_power_cut_under_load() {
    if !may_mount() {
        return;
    }
    let coordinator = Coordinator::start().await;
    let image = tempdir().unwrap();
    let disk = Disk::ext4(&image.path().join("image"), 256 << 20, &[]);
    let seeds = Arc::new(AtomicU64::new(0));
    let mut durable = Vec::new();
    for round in 0..=ROUNDS {
        let options = &["--pack-bytes=2097152", "--checkpoint-ms=100"];
        let setup = Setup { options, folder: Arc::clone(&disk.folder), ..Setup::default() };
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
