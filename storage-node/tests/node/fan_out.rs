//! Passing a batch on to other nodes.

use std::collections::BTreeMap;

use axum::Router;
use axum::response::Redirect;
use protocol::data_plane::PutEvent;
use protocol::error::ErrorCode;
use protocol::id::NodeId;
use protocol::nodes::{JOIN_ORIGIN, JoinRequest, Medium};
use protocol::signature::{PublicKey, SigningKey};
use protocol::signed_request::{SignedParts, SignedRequest};
use tokio::net::TcpListener;

use crate::support::{Blob, Coordinator, JOIN_TOKEN, Node, Setup, list};

fn by_node(events: Vec<PutEvent>) -> BTreeMap<NodeId, Option<ErrorCode>> {
    let outcome = |event| match event {
        PutEvent::Stored { node, .. } => (node, None),
        PutEvent::Failed { node, code, .. } => (node, Some(code)),
    };
    events.into_iter().map(outcome).collect()
}

/// Puts something that is no node into the directory.
pub async fn pretend(coordinator: &Coordinator, url: String) -> NodeId {
    let node = NodeId::from_bytes([0x5a; 16]).unwrap();
    let key = SigningKey::from_bytes(&[3; 32]);
    let request = JoinRequest {
        join_token: JOIN_TOKEN.into(),
        node,
        public_key: PublicKey::of(&key),
        url,
        zone: "z".into(),
        machine: "m".into(),
        medium: Medium::Disk,
        store: protocol::id::StoreId::from_bytes([4; 16]).unwrap(),
    };
    let body = serde_json::to_vec(&request).unwrap();
    let path_and_query = protocol::routes::coordinator::JOIN.path;
    let parts = SignedParts { origin: JOIN_ORIGIN, method: "POST", path_and_query, body: &body };
    let signed = SignedRequest::sign(&key, *node.as_bytes(), parts, 0, [1; 16]).to_header();
    let request = testkit::http().post(format!("{}{path_and_query}", coordinator.url()));
    let answer = request.header("authorization", signed).body(body).send().await.unwrap();
    answer.error_for_status().unwrap();
    node
}

#[tokio::test]
async fn a_batch_reaches_three_nodes_and_a_dead_one_is_reported() {
    let coordinator = Coordinator::start().await;
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(Node::start(&coordinator, Setup::default()).await);
    }
    nodes[0].wait_until_up().await;
    let dead = nodes.pop().unwrap();
    let dead_id = dead.id;
    dead.stop().await;

    let blobs = [Blob::random(1, 5000), Blob::random(2, 4_000_000), Blob::random(3, 4160)];
    let events = nodes[0].put_batch(&blobs, &[nodes[1].id, dead_id, nodes[2].id]).await;

    assert_eq!(events.len(), 4);
    for event in &events {
        if let PutEvent::Stored { node, receipt } = event {
            let node = nodes.iter().find(|candidate| candidate.id == *node).unwrap();
            assert_eq!(node.verify(receipt).blobs, list(&blobs));
        }
    }
    let expected = nodes.iter().map(|node| (node.id, None)).chain([(dead_id, Some(ErrorCode::Unavailable))]);
    assert_eq!(by_node(events), expected.collect());
    for node in nodes {
        for blob in &blobs {
            assert!(node.has(blob).await);
        }
        node.stop().await;
    }
}

#[tokio::test]
async fn a_node_that_the_directory_does_not_know_is_not_contacted() {
    let coordinator = Coordinator::start().await;
    let node = Node::start(&coordinator, Setup::default()).await;
    let unknown = NodeId::from_bytes([0x77; 16]).unwrap();
    let events = node.put_batch(&[Blob::random(1, 5000)], &[unknown]).await;
    let expected = [(node.id, None), (unknown, Some(ErrorCode::InvalidRequest))];
    assert_eq!(by_node(events), expected.into());
    node.stop().await;
}

