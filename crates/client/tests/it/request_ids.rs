//! One number finds an operation in the logs of all servers.

use std::collections::BTreeSet;

use protocol::routes::{coordinator, storage_node};
use serde_json::Value;
use testkit::cluster::Cluster;

use crate::native::{Device, assert_restores, back_up, noise};

/// Every request is a line.
const LOGS: [(&str, &str); 2] =
    [("TRIPLICATE_LOG", "info,server::request_id=debug"), ("TRIPLICATE_LOG_JSON", "true")];

/// The numbers of the requests to a path that ends so, in a program's log.
fn numbers(cluster: &Cluster, program: &str, path_end: &str) -> BTreeSet<String> {
    let log = std::fs::read_to_string(cluster.folder().join(format!("{program}.log"))).expect("a log");
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let requests =
        lines.filter(|line| line["span"]["path"].as_str().is_some_and(|path| path.ends_with(path_end)));
    requests.filter_map(|line| line["span"]["id"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_backup_and_a_restore_are_found_under_a_number_each_in_all_logs() {
    let cluster = Cluster::start_with(2, &LOGS).await;
    let device = Device::default();
    let vault = device.sign_up(&cluster).await.open_vault().await.expect("opens");
    let files = [("one", noise(1, 300_000)), ("two", noise(2, 200_000))];
    back_up(&vault, &files).await.expect("backs up");

    let commits = numbers(&cluster, "coordinator", "/commit");
    assert_eq!(commits.len(), 1, "{commits:?}");
    let backup = commits.first().expect("one");
    assert!(numbers(&cluster, "coordinator", "/plan").contains(backup));
    assert!(numbers(&cluster, "coordinator", "/receipts").contains(backup));
    // One node got the blobs from the client, and the other one from it.
    for node in ["node-1", "node-2"] {
        assert!(numbers(&cluster, node, storage_node::PUT_BLOBS.path).contains(backup), "{node}");
    }

    assert_restores(&device.open(&cluster).await, &files).await;
    let located = numbers(&cluster, "coordinator", "/blobs/locate");
    let reads = |node| numbers(&cluster, node, storage_node::READ_BLOBS.path);
    let read = &reads("node-1") | &reads("node-2");
    assert!(!located.is_disjoint(&read) && !read.contains(backup), "{located:?} {read:?}");

    // What nobody asked for has numbers too, and both sides know them.
    let heartbeats = numbers(&cluster, "coordinator", coordinator::HEARTBEAT.path);
    assert!(heartbeats.len() > 1);
}
