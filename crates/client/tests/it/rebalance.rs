//! A node that joins empty is filled, by real nodes with small disks of their own.

use testkit::disk::{Disk, may_mount};
use testkit::postgres::database;
use testkit::wait_until;

use crate::native::{Device, assert_restores, back_up, linked, noise};

/// Two copies on disks of 64 MiB, and everything soon.
const SMALL: [(&str, &str); 8] = [
    ("TRIPLICATE_REPLICAS", "2"),
    ("TRIPLICATE_HEARTBEAT_MS", "300"),
    ("TRIPLICATE_PACK_BYTES", "8388608"),
    ("TRIPLICATE_RESERVE_BYTES", "1048576"),
    ("TRIPLICATE_RESERVE_PERCENT", "1"),
    ("TRIPLICATE_DELETE_EVERY", "0.3"),
    ("TRIPLICATE_REBALANCE_EVERY", "0.3"),
    ("TRIPLICATE_REBALANCE_BYTES", "8388608"),
];

#[tokio::test]
async fn an_empty_node_is_filled_until_it_is_about_as_full_as_the_others() {
    if !may_mount() {
        return;
    }
    let disks: Vec<_> = (0..3).map(|_| Disk::tmpfs(64 << 20)).collect();
    let mut all = linked(database().await, 1, 0, &SMALL).await;
    for disk in &disks[..2] {
        all.add_node(disk.path().join("node")).await;
    }
    let account = Device::default().sign_up(&all).await;
    let vault = account.open_vault().await.expect("opens");
    let files = [("big", noise(1, 26 << 20)), ("small", noise(2, 5000))];
    back_up(&vault, &files).await.expect("backs up");
    all.add_node(disks[2].path().join("node")).await;
    let cluster = async || account.nodes().await.expect("lists nodes").cluster;
    wait_until("the new one is known to be emptier", async || cluster().await.spread_percent > 30).await;
    wait_until("all are about as full", async || {
        let cluster = cluster().await;
        cluster.spread_percent <= 10 && cluster.moving == 0 && cluster.surplus == 0
    })
    .await;
    let copies = "SELECT string_agg(DISTINCT copies::text, ' ') FROM (
                      SELECT count(*) AS copies FROM live_replicas GROUP BY blob_id) AS of_blobs";
    wait_until("every blob has two copies", async || all.database().query(copies) == "2").await;
    // Two of three: each holds what the other has lost.
    all.kill_node(0);
    assert_restores(&Device::default().open(&all).await, &files).await;
}
