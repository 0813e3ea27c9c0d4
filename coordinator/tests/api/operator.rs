//! What the operator does to nodes: by the web app, and by the command line.

use std::process::Output;

use protocol::error::ErrorCode;
use protocol::id::NodeId;
use protocol::nodes::{ClusterStatus, NodeState, RemovalResponse, RemoveNodeRequest};
use protocol::routes::{Route, coordinator as routes};
use reqwest::StatusCode;

use crate::support::{Answer, Cluster, soon};

impl Cluster {
    async fn order(&self, route: Route, node: usize) -> Answer {
        let id = self.nodes[node].id;
        Answer::read(self.operator.call(&self.server, route, &[&id])).await
    }

    async fn remove(&self, node: usize, force: bool) -> Answer {
        let id = self.nodes[node].id;
        self.operator.send(&self.server, routes::REMOVE_NODE, &[&id], &RemoveNodeRequest { force }).await
    }

    async fn goes_with(&self, node: usize) -> RemovalResponse {
        let id = self.nodes[node].id;
        self.operator.get(&self.server, routes::PREVIEW_REMOVAL, &[&id]).await.json()
    }

    async fn state(&self, node: usize) -> Option<NodeState> {
        let id = self.nodes[node].id;
        self.status().await.nodes.into_iter().find(|status| status.node == id).map(|status| status.state)
    }
}

