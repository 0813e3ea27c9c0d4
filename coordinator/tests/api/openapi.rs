//! The description of the interface: whole, committed and served. That it tells the truth, every other test checks
//! for what it reads (`support/described.rs`), and `contract.rs` for whatever anybody could send.

use std::collections::BTreeSet;

use protocol::routes::coordinator as routes;
use serde_json::Value;

use crate::support::{Answer, DESCRIPTION, Server, operation};

#[test]
fn every_route_is_described_once_under_a_name_of_its_own() {
    let document: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let described: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(described, routes::ALL.len());
    let names: BTreeSet<_> =
        routes::ALL.iter().map(|route| operation(route)["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.len(), routes::ALL.len());
}

#[test]
fn the_committed_description_is_that_of_the_program() {
    assert!(
        coordinator::router::description() == DESCRIPTION,
        "run: cargo run --package coordinator -- openapi > docs/api/coordinator.json"
    );
}

#[tokio::test]
async fn the_description_is_served_to_anybody() {
    let server = Server::start().await;
    let answer = Answer::read(server.call(routes::OPENAPI, &[])).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(String::from_utf8(answer.body).unwrap(), DESCRIPTION);
}
