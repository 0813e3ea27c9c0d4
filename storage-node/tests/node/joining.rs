//! Joining the cluster, heartbeats, and serving while the coordinator is away.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use protocol::error::ErrorCode;
use testkit::{free_port, tempdir, wait_until};

use crate::support::{Blob, Coordinator, Node, Setup, data, refusal};

#[tokio::test]
async fn a_node_introduces_itself_and_then_tells_how_it_is() {
    let coordinator = Coordinator::start().await;
    let setup = Setup { options: &["--machine=host-a", "--zone=rack-1"], ..Setup::default() };
    let node = Node::start(&coordinator, setup).await;
    let blob = Blob::random(1, 5000);
    node.put(&blob).await;
    let newest = || coordinator.member(node.id).unwrap().heartbeats.pop().unwrap();
    wait_until("a heartbeat tells of the blob", async || newest().blobs == 1).await;

    let member = coordinator.member(node.id).unwrap();
    assert_eq!((member.join.zone.as_str(), member.join.machine.as_str()), ("rack-1", "host-a"));
    assert_eq!(member.join.url, node.url);
    let beat = newest();
    assert_eq!((beat.store, beat.used_bytes, beat.read_only), (member.join.store, 5000, None));
    assert!(beat.free_bytes > 0 && beat.free_bytes <= beat.capacity_bytes);
    assert!(beat.sync_p99_us > 0);
    let sequences: Vec<_> = member.heartbeats.iter().map(|beat| beat.sequence).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    node.stop().await;
}

#[tokio::test]
async fn the_identity_is_kept_and_only_its_owner_may_read_it() {
    let coordinator = Coordinator::start().await;
    let node = Node::start(&coordinator, Setup::default()).await;
    let (id, store) = (node.id, node.store_id());
    let boot = coordinator.member(id).unwrap().heartbeats[0].boot;
    let path = data(&node.folder).join("node.json");
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);

    let folder = node.stop().await;
    let node = Node::start(&coordinator, Setup { folder, ..Setup::default() }).await;
    assert_eq!((node.id, node.store_id()), (id, store));
    assert_ne!(coordinator.member(id).unwrap().heartbeats.last().unwrap().boot, boot);
    node.stop().await;
}

#[tokio::test]
async fn a_node_with_a_wrong_token_serves_nobody() {
    let coordinator = Coordinator::start().await;
    let setup = Setup { join_token: "something else", ..Setup::default() };
    let node = Node::start_unjoined(&coordinator, setup).await;

    assert_eq!(refusal(node.put(&Blob::random(1, 5000)).await).await, (503, ErrorCode::Unavailable));
    let (status, ready) = node.ready().await;
    assert_eq!((status, ready["joined"].as_bool()), (503, Some(false)));
    assert!(coordinator.members().is_empty());
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_is_started_first_joins_when_the_coordinator_comes() {
    let port = free_port().unwrap();
    let early = Coordinator::start_at(port).await;
    early.stop().await;
    let node = Node::start_unjoined(&early, Setup::default()).await;
    assert_eq!(node.ready().await.0, 503);
    let late = Coordinator::start_at(port).await;
    wait_until("the node is up", async || node.ready().await.0 == 200).await;
    assert!(late.member(node.id).is_some());
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_starts_again_without_the_coordinator_still_serves() {
    let coordinator = Coordinator::start().await;
    let node = Node::start(&coordinator, Setup::default()).await;
    let (old, new) = (Blob::random(1, 5000), Blob::random(2, 5000));
    node.put(&old).await;
    let folder = node.stop().await;
    coordinator.stop().await;

    let node = Node::start_unjoined(&coordinator, Setup { folder, ..Setup::default() }).await;
    assert_eq!(node.put(&new).await.status(), 200);
    assert!(node.has(&old).await && node.has(&new).await);
    let (status, ready) = node.ready().await;
    assert_eq!((status, ready["joined"].as_bool()), (503, Some(true)));
    node.stop().await;
}

/// Options of a node that says the same URL and zone at each start, wherever it listens.
const SAME_PLACE: [&str; 2] = ["--public-url=http://node.example", "--zone=rack-1"];

#[tokio::test]
async fn a_node_that_starts_again_tells_of_another_machine() {
    let coordinator = Coordinator::start().await;
    let start = async |machine, folder| {
        let options = &[SAME_PLACE[0], SAME_PLACE[1], machine];
        Node::start(&coordinator, Setup { options, folder, ..Setup::default() }).await
    };
    let folder = start("--machine=host-a", Arc::new(tempdir().unwrap())).await.stop().await;
    let node = start("--machine=host-b", folder).await;
    assert_eq!(coordinator.member(node.id).unwrap().join.machine, "host-b");
    assert_eq!(coordinator.members().len(), 1);
    node.stop().await;
}

#[tokio::test]
async fn a_member_whose_token_is_no_longer_right_stays_one() {
    let coordinator = Coordinator::start().await;
    let setup = Setup { options: &SAME_PLACE, ..Setup::default() };
    let folder = Node::start(&coordinator, setup).await.stop().await;
    let options = &SAME_PLACE;
    let setup = Setup { options, join_token: "something else", folder, ..Setup::default() };
    let node = Node::start(&coordinator, setup).await;
    assert_eq!(node.ready().await.0, 200);
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_the_coordinator_forgot_joins_again() {
    let coordinator = Coordinator::start().await;
    let node = Node::start(&coordinator, Setup::default()).await;
    coordinator.forget(node.id);
    node.wait_until_up().await;
    assert_eq!(coordinator.member(node.id).unwrap().join.url, node.url);
    node.stop().await;
}

#[tokio::test]
async fn a_folder_with_packs_and_no_identity_is_refused() {
    let coordinator = Coordinator::start().await;
    let node = Node::start(&coordinator, Setup::default()).await;
    node.put(&Blob::random(1, 5000)).await;
    let folder = node.stop().await;
    std::fs::remove_file(data(&folder).join("node.json")).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_triplicate-node"))
        .arg(format!("--data={}", data(&folder).display()))
        .args(["--public-url=http://x", "--coordinator=http://x", "--zone=z", "--listen=127.0.0.1:0"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("has packs but no node.json"), "{log}");
}
