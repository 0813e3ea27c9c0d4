//! The power goes out under load: a loop-mounted ext4 is shut down without writing what was not synced
//! (`FS_IOC_SHUTDOWN`), mounted again, and every receipt must hold: what it stored is there, and what it deleted is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use testkit::disk::{Disk, may_mount};
use testkit::long::scale;
use testkit::{tempdir, wait_until};

use crate::crash::put_until_gone;
use crate::support::{Coordinator, Node, Setup, data};

/// Of what is there when a round begins so many blobs are deleted in it, and never more than all but so many.
const DELETED: usize = 40;
const KEPT: usize = 10;
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
    let rounds = scale(3, 50);
    let (mut durable, mut gone) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let options = &["--pack-bytes=1048576", "--checkpoint-ms=100", "--upkeep-ms=10", "--trash-ms=0"];
        let setup = Setup { options, folder: Arc::clone(&disk.folder), ..Setup::default() };
        let node = Arc::new(Node::start_process(&coordinator, setup).await);
        for blob in &durable {
            assert!(node.has(blob).await, "round {round}: {:?}", blob.stored);
        }
        for blob in &gone {
            assert_eq!(node.get(blob).await.status(), 404, "round {round}: {:?}", blob.stored);
        }
        let acknowledged = Arc::new(AtomicU64::new(0));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                tokio::spawn(put_until_gone(Arc::clone(&node), Arc::clone(&seeds), Arc::clone(&acknowledged)))
            })
            .collect();
        // The oldest go first, so that their packs are compacted while others are written.
        let deleted = durable.len().saturating_sub(KEPT).min(DELETED);
        for _ in 0..deleted / 8 {
            let list: Vec<_> = durable.drain(..8).collect();
            node.delete(&list).await;
            gone.extend(list);
        }
        let enough = 20 + 7 * (round % 4);
        let compacted = || !data(&disk.folder).join("packs/00000001.pack").exists();
        let busy = async || acknowledged.load(Ordering::Relaxed) >= enough && (round == 0 || compacted());
        wait_until("the node is busy", busy).await;
        disk.cut_power();
        node.signal_kill();
        for client in clients {
            durable.extend(client.await.unwrap());
        }
        drop(Arc::into_inner(node).expect("no client is left").ended().await);
        disk.unmount();
        disk.mount();
    }
    assert!((durable.len() + gone.len()) as u64 >= 3 * 20 * rounds);
    disk.unmount();
}
