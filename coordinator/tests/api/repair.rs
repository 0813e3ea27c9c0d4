//! Copies that are lost are made again, by nodes that answer.

use std::time::Duration;

use coordinator::health::Timings;
use protocol::blob_list::pack_stored;
use protocol::grant::Operation;
use protocol::nodes::{HeartbeatRequest, NodeState};
use protocol::routes::coordinator as routes;
use protocol::sources::{CopiesCount, SourcesResponse};
use reqwest::StatusCode;

use crate::support::{Cluster, Options, id_of, soon, stored};

const BLOBS: std::ops::Range<u16> = 0..20;

/// Every blob's bytes are on as many nodes as the coordinator says.
async fn expect_copies(cluster: &Cluster, copies: u32) {
    let operator = &cluster.operator;
    let answer: SourcesResponse =
        operator.get(&cluster.server, routes::SOURCES, &[&operator.vault]).await.json();
    let blobs = u64::from(BLOBS.end - BLOBS.start);
    assert_eq!(answer.sources[0].copies, [CopiesCount { copies, blobs }]);
    for number in BLOBS {
        assert!(cluster.holders(number).len() >= copies as usize);
    }
}

#[tokio::test]
async fn the_copies_of_a_node_that_is_out_are_made_elsewhere() {
    let cluster = Cluster::start(soon(), &["a", "b", "c", "d"]).await;
    cluster.back_up(BLOBS).await;
    cluster.nodes[1].shelf.die();
    cluster.set_state(1, "out").await;
    cluster.wait_for_rest().await;
    for number in BLOBS {
        let held = [0, 2, 3].iter().filter(|node| cluster.holders(number).contains(node)).count();
        assert_eq!(held, 3, "blob {number}");
    }
    expect_copies(&cluster, 3).await;
}

#[tokio::test]
async fn silence_alone_brings_it_about_and_a_return_leaves_what_there_is() {
    let second = Duration::from_secs(1);
    let timings = Timings { suspect: second, down: 2 * second, out: 3 * second, ..Timings::default() };
    let cluster = Cluster::start(Options { timings, ..soon() }, &["a", "b", "c", "d"]).await;
    let beating = async {
        loop {
            for node in [0, 2, 3] {
                cluster.beat(node).await;
            }
            tokio::time::sleep(second / 10).await;
        }
    };
    let proof = async {
        cluster.back_up(BLOBS).await;
        cluster.wait_for_sql("SELECT count(*)::text FROM nodes WHERE state = 'out'", "1").await;
        cluster.wait_for_rest().await;
        expect_copies(&cluster, 3).await;
        assert_eq!(cluster.beat(1).await.state, NodeState::Up);
    };
    tokio::select! {
        () = proof => {}
        () = beating => unreachable!("it beats until the test ends"),
    }
}

#[tokio::test]
async fn a_node_that_is_down_is_waited_for_but_a_last_copy_is_not_left_alone() {
    let cluster = Cluster::start(soon(), &["a", "b", "c", "d"]).await;
    // Three copies each, of which none is on the last node.
    cluster.set_state(3, "down").await;
    cluster.back_up(BLOBS).await;
    cluster.set_state(3, "up").await;
    cluster.set_state(1, "down").await;
    cluster.wait_for_rest().await;
    assert_eq!(cluster.nodes[3].shelf.count(Operation::Pull), 0);
    cluster.set_state(2, "down").await;
    cluster.wait_for_rest().await;
    for number in BLOBS {
        assert_eq!(cluster.holders(number), [0, 1, 2, 3]);
    }
    expect_copies(&cluster, 2).await;
}

#[tokio::test]
async fn a_blob_that_reached_two_nodes_gets_its_third_copy() {
    let mut cluster = Cluster::start(soon(), &["a", "b"]).await;
    cluster.back_up(BLOBS).await;
    cluster.add("c").await;
    cluster.wait_for_sql("SELECT count(*)::text FROM replicas", "60").await;
    cluster.wait_for_rest().await;
    expect_copies(&cluster, 3).await;
}

#[tokio::test]
async fn without_a_zone_with_room_repair_waits_and_says_so_and_goes_on_when_there_is_one() {
    let mut cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(BLOBS).await;
    cluster.set_state(1, "out").await;
    let waiting = "SELECT count(*)::text FROM repairs WHERE waiting = 'zone'";
    cluster.wait_for_sql(waiting, "20").await;
    expect_copies(&cluster, 2).await;
    cluster.add("d").await;
    cluster.wait_for_rest().await;
    expect_copies(&cluster, 3).await;
}

#[tokio::test]
async fn a_node_that_is_back_before_it_was_replaced_ends_the_repair() {
    let cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(BLOBS).await;
    cluster.set_state(1, "out").await;
    cluster.wait_for_sql("SELECT count(*)::text FROM repairs WHERE waiting = 'zone'", "20").await;
    assert_eq!(cluster.beat(1).await.state, NodeState::Up);
    cluster.wait_for_rest().await;
    let pulls: usize = cluster.nodes.iter().map(|node| node.shelf.count(Operation::Pull)).sum();
    assert_eq!(pulls, 0);
}

