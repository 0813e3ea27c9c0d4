//! Disks of nodes that fill up or fail under a backup of a whole cluster.

use std::fs;
use std::path::Path;

use protocol::nodes::NodeState;
use testkit::cluster::Cluster;
use testkit::disk::{Disk, fill, may_mount};
use testkit::wait_until;

use crate::coordinators::{QUICK, nodes, wait_for_rest};
use crate::native::{Device, assert_restores, back_up, noise};

const SMALL: [(&str, &str); 3] = [
    ("TRIPLICATE_PACK_BYTES", "4194304"),
    ("TRIPLICATE_RESERVE_BYTES", "1048576"),
    ("TRIPLICATE_RESERVE_PERCENT", "1"),
];

/// Three nodes, the last of which has its data there.
async fn start(data: &Path) -> Cluster {
    let mut cluster = Cluster::start_with(2, &[&QUICK[..], &SMALL].concat()).await;
    cluster.add_node(data.join("node")).await;
    cluster
}

#[tokio::test]
async fn a_node_that_is_full_ends_no_backup_and_another_takes_its_part() {
    if !may_mount() {
        return;
    }
    let disk = Disk::tmpfs(16 << 20);
    let mut cluster = start(disk.path()).await;
    let account = Device::default().sign_up(&cluster).await;
    let vault = account.open_vault().await.expect("opens");
    let files = [("big", noise(1, 30 << 20)), ("small", noise(2, 5000))];
    back_up(&vault, &files).await.expect("two nodes are enough");
    assert!(nodes(&account).await.cluster.lacking > 0, "the third took a part of it");
    let folder = cluster.folder().join("node-4");
    cluster.add_node(folder).await;
    wait_for_rest(&account, cluster.database()).await;
    // Of four nodes each blob is on three.
    cluster.kill_node(0);
    cluster.kill_node(1);
    assert_restores(&Device::default().open(&cluster).await, &files).await;
}

#[tokio::test]
async fn a_node_whose_disk_fails_ends_no_backup_and_is_made_whole_when_it_works_again() {
    if !may_mount() {
        return;
    }
    // A sparse image on a disk that fills up: writing to its pages in memory goes well, and their sync fails.
    let below = Disk::tmpfs(64 << 20);
    let disk = Disk::ext4(&below.path().join("image"), 128 << 20, &[]);
    let mut cluster = start(disk.path()).await;
    let account = Device::default().sign_up(&cluster).await;
    let vault = account.open_vault().await.expect("opens");
    back_up(&vault, &[("before", noise(1, 1 << 20))]).await.expect("backs up");
    let filler = fill(below.path(), 0);
    let files = [("big", noise(2, 24 << 20)), ("small", noise(3, 5000))];
    back_up(&vault, &files).await.expect("two nodes are enough");
    let state = async || nodes(&account).await.nodes.iter().any(|node| node.state == NodeState::ReadOnly);
    wait_until("the node takes no writes", state).await;
    assert_restores(&Device::default().open(&cluster).await, &files).await;

    fs::remove_file(filler).expect("it is there");
    cluster.kill_node(2);
    disk.unmount();
    disk.mount();
    cluster.start_node(2).await;
    wait_for_rest(&account, cluster.database()).await;
    cluster.kill_node(0);
    cluster.kill_node(1);
    assert_restores(&Device::default().open(&cluster).await, &files).await;
}
