//! Faults of nodes, clocks and the network that a whole cluster of real processes has to outlive.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use client::Account;
use protocol::sources::CopiesCount;
use testkit::clock::Clock;
use testkit::cluster::Cluster;
use testkit::postgres::{Database, database};
use testkit::proxy::Fault;
use testkit::wait_until;

use crate::coordinators::{QUICK, nodes, wait_for_rest};
use crate::native::{Device, assert_restores, back_up, linked, noise, path, restore, rot_largest_blob};

/// Silence is noticed soon, and nothing follows from it.
const PATIENT: [(&str, &str); 2] = [("TRIPLICATE_HEARTBEAT_MS", "300"), ("TRIPLICATE_SUSPECT_AFTER", "3")];

async fn wait_for_state(database: &Database, node: usize, state: &str) {
    let query = format!("SELECT state FROM nodes WHERE zone = 'zone-{}'", node + 1);
    wait_until(&format!("node {node} is {state}"), async || database.query(&query) == state).await;
}

async fn start(count: usize, environment: &[(&'static str, &'static str)]) -> (Cluster, Account) {
    let all = linked(database().await, 1, count, environment).await;
    let account = Device::default().sign_up(&all).await;
    (all, account)
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().expect("an installed program");
    assert!(copied.success());
}

#[tokio::test]
async fn a_node_that_returns_with_an_old_image_of_its_disk_is_made_whole() {
    let (mut all, account) = start(3, &QUICK).await;
    let vault = account.open_vault().await.expect("opens");
    let source = vault.uploads().expect("uploads");
    let with_it = back_up(&vault, &[("gone", noise(1, 4 << 20))]).await.expect("backs up").seq;
    all.kill_node(0);
    let image = all.folder().join("image");
    copy(&all.node_folder(0), &image);
    all.start_node(0).await;
    // What the image has is deleted for good, and what it has not is stored.
    let kept = [("kept", noise(2, 4 << 20)), ("small", noise(3, 5000))];
    back_up(&vault, &kept).await.expect("backs up");
    vault.remove(source, &[path("gone")]).await.expect("deletes");
    vault.forget(source, &BTreeSet::from([with_it])).await.expect("forgets");
    let deleted = "SELECT count(*) > 0 FROM blobs WHERE state = 'deleted'";
    wait_until("it is deleted", async || all.database().query(deleted) == "t").await;
    wait_for_rest(&account, all.database()).await;
    all.kill_node(0);
    fs::remove_dir_all(all.node_folder(0)).expect("it is there");
    copy(&image, &all.node_folder(0));
    all.start_node(0).await;
    let compared =
        "SELECT count(*) FROM nodes WHERE state <> 'up' OR inventory_due_at < now() + interval '1 hour'";
    wait_until("what it has is compared", async || all.database().query(compared) == "0").await;
    wait_for_rest(&account, all.database()).await;
    // It alone has everything, and nothing else.
    all.kill_node(1);
    all.kill_node(2);
    assert_restores(&Device::default().open(&all).await, &kept).await;
}

#[tokio::test]
async fn all_nodes_but_one_of_those_that_have_a_copy_are_lost_for_ever() {
    let (mut all, account) = start(5, &QUICK).await;
    let vault = account.open_vault().await.expect("opens");
    let files = [("big", noise(1, 12 << 20)), ("small", noise(2, 5000)), ("tiny", vec![1, 2, 3])];
    back_up(&vault, &files).await.expect("backs up");
    wait_for_rest(&account, all.database()).await;
    for node in [1, 3] {
        all.kill_node(node);
        fs::remove_dir_all(all.node_folder(node)).expect("it is there");
    }
    // At once, while nobody has noticed yet, and while copies are made.
    assert_restores(&Device::default().open(&all).await, &files).await;
    wait_for_state(all.database(), 1, "out").await;
    assert_restores(&Device::default().open(&all).await, &files).await;
    wait_for_state(all.database(), 3, "out").await;
    wait_for_rest(&account, all.database()).await;
    for node in [0, 2] {
        all.kill_node(node);
    }
    assert_restores(&Device::default().open(&all).await, &files).await;
}

