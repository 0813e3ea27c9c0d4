//! A node killed under load: whatever it gave a receipt for is there afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::data_plane::PutEvent;
use testkit::{tempdir, wait_until};

use crate::support::{Blob, Coordinator, Node, Setup, list};

const ROUNDS: u64 = 4;
const CLIENTS: u64 = 6;

/// Puts batches until the node is gone; gives the blobs that it acknowledged.
pub async fn put_until_gone(
    node: Arc<Node>,
    seeds: Arc<AtomicU64>,
    acknowledged: Arc<AtomicU64>,
) -> Vec<Blob> {
    let mut durable = Vec::new();
    loop {
        let first = seeds.fetch_add(3, Ordering::Relaxed);
        let size = |seed: u64| 4160 + (seed * 7919 % 60_000) as usize;
        let blobs: Vec<_> = (first..first + 3).map(|seed| Blob::random(seed, size(seed))).collect();
        let request = node.http.post(node.at_path("/v1/blobs")).body(node.batch(&blobs, &[]));
        let Ok(response) = request.send().await else { return durable };
        let Ok(line) = response.text().await else { return durable };
        if let Ok(PutEvent::Stored { receipt, .. }) = serde_json::from_str(&line) {
            assert_eq!(node.verify(&receipt).blobs, list(&blobs));
            durable.extend(blobs);
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test]
async fn every_receipt_survives_sigkill_under_load() {
    let coordinator = Coordinator::start().await;
    let mut folder = Arc::new(tempdir().unwrap());
    let seeds = Arc::new(AtomicU64::new(0));
    let mut durable = Vec::new();
    for round in 0..ROUNDS {
        let options = &["--pack-bytes=1048576", "--checkpoint-ms=100"];
        let setup = Setup { options, folder: Arc::clone(&folder), ..Setup::default() };
        let node = Arc::new(Node::start_process(&coordinator, setup).await);
        for blob in &durable {
            assert!(node.has(blob).await, "round {round}: {:?}", blob.stored);
        }
        if round + 1 == ROUNDS {
            let node = Arc::into_inner(node).expect("no client is left");
            node.stop().await;
            break;
        }
        let acknowledged = Arc::new(AtomicU64::new(0));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                tokio::spawn(put_until_gone(Arc::clone(&node), Arc::clone(&seeds), Arc::clone(&acknowledged)))
            })
            .collect();
        let enough = 20 + 13 * round;
        wait_until("the node is busy", async || acknowledged.load(Ordering::Relaxed) >= enough).await;
        node.signal_kill();
        for client in clients {
            durable.extend(client.await.unwrap());
        }
        folder = Arc::into_inner(node).expect("no client is left").ended().await;
    }
    assert!(durable.len() as u64 >= 3 * 20);
}

#[tokio::test]
async fn sigterm_finishes_what_is_under_way_and_leaves_the_mark_of_a_clean_stop() {
    let coordinator = Coordinator::start().await;
    let node = Node::start_process(&coordinator, Setup::default()).await;
    let blob = Blob::random(1, 5000);
    assert!(!crate::support::data(&node.folder).join("CLEAN").exists());
    node.put(&blob).await;
    let folder = node.stop().await;
    assert!(crate::support::data(&folder).join("CLEAN").exists());

    let node = Node::start_process(&coordinator, Setup { folder, ..Setup::default() }).await;
    assert!(!crate::support::data(&node.folder).join("CLEAN").exists());
    assert!(node.has(&blob).await);
    node.stop().await;
}
