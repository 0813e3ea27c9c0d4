//! Becoming a member of the cluster: at each start that has a join token, so that the coordinator learns what changed,
//! and whenever it does not know this node.

use protocol::nodes::{JOIN_ORIGIN, JoinRequest, JoinResponse};
use protocol::routes::coordinator::JOIN;

use crate::cluster::{Cluster, Membership};
use crate::coordinator::Coordinator;
use crate::state::Node;

/// Whether there is a token to join with.
pub(crate) fn is_possible(node: &Node) -> bool {
    node.config.join_token.is_set()
}

/// Whether the coordinator must be told who this node is before heartbeats mean anything to it.
pub(crate) fn is_needed(node: &Node) -> bool {
    node.cluster.get().is_none_or(|cluster| {
        let Membership { url, zone, .. } = &cluster.membership;
        *url != node.config.public_url || *zone != node.config.zone
    })
}

/// Joins once; the caller tries again after a failure.
pub(crate) async fn join(node: &Node, coordinator: &Coordinator) -> anyhow::Result<()> {
    let config = &node.config;
    let token = config.join_token.require("join_token")?;
    let request = JoinRequest {
        join_token: token.expose().to_owned(),
        node: node.id(),
        public_key: node.identity.public_key(),
        url: config.public_url.clone(),
        zone: config.zone.clone(),
        machine: machine(config.machine.as_deref()),
        medium: config.medium.told(),
        store: node.store.id(),
    };
    let now_ms = node.clock.now_ms();
    let joined: JoinResponse =
        coordinator.post_signed(JOIN, &request, JOIN_ORIGIN, &node.identity, now_ms).await?;
    let membership = Membership { url: request.url, zone: request.zone, joined };
    let cluster = Cluster::new(membership, node.id())?;
    cluster.save(&node.directory_path())?;
    node.cluster.set(cluster);
    tracing::info!(coordinator = config.coordinator, "joined the cluster");
    Ok(())
}

/// What is the same for all nodes on one machine, and different on another.
fn machine(configured: Option<&str>) -> String {
    configured
        .map_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned(), str::to_owned)
}
