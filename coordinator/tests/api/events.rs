//! Server-sent events.

use std::time::Duration;

use coordinator::health::Timings;
use protocol::devices::DevicesResponse;
use protocol::envelope::device_certificate::Role;
use protocol::events::Event;
use protocol::nodes::{HeartbeatRequest, NodeState};
use protocol::routes::coordinator as routes;
use reqwest::StatusCode;

use crate::support::{Admission, Device, Events, Node, Options, Registered, Server};

#[tokio::test]
async fn a_silent_node_is_seen_to_go_down_and_to_come_back() {
    let timings =
        Timings { suspect: Duration::from_millis(1500), down: Duration::from_secs(3), ..Timings::default() };
    let server = Server::start_with(Options { timings, ..Options::default() }).await;
    let operator = server.register_operator().await;
    let mut events = Events::open(&server, &operator).await;
    assert!(matches!(events.next().await, Event::Nodes { nodes, .. } if nodes.is_empty()));
    let node = Node::up(&server, "zone").await;
    events.until(NodeState::Up).await;
    events.until(NodeState::Suspect).await;
    events.until(NodeState::Down).await;
    node.beat(&server).await;
    events.until(NodeState::Up).await;
}

#[tokio::test]
async fn a_new_head_is_told_to_its_owner_alone() {
    let (server, operator, nodes) = Server::with_zones(1).await;
    let other = server.register_member("other").await;
    let mut mine = Events::open(&server, &operator).await;
    let mut theirs = Events::open(&server, &other).await;
    mine.next().await;
    theirs.next().await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    // News of the node's first heartbeat may still be on its way.
    let head = loop {
        match mine.next().await {
            Event::Nodes { .. } => {}
            head => break head,
        }
    };
    assert_eq!(head, Event::Head { vault: operator.vault, seq: 1 });
    // Announcements keep their order: up to one that is behind it, the other hears of nodes alone.
    let heartbeat = HeartbeatRequest { blobs: 7, ..nodes[0].next_heartbeat() };
    nodes[0].heartbeat(&server, &heartbeat).await.expect_status(StatusCode::OK);
    loop {
        match theirs.next().await {
            Event::Nodes { nodes, .. } if nodes[0].blobs == 7 => return,
            Event::Nodes { .. } => {}
            other => panic!("not theirs: {other:?}"),
        }
    }
}

async fn is_online(server: &Server, owner: &Registered, device: &Device) -> bool {
    let listed: DevicesResponse = owner.get(server, routes::DEVICES, &[]).await.json();
    listed.devices.iter().any(|status| status.device == device.id && status.online)
}

#[tokio::test]
async fn a_device_is_online_while_it_listens() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let device = operator.admit(&server, Role::Append).await;
    let mut mine = Events::open(&server, &operator).await;
    assert!(!is_online(&server, &operator, &device).await);
    let stream = Events::open(&server, &device).await;
    mine.until_event(&Event::Devices).await;
    assert!(is_online(&server, &operator, &device).await);
    drop(stream);
    mine.until_event(&Event::Devices).await;
    assert!(!is_online(&server, &operator, &device).await);
}

#[tokio::test]
async fn an_admission_is_told_step_by_step() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let other = operator.admit(&server, Role::Append).await;
    let mut mine = Events::open(&server, &operator).await;
    let mut others = Events::open(&server, &other).await;
    mine.until_event(&Event::Devices).await;
    let admission = Admission::new(&operator, Role::Append, true);
    let enrolment = admission.enrolment;
    operator.admit_with(&server, admission).await;
    assert_eq!(mine.next_but_nodes().await, Event::EnrolmentRequest { enrolment });
    assert_eq!(mine.next_but_nodes().await, Event::AccountState { seq: 2 });
    assert_eq!(mine.next_but_nodes().await, Event::Devices);
    // To another device: what holds at the start, and the new state; nothing of nodes and enrolments.
    assert_eq!(others.next().await, Event::AccountState { seq: 1 });
    assert_eq!(others.next().await, Event::Head { vault: other.vault, seq: 0 });
    assert_eq!(others.next().await, Event::AccountState { seq: 2 });
}

#[tokio::test]
async fn a_device_hears_of_its_own_vaults_heads_alone() {
    let (server, mut operator, nodes) = Server::with_zones(1).await;
    let mut device = operator.admit(&server, Role::Append).await;
    let other = operator.admit(&server, Role::Append).await;
    device.follow(&operator);
    let mut events = Events::open(&server, &device).await;
    other.back_up(&server, &nodes, &[(1, 1)]).await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    device.back_up(&server, &nodes, &[(1, 1)]).await;
    assert_eq!(events.next().await, Event::AccountState { seq: 2 });
    assert_eq!(events.next().await, Event::Head { vault: device.vault, seq: 0 });
    assert_eq!(events.next().await, Event::Head { vault: device.vault, seq: 1 });
}
