//! What the cluster does by itself, seen from outside: copies are made again, damage is found, and space is given back.

use std::collections::BTreeSet;
use std::io::{Seek as _, SeekFrom, Write as _};

use protocol::nodes::NodeState;
use testkit::cluster::Cluster;
use testkit::wait_until;

use crate::coordinators::{QUICK, nodes};
use crate::native::{Device, assert_restores, back_up, noise, path};

/// Everything is read and verified all the time, and no node gives up because of what is found.
const SCRUBBED: [(&str, &str); 3] = [
    ("TRIPLICATE_SCRUB_MS", "1000"),
    ("TRIPLICATE_DAMAGED_MAX", "1000000"),
    ("TRIPLICATE_AUDIT_FAILURES", "1000000"),
];

#[tokio::test]
async fn what_a_lost_node_had_is_made_again_from_the_others() {
    let mut cluster = Cluster::start_with(4, &QUICK).await;
    let account = Device::default().sign_up(&cluster).await;
    let vault = account.open_vault().await.expect("opens");
    let files = [("big", noise(1, 12 << 20)), ("small", noise(2, 5000)), ("tiny", vec![1, 2, 3])];
    back_up(&vault, &files).await.expect("backs up");
    cluster.lose_node(0);
    let url = cluster.node_url(0);
    wait_until("the lost node is out", async || {
        nodes(&account).await.nodes.iter().any(|node| node.url == url && node.state == NodeState::Out)
    })
    .await;
    wait_until("there are three copies of everything", async || {
        let status = vault.status().await.expect("status");
        status.sources.iter().flat_map(|source| &source.copies).all(|count| count.copies == 3)
    })
    .await;
    // Three copies in three zones that are left: one of them is enough.
    cluster.kill_node(1);
    cluster.kill_node(3);
    assert_restores(&Device::default().open(&cluster).await, &files).await;
}

#[tokio::test]
async fn damage_that_nobody_reads_is_found_and_repaired() {
    let mut cluster = Cluster::start_with(3, &[&QUICK[..], &SCRUBBED].concat()).await;
    let account = Device::default().sign_up(&cluster).await;
    let vault = account.open_vault().await.expect("opens");
    let files = [("a", noise(1, 6 << 20)), ("b", noise(2, 30_000))];
    back_up(&vault, &files).await.expect("backs up");
    for pack in std::fs::read_dir(cluster.node_folder(1).join("packs")).expect("packs") {
        let mut file =
            std::fs::OpenOptions::new().write(true).open(pack.expect("a pack").path()).expect("a pack");
        for at in (4096..6 << 20).step_by(64 << 10) {
            file.seek(SeekFrom::Start(at)).expect("seeks");
            file.write_all(&[0x55, 0xaa]).expect("writes");
        }
    }
    // A round that was under way may have passed the place before it was damaged.
    let url = cluster.node_url(1);
    let scrub = async || {
        let answer = nodes(&account).await;
        answer.nodes.iter().find(|node| node.url == url).expect("it is known").scrub
    };
    for round in ["under way", "whole"] {
        let before = scrub().await.finished_ms;
        wait_until(&format!("the round {round} ends"), async || scrub().await.finished_ms > before).await;
    }
    assert!(scrub().await.damaged > 0);
    wait_until("every node has every blob again", async || {
        let answer = nodes(&account).await;
        let counts: BTreeSet<_> = answer.nodes.iter().map(|node| node.blobs).collect();
        answer.cluster.lacking == 0 && counts.len() == 1
    })
    .await;
    cluster.kill_node(0);
    cluster.kill_node(2);
    assert_restores(&Device::default().open(&cluster).await, &files).await;
}

#[tokio::test]
async fn what_only_a_forgotten_snapshot_needs_leaves_the_nodes() {
    let cluster = Cluster::start_with(3, &QUICK).await;
    let account = Device::default().sign_up(&cluster).await;
    let vault = account.open_vault().await.expect("opens");
    let source = vault.uploads().expect("uploads");
    let kept = [("kept", noise(1, 3 << 20))];
    back_up(&vault, &kept).await.expect("backs up");
    let with_it = back_up(&vault, &[("gone", noise(2, 8 << 20))]).await.expect("backs up").seq;
    let used = async || nodes(&account).await.nodes.iter().map(|node| node.used_bytes).sum::<u64>();
    wait_until("the nodes have told of it", async || used().await >= 3 * (11 << 20)).await;
    vault.remove(source, &[path("gone")]).await.expect("deletes");
    vault.forget(source, &BTreeSet::from([with_it])).await.expect("forgets");
    wait_until("its bytes are gone", async || used().await < 3 * (4 << 20)).await;
    assert_restores(&Device::default().open(&cluster).await, &kept).await;
    // The same bytes are not there any more: they are sent again, and come back.
    let again = [("gone", noise(2, 8 << 20))];
    back_up(&vault, &again).await.expect("backs up");
    assert_restores(&vault, &again).await;
}
