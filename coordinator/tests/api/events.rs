//! Server-sent events.

use std::time::Duration;

use coordinator::health::Timings;
use protocol::events::Event;
use protocol::nodes::{HeartbeatRequest, NodeState};
use protocol::routes::coordinator as routes;
use reqwest::{Response, StatusCode};

use crate::support::{Node, Options, Registered, Server};

/// A stream of events, read one by one.
struct Events {
    response: Response,
    buffer: String,
}

impl Events {
    async fn open(server: &Server, person: &Registered) -> Self {
        let response = person.call(server, routes::EVENTS, &[]).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, buffer: String::new() }
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let data = event.strip_prefix("data: ").map(str::to_owned);
                self.buffer = String::from(rest);
                match data {
                    Some(data) => return serde_json::from_str(&data).unwrap(),
                    None => continue,
                }
            }
            let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Reads on until one node's state is this.
    async fn until(&mut self, state: NodeState) {
        loop {
            if let Event::Nodes { nodes } = self.next().await
                && nodes.iter().any(|node| node.state == state)
            {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_silent_node_is_seen_to_go_down_and_to_come_back() {
    let timings = Timings { suspect: Duration::from_millis(1500), down: Duration::from_secs(3) };
    let server = Server::start_with(Options { timings, ..Options::default() }).await;
    let operator = server.register_operator().await;
    let mut events = Events::open(&server, &operator).await;
    assert_eq!(events.next().await, Event::Nodes { nodes: Vec::new() });
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
            Event::Nodes { nodes } if nodes[0].blobs == 7 => return,
            Event::Nodes { .. } => {}
            other => panic!("not theirs: {other:?}"),
        }
    }
}
