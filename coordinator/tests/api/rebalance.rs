//! Zones fill evenly: copies move from the fullest to the emptiest, and wait for what is more important.

use std::time::Duration;

use coordinator::rebalance::Rebalance;
use protocol::nodes::HeartbeatRequest;
use reqwest::StatusCode;

use crate::support::{Cluster, Options, soon};

const BLOBS: std::ops::Range<u16> = 0..40;
/// Of each node: half of the blobs fill half of it.
const CAPACITY_BYTES: u64 = 40 * 4160;

/// Two copies of each blob, and a look at how full zones are again and again.
fn evened() -> Options {
    let rebalance = Rebalance {
        rebalance_every: Duration::from_millis(50),
        rebalance_bytes: 5 * 4160,
        ..Rebalance::default()
    };
    Options { replicas: Some(2), rebalance, ..soon() }
}

impl Cluster {
    /// Every node says how full it is.
    async fn tell(&self) {
        for node in &self.nodes {
            let used_bytes = node.shelf.len() as u64 * 4160;
            let free_bytes = CAPACITY_BYTES - used_bytes;
            let heartbeat = HeartbeatRequest {
                capacity_bytes: CAPACITY_BYTES,
                used_bytes,
                free_bytes,
                ..node.next_heartbeat()
            };
            node.heartbeat(&self.server, &heartbeat).await.expect_status(StatusCode::OK);
        }
    }

    async fn spread(&self) -> u32 {
        self.status().await.cluster.spread_percent
    }
}

#[tokio::test]
async fn an_empty_node_is_filled_until_all_are_about_as_full() {
    let mut cluster = Cluster::start(evened(), &["a", "b"]).await;
    cluster.back_up(BLOBS).await;
    cluster.add("c").await;
    cluster.tell().await;
    assert_eq!(cluster.spread().await, 100);
    cluster
        .wait_for("all are about as full", async || {
            cluster.tell().await;
            cluster.spread().await <= 10
        })
        .await;
    cluster.wait_for_rest().await;
    for number in BLOBS {
        assert_eq!(cluster.holders(number).len(), 2, "blob {number}");
        assert_eq!(cluster.counted(number).await, cluster.holders(number));
    }
}

#[tokio::test]
async fn nothing_moves_while_a_blob_lacks_copies_and_what_was_to_move_does_not() {
    let mut cluster = Cluster::start(evened(), &["a", "b"]).await;
    cluster.back_up(BLOBS).await;
    // Another coordinator repairs the first blob.
    let lacking = "INSERT INTO repairs (blob_id, priority, due_at)
                   SELECT min(id), 2, now() + interval '1 hour' FROM blobs";
    cluster.server.sql(lacking).await;
    cluster.add("c").await;
    cluster.server.sql("INSERT INTO repairs (blob_id, priority) SELECT max(id), 17 FROM blobs").await;
    cluster.tell().await;
    cluster.wait_for_sql("SELECT count(*)::text FROM repairs", "1").await;
    assert_eq!(cluster.nodes[2].shelf.len(), 0);
    cluster.server.sql("UPDATE repairs SET due_at = now()").await;
    cluster
        .wait_for("then it is filled", async || {
            cluster.tell().await;
            cluster.spread().await <= 10
        })
        .await;
}
