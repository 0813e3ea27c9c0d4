//! Nodes: joining, heartbeats, and what people see of them and of durability.

use coordinator::random;
use protocol::error::ErrorCode;
use protocol::id::BootId;
use protocol::nodes::{
    HeartbeatRequest, HeartbeatResponse, JoinRequest, JoinResponse, Medium, NodeState, NodesResponse,
};
use protocol::routes::coordinator as routes;
use protocol::sources::{CopiesCount, NewestSnapshot, SourcesResponse};
use reqwest::StatusCode;

use crate::support::{Node, Registered, Server};

async fn list(server: &Server, person: &Registered) -> NodesResponse {
    person.get(server, routes::NODES, &[]).await.json()
}

#[tokio::test]
async fn a_node_joins_and_is_up_once_it_was_heard_of() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let node = Node::new("zone");
    let joined: JoinResponse = node.join(&server, &node.join_request(&server)).await.json();
    assert_eq!(joined.origin, server.origin);
    assert_eq!(list(&server, &operator).await.nodes[0].state, NodeState::Joining);
    let answer = node.beat(&server).await;
    assert_eq!(answer.state, NodeState::Up);
    let directory = answer.directory.verify(&joined.coordinator_key).unwrap();
    assert_eq!(directory.web_origins, [server.origin.as_str()]);
    assert_eq!((directory.nodes[0].node, &directory.nodes[0].url), (node.id, &node.url));
    let seen = list(&server, &operator).await.nodes.remove(0);
    assert_eq!((seen.state, seen.free_bytes, seen.zone.as_str()), (NodeState::Up, 1 << 39, "zone"));
}

#[tokio::test]
async fn where_a_node_keeps_blobs_is_shown_and_may_change() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let node = Node::up(&server, "zone").await;
    for medium in [Medium::Dropbox, Medium::S3, Medium::Disk] {
        let request = JoinRequest { medium, ..node.join_request(&server) };
        node.join(&server, &request).await.expect_status(StatusCode::OK);
        assert_eq!(list(&server, &operator).await.nodes[0].medium, medium);
    }
}

