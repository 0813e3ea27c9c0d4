//! What a node tells Prometheus, and whom.

use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::routes::storage_node as routes;
use testkit::prometheus::{promtool, value};

use crate::support::{Blob, Coordinator, Node, Setup, refusal};

async fn scrape(node: &Node) -> String {
    let response = node.http.get(node.at_path(routes::METRICS.path)).send().await.unwrap();
    response.error_for_status().unwrap().text().await.unwrap()
}

#[tokio::test]
async fn numbers_move_when_the_thing_happens_and_prometheus_understands_them() {
    let coordinator = Coordinator::start().await;
    let node = Node::start(&coordinator, Setup::default()).await;
    let before = scrape(&node).await;
    for name in ["read_blobs", "written_blobs", "deleted_blobs", "scrub_errors"] {
        assert_eq!(value(&before, &format!("triplicate_store_{name}_total")), Some(0.0), "{name}");
    }
    assert_eq!(value(&before, "triplicate_store_joined"), Some(1.0));
    assert!(value(&before, "triplicate_store_heartbeat_timestamp_seconds") > Some(1.0e9));

    let blobs = [Blob::random(1, 5000), Blob::random(2, 6000)];
    node.put_batch(&blobs, &[]).await;
    assert!(node.has(&blobs[0]).await);
    node.delete(&blobs[1..]).await;
    let grant = coordinator.grant(node.id, Operation::Get, &[blobs[0].stored]);
    assert_eq!(node.put_with(&blobs[0], &grant).await.status(), 403);

    let after = scrape(&node).await;
    promtool(&["check", "metrics"], &after);
    let told = |series: &str| value(&after, series);
    assert_eq!(told("triplicate_store_written_blobs_total"), Some(2.0));
    assert_eq!(told("triplicate_store_written_bytes_total"), Some(11_000.0));
    assert_eq!(told("triplicate_store_read_blobs_total"), Some(1.0));
    assert_eq!(told("triplicate_store_read_bytes_total"), Some(5000.0));
    assert_eq!(told("triplicate_store_deleted_blobs_total"), Some(1.0));
    assert_eq!(told("triplicate_store_blobs"), Some(1.0));
    assert_eq!(told("triplicate_store_bytes"), Some(5000.0));
    assert!(told("triplicate_store_sync_duration_seconds_count") >= Some(2.0));
    assert!(told("triplicate_store_capacity_bytes") > Some(0.0));
    assert_eq!(told(r#"triplicate_grant_refusals_total{check="operation"}"#), Some(1.0));
    let puts = r#"triplicate_http_requests_total{method="POST",route="/v1/blobs",status="200"}"#;
    assert_eq!(told(puts), Some(1.0));
    // Routes, not paths; and no grant.
    assert!(!after.contains(&blobs[0].stored.id.to_string()) && !after.contains(&grant));
    node.stop().await;
}

#[tokio::test]
async fn metrics_take_the_token_where_one_is_set() {
    let coordinator = Coordinator::start().await;
    let node =
        Node::start(&coordinator, Setup { metrics_token: Some("let me look"), ..Setup::default() }).await;
    let ask = || node.http.get(node.at_path(routes::METRICS.path));
    for request in [ask(), ask().bearer_auth("let me"), ask().bearer_auth("")] {
        let response = request.send().await.unwrap();
        assert_eq!(refusal(response).await, (401, ErrorCode::Unauthenticated));
    }
    assert_eq!(ask().bearer_auth("let me look").send().await.unwrap().status(), 200);
    node.stop().await;
}
