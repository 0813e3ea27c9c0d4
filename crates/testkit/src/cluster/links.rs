//! The ways between the programs of a cluster, each through a proxy of its own.

use std::fmt;

use crate::proxy::Proxy;

/// All proxies of a cluster.
pub struct Links {
    /// From clients to whichever coordinator is there.
    pub clients: Proxy,
    /// From each node to whichever coordinator is there.
    pub control: Vec<Proxy>,
    /// From everybody to each node.
    pub data: Vec<Proxy>,
}

/// One of the ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// From clients to the coordinators.
    Clients,
    /// From a node to the coordinators.
    Control(usize),
    /// From everybody to a node.
    Data(usize),
}

impl Links {
    pub(super) async fn start(coordinators: &[u16]) -> Self {
        Self { clients: Proxy::to(coordinators.to_vec()).await, control: Vec::new(), data: Vec::new() }
    }

    /// The ways from and to another node.
    pub(super) async fn add_node(&mut self, coordinators: &[u16], node: u16) {
        self.control.push(Proxy::to(coordinators.to_vec()).await);
        self.data.push(Proxy::to(vec![node]).await);
    }

    /// Clients and nodes reach this coordinator alone from now on.
    pub fn pass_to(&self, coordinator: usize) {
        for proxy in self.control.iter().chain([&self.clients]) {
            proxy.pass_to(coordinator);
        }
    }

    /// The proxy of a link.
    pub fn proxy(&self, link: Link) -> &Proxy {
        match link {
            Link::Clients => &self.clients,
            Link::Control(node) => &self.control[node],
            Link::Data(node) => &self.data[node],
        }
    }

    /// All proxies.
    pub fn all(&self) -> impl Iterator<Item = &Proxy> {
        std::iter::once(&self.clients).chain(&self.control).chain(&self.data)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clients => f.write_str("clients to coordinators"),
            Self::Control(node) => write!(f, "node {} to coordinators", node + 1),
            Self::Data(node) => write!(f, "all to node {}", node + 1),
        }
    }
}
