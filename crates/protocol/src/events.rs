//! Server-sent events: what a page need not ask for again. Each event's data is one [`Event`] as JSON.

use serde::{Deserialize, Serialize};

use crate::id::VaultId;
use crate::nodes::NodeStatus;

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// All nodes, at the start and whenever one changed.
    Nodes {
        /// In order of zone and URL.
        nodes: Vec<NodeStatus>,
    },
    /// One of the caller's vaults has a new head.
    Head {
        /// The vault.
        vault: VaultId,
        /// The newest commit's number.
        seq: u64,
    },
}
