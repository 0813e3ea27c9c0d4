//! Server-sent events: what a page need not ask for again. Each event's data is one [`Event`] as JSON.

use serde::{Deserialize, Serialize};

use crate::id::{EnrolmentId, VaultId};
use crate::messages::Message;
use crate::nodes::{ClusterStatus, NodeStatus};

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// All nodes, at the start and whenever one changed.
    Nodes {
        /// In order of zone and URL.
        nodes: Vec<NodeStatus>,
        /// How the blobs of all are.
        cluster: ClusterStatus,
    },
    /// One of the caller's vaults has a new head.
    Head {
        /// The vault.
        vault: VaultId,
        /// The newest commit's number.
        seq: u64,
    },
    /// The account has a new newest state: devices came or went. A device reads it before its next commit.
    AccountState {
        /// Its number.
        seq: u64,
    },
    /// A device came online, went offline, was admitted or revoked. For web sessions.
    Devices,
    /// Somebody used an enrolment's link. For web sessions.
    EnrolmentRequest {
        /// Which.
        enrolment: EnrolmentId,
    },
    /// A sealed message: to this device, or from a device to a web session.
    Message {
        /// The message.
        message: Message,
    },
}
