//! The description of the interface: whole, committed and served.

use protocol::routes::storage_node as routes;
use serde_json::Value;

use crate::support::{Coordinator, Node, Setup};

const DESCRIPTION: &str = include_str!("../../../docs/api/storage-node.json");

#[test]
fn every_route_is_described_once() {
    let document: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let paths = document["paths"].as_object().unwrap();
    for route in routes::ALL {
        let operation = &paths[route.path][route.method.to_lowercase()];
        assert!(operation["operationId"].is_string(), "{} {}", route.method, route.path);
    }
    let described: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(described, routes::ALL.len());
}

#[test]
fn the_committed_description_is_that_of_the_program() {
    assert!(
        storage_node::openapi::description() == DESCRIPTION,
        "run: cargo run --package storage-node --example openapi > docs/api/storage-node.json"
    );
}

#[tokio::test]
async fn the_description_is_served_to_anybody() {
    let coordinator = Coordinator::start().await;
    let node = Node::start(&coordinator, Setup::default()).await;
    let served = node.http.get(node.at_path(routes::OPENAPI.path)).send().await.unwrap();
    assert_eq!(served.headers()["content-type"], "application/json");
    assert_eq!(served.text().await.unwrap(), DESCRIPTION);
}
