//! Two coordinators on one database: they share the work, each serves everybody, and one that stood still does no harm
//! when it goes on.

use std::collections::BTreeSet;
use std::rc::Rc;

use client::{Account, Progress};
use protocol::nodes::{NodeState, NodesResponse};
use testkit::postgres::{Database, database};
use testkit::{Signal, wait_until};

use crate::native::{Device, assert_restores, back_up, file, linked, noise, path};

/// What takes minutes and hours takes seconds. A program that a slow machine holds up for some of them is still up.
pub(crate) const QUICK: [(&str, &str); 10] = [
    ("TRIPLICATE_HEARTBEAT_MS", "300"),
    ("TRIPLICATE_SUSPECT_AFTER", "6"),
    ("TRIPLICATE_DOWN_AFTER", "8"),
    ("TRIPLICATE_OUT_AFTER", "9"),
    ("TRIPLICATE_HOLD_DOWN", "1"),
    ("TRIPLICATE_REPAIR_RETRY", "1"),
    ("TRIPLICATE_UPKEEP_MS", "200"),
    ("TRIPLICATE_GC_EVERY", "1"),
    ("TRIPLICATE_GC_GRACE", "0"),
    ("TRIPLICATE_DELETE_EVERY", "1"),
];

pub(crate) async fn nodes(account: &Account) -> NodesResponse {
    account.nodes().await.expect("lists nodes")
}

/// Waits until nothing is to be done, every blob has three copies, and every node has what it should, and no more.
pub(crate) async fn wait_for_rest(account: &Account, database: &Database) {
    wait_for_copies(database).await;
    wait_until("every node has what it should", async || is_exact(account, database).await).await;
}

/// The same once inventories were compared: a copy that was ordered by who then stood still is found by that alone.
async fn wait_for_compared_rest(account: &Account, database: &Database) {
    wait_until("every node has what it should, as it is compared again and again", async || {
        wait_for_copies(database).await;
        let is_exact = is_exact(account, database).await;
        if !is_exact {
            let due = "UPDATE nodes SET inventory_due_at = now() WHERE inventory_due_at > now() + interval '1 hour'";
            database.query(due);
        }
        is_exact
    })
    .await;
}

async fn wait_for_copies(database: &Database) {
    let due = "SELECT (SELECT count(*) FROM repairs) + (SELECT count(*) FROM delete_jobs j JOIN nodes n
                       ON n.id = j.node_id WHERE n.state = 'up')
                    + (SELECT count(*) FROM sweeps WHERE node_id IS NOT NULL)
                    + (SELECT count(*) FROM blobs WHERE state = 'condemned')
                    + (SELECT count(*) FROM blobs WHERE state = 'live'
                       AND (SELECT count(*) FROM live_replicas l WHERE l.blob_id = blobs.id) <> 3)";
    wait_until("every blob has three copies", async || database.query(due) == "0").await;
}

async fn is_exact(account: &Account, database: &Database) -> bool {
    let of_node = "SELECT count(*) FROM live_replicas r JOIN nodes n ON n.id = r.node_id WHERE n.url = ";
    let up = nodes(account).await.nodes.into_iter().filter(|node| node.state == NodeState::Up);
    up.into_iter().all(|node| database.query(&format!("{of_node}'{}'", node.url)) == node.blobs.to_string())
}

#[tokio::test]
async fn each_step_of_a_backup_may_go_through_another_coordinator() {
    let mut all = linked(database().await, 2, 3, &QUICK).await;
    let vault = Device::default().sign_up(&all).await.open_vault().await.expect("opens");
    let files = [("big", noise(1, 40 << 20)), ("small", noise(2, 5000))];
    let progress = Rc::new(Progress::default());
    let new_files = files.iter().map(|(name, content)| file(name, content)).collect();
    let changes = async {
        for change in 1..=8_u64 {
            wait_until("more is sent", async || progress.get().bytes_sent >= change << 22).await;
            all.links().pass_to(usize::from(change % 2 == 1));
        }
    };
    let (done, ()) = tokio::join!(vault.backup(new_files, &progress), changes);
    done.expect("the other one knows what the one before knew");
    for coordinator in 0..2 {
        assert_restores(&Device::default().open_at(&all.coordinator_origin(coordinator)).await, &files).await;
    }
    all.kill_coordinator_at(1);
    all.links().pass_to(0);
    assert_restores(&Device::default().open(&all).await, &files).await;
}

