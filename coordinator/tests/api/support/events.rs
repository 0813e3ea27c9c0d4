//! A client's event stream.

use protocol::events::Event;
use protocol::nodes::NodeState;
use protocol::routes::coordinator as routes;
use reqwest::Response;

use super::{Registered, Server};

/// A stream of events, read one by one.
pub(crate) struct Events {
    response: Response,
    buffer: String,
}

impl Events {
    pub(crate) async fn open(server: &Server, person: &Registered) -> Self {
        let response = person.call(server, routes::EVENTS, &[]).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, buffer: String::new() }
    }

    pub(crate) async fn next(&mut self) -> Event {
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
    pub(crate) async fn until(&mut self, state: NodeState) {
        loop {
            if let Event::Nodes { nodes, .. } = self.next().await
                && nodes.iter().any(|node| node.state == state)
            {
                return;
            }
        }
    }

    /// The next event that is not about nodes.
    pub(crate) async fn next_but_nodes(&mut self) -> Event {
        loop {
            match self.next().await {
                Event::Nodes { .. } => {}
                event => return event,
            }
        }
    }

    /// Reads on until this event.
    pub(crate) async fn until_event(&mut self, wanted: &Event) {
        while self.next().await != *wanted {}
    }

    /// Reads on until the server ends the stream.
    pub(crate) async fn until_end(&mut self) {
        while self.response.chunk().await.unwrap().is_some() {}
    }
}