#[tokio::test]
async fn a_blob_that_rots_on_every_node_is_reported_and_the_rest_restores() {
    let scrubbed = [
        ("TRIPLICATE_PACK_BYTES", "8388608"),
        ("TRIPLICATE_SCRUB_MS", "1000"),
        ("TRIPLICATE_UPKEEP_MS", "200"),
        ("TRIPLICATE_HEARTBEAT_MS", "300"),
        ("TRIPLICATE_DAMAGED_MAX", "1000000"),
        ("TRIPLICATE_AUDIT_FAILURES", "1000000"),
    ];
    let (all, account) = start(3, &scrubbed).await;
    let vault = account.open_vault().await.expect("opens");
    let files = [("big", noise(1, 3 << 20)), ("small", noise(2, 5000))];
    back_up(&vault, &files).await.expect("backs up");
    wait_for_rest(&account, all.database()).await;
    // A part of the large file.
    assert_eq!(rot_largest_blob(&all, 3), 3);
    wait_until("it is reported", async || {
        let cluster = nodes(&account).await.cluster;
        (cluster.unreadable, cluster.lacking) == (1, 1)
    })
    .await;
    let status = vault.status().await.expect("status");
    assert!(
        status.sources[0].copies.contains(&CopiesCount { copies: 0, blobs: 1 }),
        "{:?}",
        status.sources[0].copies
    );
    let vault = Device::default().open(&all).await;
    restore(&vault, vault.uploads().expect("uploads"), "big").await.expect_err("a part of it is gone");
    assert_restores(&vault, &files[1..]).await;
}

#[tokio::test]
async fn a_node_that_is_cut_off_from_the_coordinator_alone_serves_on_and_is_replaced_and_thinned_out() {
    let (all, account) = start(4, &QUICK).await;
    let vault = account.open_vault().await.expect("opens");
    let before = [("before", noise(1, 8 << 20))];
    back_up(&vault, &before).await.expect("backs up");
    wait_for_rest(&account, all.database()).await;
    all.links().control[0].set(Fault::Reset);
    // Grants that were given, and those of the moments until it is missed, are good.
    let meanwhile = [("meanwhile", noise(2, 8 << 20))];
    back_up(&vault, &meanwhile).await.expect("backs up");
    assert_restores(&vault, &before).await;
    wait_for_state(all.database(), 0, "out").await;
    wait_for_rest(&account, all.database()).await;
    all.links().control[0].mend();
    wait_for_state(all.database(), 0, "up").await;
    let compared = "SELECT count(*) FROM sweeps WHERE node_id IS NOT NULL";
    wait_until("it is looked at", async || all.database().query(compared) == "0").await;
    wait_for_rest(&account, all.database()).await;
    let vault = Device::default().open(&all).await;
    assert_restores(&vault, &before).await;
    assert_restores(&vault, &meanwhile).await;
}

#[tokio::test]
async fn a_node_whose_clock_jumps_is_left_out_until_it_is_right_again() {
    let (mut all, account) = start(4, &PATIENT).await;
    all.kill_node(0);
    all.start_node_by(0, Clock::new()).await;
    let vault = account.open_vault().await.expect("opens");
    let mut files = Vec::new();
    for jump in ["+1h", "-1h", "+400d", "-400d"] {
        wait_for_state(all.database(), 0, "up").await;
        all.set_node_clock(0, jump);
        // Whether it refuses grants or is not asked any more: others take its part.
        files.push((jump, noise(files.len() as u64, 2 << 20)));
        back_up(&vault, &files[files.len() - 1..]).await.expect("backs up");
        wait_for_state(all.database(), 0, "suspect").await;
        all.set_node_clock(0, "+0");
    }
    wait_for_state(all.database(), 0, "up").await;
    assert_eq!(all.database().query("SELECT count(*) FROM blobs WHERE state <> 'live'"), "0");
    all.kill_node(1);
    assert_restores(&Device::default().open(&all).await, &files).await;
}

#[tokio::test]
async fn a_coordinator_whose_clock_jumps_gives_no_grant_that_counts_and_forgets_nothing() {
    let environment =
        [&PATIENT[..], &[("TRIPLICATE_GC_EVERY", "1"), ("TRIPLICATE_RETENTION_EVERY", "1")]].concat();
    let (mut all, account) = start(3, &environment).await;
    all.start_coordinator_by(0, Clock::new()).await;
    let vault = account.open_vault().await.expect("opens");
    let mut files = vec![("before", noise(9, 2 << 20))];
    back_up(&vault, &files).await.expect("backs up");
    for jump in ["+400d", "-400d"] {
        all.set_coordinator_clock(0, jump);
        let states = "SELECT string_agg(DISTINCT state, ' ') FROM nodes";
        // Heartbeats seem forged to it, so nobody takes new blobs.
        wait_until("nobody is heard of", async || all.database().query(states) == "suspect").await;
        files.push((jump, noise(files.len() as u64, 2 << 20)));
        let new = &files[files.len() - 1..];
        let mend = async {
            let asked = "SELECT count(*) > 0 FROM uploads";
            wait_until("the backup has begun", async || all.database().query(asked) == "t").await;
            all.set_coordinator_clock(0, "+0");
        };
        let (done, ()) = tokio::join!(back_up(&vault, new), mend);
        done.expect("it waits until the clock is right");
    }
    assert_eq!(all.database().query("SELECT count(*) FROM blobs WHERE state <> 'live'"), "0");
    assert_eq!(all.database().query("SELECT count(*) FROM commits WHERE forgotten"), "0");
    assert_restores(&Device::default().open(&all).await, &files).await;
}