#[tokio::test]
async fn a_node_that_is_drained_serves_until_others_have_what_it_had() {
    let cluster = Cluster::start(soon(), &["a", "b", "c", "d"]).await;
    cluster.back_up(0..20).await;
    cluster.order(routes::DRAIN_NODE, 1).await.expect_status(StatusCode::NO_CONTENT);
    let told = cluster.beat(1).await.state;
    assert!(matches!(told, NodeState::Draining | NodeState::Drained), "{told:?}");
    cluster.wait_for_sql("SELECT count(*)::text FROM nodes WHERE drained", "1").await;
    assert_eq!(cluster.state(1).await, Some(NodeState::Drained));
    for number in 0..20 {
        let holders = cluster.holders(number);
        assert!([0, 2, 3].iter().all(|node| holders.contains(node)), "blob {number} is on {holders:?}");
    }
    // It may be switched off, which is no reason for repair, and then removed.
    cluster.nodes[1].shelf.die();
    cluster.set_state(1, "out").await;
    cluster.wait_for_rest().await;
    cluster.remove(1, false).await.expect_status(StatusCode::NO_CONTENT);
    assert_eq!(cluster.state(1).await, None);
    let heartbeat = cluster.nodes[1].next_heartbeat();
    cluster.nodes[1].heartbeat(&cluster.server, &heartbeat).await.expect_code(ErrorCode::Forbidden);
    let join = cluster.nodes[1].join_request(&cluster.server);
    cluster.nodes[1].join(&cluster.server, &join).await.expect_code(ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_drain_without_another_zone_waits_says_so_and_can_be_taken_back() {
    let cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(0..20).await;
    cluster.order(routes::DRAIN_NODE, 0).await.expect_status(StatusCode::NO_CONTENT);
    cluster
        .wait_for("it says what it waits for", async || cluster.status().await.cluster.without_zone == 20)
        .await;
    let status = cluster.status().await.cluster;
    assert_eq!((status.lacking, status.at_risk, status.unreadable), (20, 0, 0));
    cluster.order(routes::UNDRAIN_NODE, 0).await.expect_status(StatusCode::NO_CONTENT);
    cluster.wait_for_rest().await;
    assert_eq!(cluster.state(0).await, Some(NodeState::Up));
    assert_eq!(cluster.status().await.cluster.lacking, 0);
}

#[tokio::test]
async fn a_node_with_the_only_copies_is_removed_by_force_alone() {
    let cluster = Cluster::start(soon(), &["a"]).await;
    cluster.back_up(0..3).await;
    let refused = cluster.remove(0, false).await.expect_code(ErrorCode::LastCopies);
    assert!(refused.message.starts_with("3 blobs have no other copy"), "{}", refused.message);
    assert_eq!(cluster.state(0).await, Some(NodeState::Up));
    assert_eq!(cluster.goes_with(0).await, RemovalResponse { lost: 3, single: 0 });
    cluster.remove(0, true).await.expect_status(StatusCode::NO_CONTENT);
    assert_eq!(cluster.state(0).await, None);
    cluster.remove(0, true).await.expect_code(ErrorCode::NotFound);
}

#[tokio::test]
async fn what_goes_with_a_node_is_told_before() {
    let cluster = Cluster::start(soon(), &["a", "b", "c"]).await;
    cluster.back_up(0..20).await;
    assert_eq!(cluster.goes_with(0).await, RemovalResponse { lost: 0, single: 0 });
    cluster.set_state(1, "down").await;
    assert_eq!(cluster.goes_with(0).await, RemovalResponse { lost: 0, single: 20 });
    cluster.set_state(2, "down").await;
    assert_eq!(cluster.goes_with(0).await, RemovalResponse { lost: 20, single: 0 });
    // What nothing needs is no loss.
    cluster.server.sql("DELETE FROM vault_blobs").await;
    assert_eq!(cluster.goes_with(0).await, RemovalResponse { lost: 0, single: 0 });
    let id = cluster.nodes[0].id;
    cluster.remove(0, true).await.expect_status(StatusCode::NO_CONTENT);
    cluster
        .operator
        .get(&cluster.server, routes::PREVIEW_REMOVAL, &[&id])
        .await
        .expect_code(ErrorCode::NotFound);
}

#[tokio::test]
async fn the_command_line_does_the_same() {
    let cluster = Cluster::start(soon(), &["a", "b", "c", "d"]).await;
    cluster.back_up(0..20).await;
    let id = cluster.nodes[1].id.to_string();
    let listed = cluster.answer(&["node", "list", "--json"]).await;
    assert_eq!((listed.as_array().unwrap().len(), &listed[1]["node"]), (4, &serde_json::json!(id)));
    assert_eq!(cluster.answer(&["node", "drain", &id[..12], "--json"]).await["node"], serde_json::json!(id));
    cluster.wait_for_sql("SELECT count(*)::text FROM nodes WHERE drained", "1").await;
    let table = cluster.run(&["node", "list"]).await;
    assert!(String::from_utf8(table.stdout).unwrap().contains(&format!("{id}  drained     b")));
    cluster.answer(&["node", "undrain", &cluster.nodes[1].url, "--json"]).await;
    assert_eq!(cluster.state(1).await, Some(NodeState::Up));
    cluster.answer(&["node", "remove", &id, "--force", "--json"]).await;
    assert_eq!(cluster.state(1).await, None);
    let token = cluster.answer(&["node", "join-token", "--json"]).await;
    assert_eq!(token["join_token"], serde_json::json!(cluster.server.join_token()));
    cluster.wait_for_rest().await;
    let status: ClusterStatus =
        serde_json::from_value(cluster.answer(&["cluster", "status", "--json"]).await).unwrap();
    assert_eq!((status.replicas, status.write_zones, status.lacking), (3, 2, 0));
    let sentence = cluster.run(&["cluster", "status"]).await;
    assert!(String::from_utf8(sentence.stdout).unwrap().contains("no blob is known to lack a copy"));
}

#[tokio::test]
async fn the_command_line_says_what_is_wrong() {
    let cluster = Cluster::start(soon(), &["a", "b"]).await;
    let refused = |output: Output| {
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let complain = async |arguments: &[&str]| refused(cluster.run(arguments).await);
    let nobody = NodeId::from_bytes([1; 16]).unwrap().to_string();
    assert!(complain(&["node", "drain", &nobody]).await.contains("no storage node is named"));
    assert!(complain(&["node", "drain", ""]).await.contains("2 storage nodes are named"));
    let elsewhere = "postgres://nobody@localhost:1/none";
    let output = cluster.run_on(elsewhere, &["node", "list"]).await;
    assert!(refused(output).contains("cannot connect to the database"));
}