#[tokio::test]
async fn joining_takes_the_token_and_a_plain_origin() {
    let server = Server::start().await;
    let node = Node::new("zone");
    let refuse = async |change: &dyn Fn(&mut JoinRequest)| {
        let mut request = node.join_request(&server);
        change(&mut request);
        node.join(&server, &request).await.error().code
    };
    assert_eq!(refuse(&|r| r.join_token = "wrong".into()).await, ErrorCode::InvalidJoinToken);
    for url in ["http://node:1/", "http://node/path", "ftp://node", "http://a; script-src *", "javascript:0"]
    {
        assert_eq!(refuse(&|r| r.url = url.into()).await, ErrorCode::InvalidRequest);
    }
    assert_eq!(refuse(&|r| r.zone = String::new()).await, ErrorCode::InvalidRequest);
    assert_eq!(refuse(&|r| r.machine = "a\nb".into()).await, ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn a_known_node_comes_back_by_its_key_alone() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let node = Node::up(&server, "zone").await;
    let moved = JoinRequest { url: "http://elsewhere:9001".into(), ..node.join_request(&server) };
    node.join(&server, &moved).await.expect_status(StatusCode::OK);
    assert_eq!(list(&server, &operator).await.nodes[0].url, "http://elsewhere:9001");
    let mut thief = Node::new("zone");
    thief.id = node.id;
    thief.join(&server, &thief.join_request(&server)).await.expect_code(ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_node_proves_the_key_that_it_joins_with() {
    let server = Server::start().await;
    let (node, mut other) = (Node::new("zone"), Node::new("zone"));
    let body = serde_json::to_vec(&node.join_request(&server)).unwrap();
    let now_ms = server.state.clock.now_ms();
    let mut refusals = Vec::new();
    let mut refuse = async |authorization: String, body: &[u8]| {
        refusals.push(node.post_join(&server, &authorization, body.to_vec()).await.refusal());
    };
    refuse(String::new(), &body).await;
    refuse(other.sign_join(&body, now_ms), &body).await;
    other.id = node.id;
    refuse(other.sign_join(&body, now_ms), &body).await;
    refuse(node.sign(&server, &body, now_ms), &body).await;
    refuse(node.sign_join(b"{}", now_ms), &body).await;
    refuse(node.sign_join(&body, now_ms - 130_000), &body).await;
    assert_eq!(server.sql_value("SELECT count(*)::text FROM nodes").await, "0");
    let once = node.sign_join(&body, now_ms);
    node.post_join(&server, &once, body.clone()).await.expect_status(StatusCode::OK);
    refuse(once, &body).await;
    insta::assert_debug_snapshot!(refusals, @r#"
    [
        "Unauthenticated: the request is not signed",
        "Unauthenticated: signed by another node than it introduces",
        "Unauthenticated: the signature does not verify",
        "Unauthenticated: the signature does not verify",
        "Unauthenticated: the signature does not verify",
        "Unauthenticated: this machine's clock differs from the server's by more than two minutes",
        "Unauthenticated: the request was sent before",
    ]
    "#);
}

#[tokio::test]
async fn an_older_heartbeat_is_ignored_and_another_boot_begins_anew() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let node = Node::up(&server, "zone").await;
    let say = async |boot: BootId, sequence: u64, blobs: u64| {
        let heartbeat = HeartbeatRequest { boot, sequence, blobs, ..node.next_heartbeat() };
        node.heartbeat(&server, &heartbeat).await.expect_status(StatusCode::OK);
        list(&server, &operator).await.nodes[0].blobs
    };
    assert_eq!(say(node.boot, 10, 5).await, 5);
    assert_eq!(say(node.boot, 9, 4).await, 5);
    assert_eq!(say(node.boot, 10, 3).await, 5);
    assert_eq!(say(random::id(BootId::from_bytes), 1, 2).await, 2);
}

#[tokio::test]
async fn a_node_that_refuses_writes_says_why() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let node = Node::up(&server, "zone").await;
    let heartbeat = HeartbeatRequest { read_only: Some("disk full".into()), ..node.next_heartbeat() };
    let answer: HeartbeatResponse = node.heartbeat(&server, &heartbeat).await.json();
    assert_eq!(answer.state, NodeState::ReadOnly);
    let seen = list(&server, &operator).await.nodes.remove(0);
    assert_eq!(seen.reason.as_deref(), Some("disk full"));
    let upload = operator.open(&server).await;
    let answer = operator.try_plan(&server, upload, &[crate::support::blob_id(1)]).await;
    answer.expect_code(ErrorCode::InsufficientZones);
    assert_eq!(node.beat(&server).await.state, NodeState::Up);
}

#[tokio::test]
async fn a_signed_request_is_used_once_in_time_and_as_signed() {
    let server = Server::start().await;
    let node = Node::up(&server, "zone").await;
    let body = serde_json::to_vec(&node.next_heartbeat()).unwrap();
    let now_ms = server.state.clock.now_ms();
    let mut refusals = Vec::new();
    let once = node.sign(&server, &body, now_ms);
    node.post_heartbeat(&server, &once, body.clone()).await.expect_status(StatusCode::OK);
    refusals.push(node.post_heartbeat(&server, &once, body.clone()).await.refusal());
    let fresh = node.sign(&server, &body, now_ms);
    refusals.push(node.post_heartbeat(&server, &fresh, b"{}".to_vec()).await.refusal());
    for off in [now_ms - 130_000, now_ms + 130_000] {
        let late = node.sign(&server, &body, off);
        refusals.push(node.post_heartbeat(&server, &late, body.clone()).await.refusal());
    }
    let stranger = Node::new("zone");
    let unknown = stranger.sign(&server, &body, now_ms);
    refusals.push(stranger.post_heartbeat(&server, &unknown, body.clone()).await.refusal());
    refusals.push(node.post_heartbeat(&server, "Bearer token", body).await.refusal());
    insta::assert_debug_snapshot!(refusals, @r#"
    [
        "Unauthenticated: the request was sent before",
        "Unauthenticated: the signature does not verify",
        "Unauthenticated: this machine's clock differs from the server's by more than two minutes",
        "Unauthenticated: this machine's clock differs from the server's by more than two minutes",
        "Unauthenticated: no node has this id",
        "Unauthenticated: the request is not signed",
    ]
    "#);
}

#[tokio::test]
async fn sources_tell_how_many_copies_live() {
    let (server, operator, nodes) = Server::with_zones(3).await;
    let committed = operator.back_up(&server, &nodes, &[(1, 1), (2, 1)]).await;
    let status = async || -> SourcesResponse {
        operator.get(&server, routes::SOURCES, &[&operator.vault]).await.json()
    };
    let before = status().await;
    assert_eq!((before.replicas, before.write_zones, before.single_machine), (3, 2, true));
    let [source] = &before.sources[..] else { panic!("one source") };
    assert_eq!((source.source, source.snapshots), (operator.source, 1));
    assert_eq!(source.newest, Some(NewestSnapshot { seq: 1, received_ms: committed.received_ms }));
    assert_eq!((source.blobs, source.stored_bytes), (2, 2 * 4160));
    assert_eq!(source.copies, [CopiesCount { copies: 3, blobs: 2 }]);
    server.sql("UPDATE nodes SET state = 'down', machine = 'another' WHERE zone = 'zone-0'").await;
    assert_eq!(status().await.sources[0].copies, [CopiesCount { copies: 2, blobs: 2 }]);
    server.sql("UPDATE nodes SET state = 'up' WHERE zone = 'zone-0'").await;
    assert!(!status().await.single_machine);
}