#[tokio::test]
async fn two_coordinators_repair_and_collect_at_once_and_do_nothing_twice() {
    let mut all = linked(database().await, 2, 4, &QUICK).await;
    let account = Device::default().sign_up(&all).await;
    let vault = account.open_vault().await.expect("opens");
    let source = vault.uploads().expect("uploads");
    let kept = [("big", noise(1, 12 << 20)), ("small", noise(2, 5000)), ("tiny", vec![1, 2, 3])];
    back_up(&vault, &kept).await.expect("backs up");
    wait_for_rest(&account, all.database()).await;
    let repaired = "SELECT coalesce(sum(blobs), 0) FROM repair_minutes";
    let before: u64 = all.database().query(repaired).parse().expect("a number");
    let of_lost = "SELECT count(*) FROM replicas r JOIN nodes n ON n.id = r.node_id WHERE zone = 'zone-1'";
    let lost: u64 = all.database().query(of_lost).parse().expect("a number");
    all.kill_node(0);
    wait_until("it is out", async || {
        all.database().query("SELECT state FROM nodes WHERE zone = 'zone-1'") == "out"
    })
    .await;
    wait_for_rest(&account, all.database()).await;
    let after: u64 = all.database().query(repaired).parse().expect("a number");
    assert_eq!(after - before, lost, "each copy was made once");

    let with_it = back_up(&vault, &[("gone", noise(3, 8 << 20))]).await.expect("backs up").seq;
    vault.remove(source, &[path("gone")]).await.expect("deletes");
    vault.forget(source, &BTreeSet::from([with_it])).await.expect("forgets");
    let leaving = "SELECT count(*) FROM blobs WHERE state <> 'live'";
    wait_until("garbage is collected", async || all.database().query(leaving) != "0").await;
    wait_for_rest(&account, all.database()).await;
    assert_restores(&Device::default().open_at(&all.coordinator_origin(1)).await, &kept).await;
}

#[tokio::test]
async fn a_coordinator_that_stood_still_longer_than_its_leases_does_no_harm() {
    let environment = [&QUICK[..], &[("TRIPLICATE_REPAIR_LEASE", "3"), ("TRIPLICATE_TRANSACTION_IDLE", "3")]];
    let mut all = linked(database().await, 2, 5, &environment.concat()).await;
    let account = Device::default().sign_up(&all).await;
    let vault = account.open_vault().await.expect("opens");
    let source = vault.uploads().expect("uploads");
    let kept = [("big", noise(1, 12 << 20)), ("small", noise(2, 5000))];
    back_up(&vault, &kept).await.expect("backs up");
    let with_it = back_up(&vault, &[("gone", noise(3, 8 << 20))]).await.expect("backs up").seq;
    all.kill_node(0);
    let begun = "SELECT count(*) > 0 FROM repairs WHERE attempts > 0";
    wait_until("repairs have begun", async || all.database().query(begun) == "t").await;
    // Whatever it was about to do, the other one does meanwhile, and more.
    all.signal_coordinator(0, Signal::STOP);
    all.links().pass_to(1);
    vault.remove(source, &[path("gone")]).await.expect("deletes");
    vault.forget(source, &BTreeSet::from([with_it])).await.expect("forgets");
    wait_for_compared_rest(&account, all.database()).await;
    all.start_node(0).await;
    wait_until("the node is back", async || {
        nodes(&account).await.nodes.iter().all(|node| node.state == NodeState::Up)
    })
    .await;
    wait_for_compared_rest(&account, all.database()).await;
    all.signal_coordinator(0, Signal::CONT);
    wait_until("it serves again", async || {
        let url = format!("{}/readyz", all.coordinator_origin(0));
        testkit::http().get(url).send().await.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    wait_for_compared_rest(&account, all.database()).await;
    for coordinator in 0..2 {
        assert_restores(&Device::default().open_at(&all.coordinator_origin(coordinator)).await, &kept).await;
    }
}
