//! Which storage nodes this server stands in for, because browsers cannot reach them themselves.

use clap::ValueEnum;
use protocol::routes::coordinator::RELAY_PREFIX;

use crate::caller::Caller;
use crate::db::nodes::NodeRow;
use crate::state::App;

/// Whose requests this server passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Relay {
    /// Nobody's: browsers talk to every node themselves.
    Off,
    /// Those to nodes with an http URL while this server's is https: browsers refuse to talk to them.
    Plain,
    /// Those to all nodes: browsers talk to this server alone.
    All,
}

impl Relay {
    /// Does it stand in for this node?
    pub fn stands_in_for(self, public_url: &str, node_url: &str) -> bool {
        match self {
            Self::Off => false,
            Self::Plain => public_url.starts_with("https://") && node_url.starts_with("http://"),
            Self::All => true,
        }
    }
}

/// Where a caller sends requests for a node: people, whose programs are browsers, perhaps through this server; devices
/// always to the node itself.
pub fn address_of(app: &App, caller: &Caller, node: &NodeRow) -> String {
    let public_url = &app.settings.public_url;
    if caller.device().is_none() && app.settings.relay.stands_in_for(public_url, &node.url) {
        format!("{public_url}{RELAY_PREFIX}{}", node.id)
    } else {
        node.url.clone()
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::NodeId;
    use protocol::routes::{coordinator, storage_node};

    use super::*;

    #[test]
    fn it_stands_in_for_whom_browsers_cannot_reach() {
        let stands = |relay: Relay, page, node| relay.stands_in_for(page, node);
        assert!(!stands(Relay::Off, "https://backup.example", "http://10.0.0.7:9001"));
        assert!(stands(Relay::Plain, "https://backup.example", "http://10.0.0.7:9001"));
        assert!(!stands(Relay::Plain, "https://backup.example", "https://node.example"));
        assert!(!stands(Relay::Plain, "http://localhost:8080", "http://localhost:9001"));
        assert!(stands(Relay::All, "http://localhost:8080", "http://localhost:9001"));
    }

    #[test]
    fn a_relayed_path_is_the_nodes_behind_its_id() {
        let node = NodeId::from_bytes([7; 16]).expect("not zero");
        let pairs = [
            (coordinator::RELAY_PUT_BLOBS, storage_node::PUT_BLOBS),
            (coordinator::RELAY_READ_BLOBS, storage_node::READ_BLOBS),
        ];
        for (relayed, own) in pairs {
            assert_eq!(relayed.method, own.method);
            assert_eq!(relayed.fill(&[&node]), format!("{RELAY_PREFIX}{node}{}", own.path));
        }
        let blob = "0b".repeat(32);
        let own = storage_node::GET_BLOB.fill(&[&blob]);
        assert_eq!(coordinator::RELAY_GET_BLOB.fill(&[&node, &blob]), format!("{RELAY_PREFIX}{node}{own}"));
    }
}