#[tokio::test]
async fn what_a_node_says_is_damaged_counts_no_more_and_is_made_again() {
    let cluster = Cluster::start(soon(), &["a", "b", "c", "d"]).await;
    cluster.back_up(BLOBS).await;
    let node = cluster.holders(7)[0];
    cluster.nodes[node].shelf.forget(&id_of(7));
    let damaged = pack_stored(&[stored(7)]);
    let heartbeat = HeartbeatRequest { damaged, ..cluster.nodes[node].next_heartbeat() };
    cluster.nodes[node].heartbeat(&cluster.server, &heartbeat).await.expect_status(StatusCode::OK);
    cluster.wait_for_rest().await;
    assert_eq!(cluster.holders(7).len(), 3);
    // The same again, after the node got the blob back at a higher generation, is about the old one.
    cluster.server.sql("UPDATE blobs SET generation = 2").await;
    cluster.server.sql("UPDATE replicas SET generation = 2").await;
    let heartbeat = HeartbeatRequest { damaged: heartbeat.damaged, ..cluster.nodes[node].next_heartbeat() };
    cluster.nodes[node].heartbeat(&cluster.server, &heartbeat).await.expect_status(StatusCode::OK);
    assert_eq!(cluster.server.sql_value("SELECT count(*)::text FROM replicas").await, "60");
}

#[tokio::test]
async fn a_source_that_lacks_a_blob_loses_its_copy_and_another_is_read() {
    let cluster = Cluster::start(soon(), &["a", "b", "c", "d"]).await;
    cluster.back_up(BLOBS).await;
    let holders = cluster.holders(3);
    cluster.nodes[holders[0]].shelf.forget(&id_of(3));
    cluster.nodes[holders[1]].shelf.damage(&id_of(3));
    // One bad copy is missing and the other wrong: only the third can be the source.
    cluster.set_state(holders[2], "suspect").await;
    let lost = pack_stored(&[stored(3)]);
    let heartbeat = HeartbeatRequest { damaged: lost, ..cluster.nodes[holders[1]].next_heartbeat() };
    cluster.nodes[holders[1]].heartbeat(&cluster.server, &heartbeat).await.expect_status(StatusCode::OK);
    cluster.wait_for_rest().await;
    // Two new ones, wherever placement had them: also on the nodes that had lost it.
    assert!(cluster.holders(3).contains(&holders[2]));
    assert_eq!(cluster.holders(3).len(), 3);
}

#[tokio::test]
async fn a_wiped_node_is_filled_again() {
    let mut cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(BLOBS).await;
    cluster.nodes[0].shelf.wipe();
    cluster.nodes[0].node.store = cluster.nodes[0].shelf.store();
    cluster.beat(0).await;
    cluster.wait_for_rest().await;
    for number in BLOBS {
        assert_eq!(cluster.holders(number), [0, 1, 2]);
    }
    expect_copies(&cluster, 3).await;
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_tried_again_until_it_does() {
    let cluster = Cluster::start(soon(), &["a", "b", "c", "d"]).await;
    cluster.set_state(3, "down").await;
    cluster.back_up(BLOBS).await;
    cluster.set_state(3, "up").await;
    cluster.nodes[3].shelf.die();
    cluster.set_state(1, "out").await;
    cluster
        .wait_for_sql("SELECT count(*)::text FROM repairs WHERE waiting = 'node' AND attempts > 1", "20")
        .await;
    cluster.nodes[3].shelf.revive();
    cluster.wait_for_rest().await;
    expect_copies(&cluster, 3).await;
}

#[tokio::test]
async fn what_another_coordinator_has_taken_is_left_to_it_until_its_lease_ends() {
    let cluster = Cluster::start(soon(), &["a", "b", "c", "d"]).await;
    cluster.back_up(BLOBS).await;
    // As by a coordinator that was killed: it took half of the blobs.
    cluster
        .server
        .sql(
            "INSERT INTO repairs (blob_id, priority, due_at, attempts)
              SELECT id, 2, now() + interval '1 hour', 1 FROM blobs ORDER BY id LIMIT 10",
        )
        .await;
    cluster.set_state(1, "out").await;
    cluster
        .wait_for_sql("SELECT count(*)::text FROM repairs WHERE due_at > now() + interval '1 minute'", "10")
        .await;
    cluster.wait_for_sql("SELECT (count(*) - 10)::text FROM repairs", "0").await;
    cluster.server.sql("UPDATE repairs SET due_at = now()").await;
    cluster.wait_for_rest().await;
    expect_copies(&cluster, 3).await;
}

#[tokio::test]
async fn a_proof_from_before_a_copy_was_taken_away_does_not_count() {
    let cluster = Cluster::start(soon(), &["a", "b", "c", "d"]).await;
    cluster.set_state(3, "down").await;
    cluster.back_up(BLOBS).await;
    cluster.set_state(3, "up").await;
    let shelf = &cluster.nodes[3].shelf;
    shelf.set_silent(true);
    cluster.set_state(1, "out").await;
    cluster.wait_for("the copies are made", async || shelf.len() == BLOBS.len()).await;
    // As if this coordinator had stood still, and another one had made the copies, and taken some away.
    cluster.server.sql("UPDATE blobs SET trims = trims + 1").await;
    shelf.set_silent(false);
    cluster.wait_for_rest().await;
    assert_eq!(shelf.count(Operation::Pull), 2, "the first receipt may be of a copy that is gone");
    expect_copies(&cluster, 3).await;
}
