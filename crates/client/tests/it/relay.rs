//! Browsers that reach the coordinator alone: it passes their requests on to the nodes.

use protocol::routes::{coordinator, storage_node};
use reqwest::StatusCode;
use testkit::cluster::Cluster;

use crate::native::{Device, assert_restores, back_up, noise};

/// How many requests to a route a server at this origin has answered well.
async fn answered(origin: &str, route: &str) -> u64 {
    let metrics = testkit::http().get(format!("{origin}/metrics")).send().await.expect("answers");
    let metrics = metrics.text().await.expect("text");
    let lines = metrics.lines().filter(|line| line.starts_with("triplicate_http_requests_total{"));
    let of_route = lines.filter(|line| line.contains(&format!("\"{route}\"")) && line.contains("\"200\""));
    of_route.map(|line| line.rsplit(' ').next().expect("a value").parse::<u64>().expect("a count")).sum()
}

#[tokio::test]
async fn a_backup_goes_through_the_coordinator_and_back() {
    let cluster = Cluster::start_with(2, &[("TRIPLICATE_RELAY", "all")]).await;
    let device = Device::default();
    let vault = device.sign_up(&cluster).await.open_vault().await.expect("opens");
    let files = [("small", noise(1, 5000)), ("many chunks", noise(2, 24 << 20))];
    back_up(&vault, &files).await.expect("backs up");
    assert_restores(&device.open(&cluster).await, &files).await;

    let put = answered(&cluster.origin, coordinator::RELAY_PUT_BLOBS.path).await;
    let read = answered(&cluster.origin, coordinator::RELAY_READ_BLOBS.path).await;
    assert!(put > 0 && read > 0, "{put} {read}");
    let at_nodes = async |route: &str| {
        answered(&cluster.node_url(0), route).await + answered(&cluster.node_url(1), route).await
    };
    assert!(at_nodes(storage_node::PUT_BLOBS.path).await >= put);
    assert!(at_nodes(storage_node::READ_BLOBS.path).await >= read);
}

#[tokio::test]
async fn a_relay_takes_nodes_requests_and_nothing_else() {
    let cluster = Cluster::start_with(1, &[("TRIPLICATE_RELAY", "all")]).await;
    let node = node_id(&cluster).await;
    let post = async |path: String| {
        let request = testkit::http().post(format!("{}{path}", cluster.origin)).body("{}");
        request.send().await.expect("answers").status()
    };
    // The node's own answers: none of these has a grant.
    assert_eq!(post(coordinator::RELAY_READ_BLOBS.fill(&[&node])).await, StatusCode::BAD_REQUEST);
    let blob = format!("{}{}", cluster.origin, coordinator::RELAY_GET_BLOB.fill(&[&node, &"0b".repeat(32)]));
    let ungranted = testkit::http().get(blob).send().await.expect("answers");
    assert_eq!(ungranted.status(), StatusCode::FORBIDDEN);

    let unknown = "00000000000000000000000000000001";
    assert_eq!(post(coordinator::RELAY_READ_BLOBS.fill(&[&unknown])).await, StatusCode::NOT_FOUND);
    for path in ["/v1/delete", "/v1/pull", "/v1/audit", "/v1/inventory", "/metrics", "/v1/blobs/../delete"] {
        let status = post(format!("{}{node}{path}", coordinator::RELAY_PREFIX)).await;
        assert!(
            status == StatusCode::NOT_FOUND || status == StatusCode::METHOD_NOT_ALLOWED,
            "{path}: {status}"
        );
    }
}

#[tokio::test]
async fn nothing_is_passed_on_unless_the_operator_says_so() {
    let cluster = Cluster::start(1).await;
    let url =
        format!("{}{}", cluster.origin, coordinator::RELAY_READ_BLOBS.fill(&[&node_id(&cluster).await]));
    let answer = testkit::http().post(url).body("{}").send().await.expect("answers");
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

async fn node_id(cluster: &Cluster) -> String {
    let device = Device::default();
    let account = device.sign_up(cluster).await;
    account.nodes().await.expect("nodes").nodes[0].node.to_string()
}
