//! Packets that are lost without a word, so that neither end learns that the other does not hear it.

use testkit::cluster::Cluster;
use testkit::network::{Lost, in_own_network, lose, lose_nothing};

use crate::coordinators::{QUICK, wait_for_rest};
use crate::native::{Device, assert_restores, back_up, noise};

/// What a node waits for others and for the rest of a request.
const BRIEF: [(&str, &str); 2] = [("TRIPLICATE_FAN_OUT_MS", "1000"), ("TRIPLICATE_IDLE_MS", "2000")];

/// The first of three nodes loses packets while a backup goes on and is restored; then it gets what it lacks.
async fn lose_while_backing_up(lost: impl Fn(u16) -> Lost) {
    let mut cluster = Cluster::start_with(3, &[&QUICK[..], &BRIEF].concat()).await;
    let account = Device::default().sign_up(&cluster).await;
    let vault = account.open_vault().await.expect("opens");
    back_up(&vault, &[("before", noise(1, 1 << 20))]).await.expect("backs up");
    lose(lost(cluster.node_port(0)));
    let files = [("big", noise(2, 6 << 20)), ("small", noise(3, 5000))];
    back_up(&vault, &files).await.expect("two nodes are enough");
    assert_restores(&Device::default().open(&cluster).await, &files).await;
    lose_nothing();
    wait_for_rest(&account, cluster.database()).await;
    cluster.kill_node(1);
    cluster.kill_node(2);
    assert_restores(&Device::default().open(&cluster).await, &files).await;
}

#[test]
fn a_node_whose_answers_are_lost_ends_no_backup_and_is_made_whole() {
    in_own_network(lose_while_backing_up(Lost::AnswersOf));
}

#[test]
fn a_node_that_only_small_packets_reach_ends_no_backup_and_is_made_whole() {
    in_own_network(lose_while_backing_up(Lost::LargeOnesTo));
}