#[tokio::test]
async fn a_target_that_never_answers_holds_up_neither_the_client_nor_the_own_receipt() {
    let coordinator = Coordinator::start().await;
    // Accepts connections by its backlog and never reads.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = pretend(&coordinator, format!("http://{}", silent.local_addr().unwrap())).await;
    let setup = Setup { options: &["--fan-out-ms=5000"], ..Setup::default() };
    let node = Node::start(&coordinator, setup).await;

    let blobs: Vec<_> = (0..16).map(|seed| Blob::random(seed, 1 << 20)).collect();
    let events = node.put_batch(&blobs, &[target]).await;
    assert!(matches!(events[0], PutEvent::Stored { .. }), "the own receipt does not wait");
    assert_eq!(by_node(events)[&target], Some(ErrorCode::RequestTimeout));
    node.stop().await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let coordinator = Coordinator::start().await;
    let victim = Node::start(&coordinator, Setup::default()).await;
    let location = victim.at_path("/v1/blobs");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = pretend(&coordinator, format!("http://{}", listener.local_addr().unwrap())).await;
    let router = Router::new().fallback(move || std::future::ready(Redirect::temporary(&location)));
    let redirecting = tokio::spawn(async move { axum::serve(listener, router).await });
    let node = Node::start(&coordinator, Setup::default()).await;

    let events = node.put_batch(&[Blob::random(1, 5000)], &[target]).await;
    assert_eq!(by_node(events)[&target], Some(ErrorCode::Internal));
    assert_eq!(victim.ready().await.1["blobs"], 0);
    assert_eq!(victim.ready().await.1["refusals"]["audience"], 0);
    redirecting.abort();
    node.stop().await;
    victim.stop().await;
}

#[tokio::test]
async fn the_refusal_of_a_target_is_passed_on() {
    let coordinator = Coordinator::start().await;
    let full = Setup { options: &["--reserve-percent=100"], ..Setup::default() };
    let full = Node::start(&coordinator, full).await;
    let node = Node::start(&coordinator, Setup::default()).await;
    let events = node.put_batch(&[Blob::random(1, 5000)], &[full.id]).await;
    assert_eq!(by_node(events), [(node.id, None), (full.id, Some(ErrorCode::InsufficientStorage))].into());
    node.stop().await;
    full.stop().await;
}

#[tokio::test]
async fn a_client_that_breaks_off_leaves_nothing_on_any_node() {
    let coordinator = Coordinator::start().await;
    let (first, second) = (
        Node::start(&coordinator, Setup::default()).await,
        Node::start(&coordinator, Setup::default()).await,
    );
    first.wait_until_up().await;
    let blobs = [Blob::random(1, 5000), Blob::random(2, 5000)];
    let body = first.batch(&blobs, &[second.id]);
    let cut = body[..body.len() - 2500].to_vec();
    let response = first.post_batch(cut).await;
    assert_eq!(response.status(), 400);
    let stream = futures_util::stream::iter([Ok(body[..body.len() - 2500].to_vec()), Err("gone")]);
    let request = first.http.post(first.at_path("/v1/blobs")).body(reqwest::Body::wrap_stream(stream));
    assert!(request.send().await.is_err());
    let idle = async || first.ready().await.1["in_flight_bytes"] == 0;
    testkit::wait_until("the broken request is over", idle).await;
    assert_eq!(
        (first.ready().await.1["blobs"].clone(), second.ready().await.1["blobs"].clone()),
        (0.into(), 0.into())
    );
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_public_node_is_not_led_to_private_addresses() {
    let coordinator = Coordinator::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hosts =
        ["127.0.0.1", "localhost", "10.1.2.3", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"];
    for host in
        hosts.into_iter().chain(["[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "2130706433"])
    {
        let target = pretend(&coordinator, format!("http://{host}:{port}")).await;
        let setup = Setup { options: &["--public-url=http://node.example"], ..Setup::default() };
        let node = Node::start(&coordinator, setup).await;
        let events = node.put_batch(&[Blob::random(1, 5000)], &[target]).await;
        assert_eq!(by_node(events)[&target], Some(ErrorCode::InvalidRequest), "{host}");
        node.stop().await;
    }
    let contacted = tokio::time::timeout(std::time::Duration::ZERO, listener.accept()).await;
    assert!(contacted.is_err(), "somebody connected");
}
