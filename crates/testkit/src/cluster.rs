//! A whole cluster of real processes on loopback: PostgreSQL, a coordinator, and nodes in a zone each.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use supervise::net::free_port;
use supervise::process::Process;
use tempfile::TempDir;

use crate::postgres::{self, Database};
use crate::proxy::Proxy;
use crate::{program, wait_until};

/// A running cluster. Its processes are killed and its data removed when it is dropped.
pub struct Cluster {
    /// The coordinator's origin.
    pub origin: String,
    coordinator: Option<Process>,
    nodes: Vec<Option<Process>>,
    ports: Vec<u16>,
    http: reqwest::Client,
    database: Database,
    folder: Arc<TempDir>,
}

impl Cluster {
    /// Starts a coordinator and `count` nodes, and waits until all are ready.
    ///
    /// # Panics
    /// If the programs are not built or do not become ready: nothing can be tested then.
    pub async fn start(count: usize) -> Self {
        Self::start_in(Arc::new(new_folder()), count).await
    }

    /// The same with its data, but for the database, in this folder.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn start_in(folder: Arc<TempDir>, count: usize) -> Self {
        let port = free_port().expect("loopback has free ports");
        Self::start_at(format!("http://localhost:{port}"), port, folder, count).await
    }

    /// The same with a coordinator that everybody reaches through a proxy.
    pub async fn start_behind_proxy(count: usize) -> (Self, Proxy) {
        let proxy = Proxy::start().await;
        let folder = Arc::new(new_folder());
        (Self::start_at(proxy.origin.clone(), proxy.port(), folder, count).await, proxy)
    }

    async fn start_at(origin: String, port: u16, folder: Arc<TempDir>, count: usize) -> Self {
        let nodes = (0..count).map(|_| free_port().expect("loopback has free ports"));
        let ports: Vec<u16> = std::iter::once(port).chain(nodes).collect();
        let mut cluster = Self {
            origin,
            coordinator: None,
            nodes: (0..count).map(|_| None).collect(),
            ports,
            http: reqwest::Client::new(),
            database: postgres::database().await,
            folder,
        };
        cluster.start_coordinator().await;
        for node in 0..count {
            cluster.spawn_node(node);
        }
        for node in 0..count {
            cluster.wait_for_node(node).await;
        }
        cluster
    }

    /// Starts the coordinator, for the first time or again.
    pub async fn start_coordinator(&mut self) {
        let data = self.coordinator_folder();
        let mut command = Command::new(program::path("triplicate-coordinator"));
        command.arg("serve").args(["--database-url", &self.database.url()]);
        command.args(["--listen", &format!("127.0.0.1:{}", self.ports[0]), "--public-url", &self.origin]);
        command.arg("--data").arg(&data);
        self.coordinator = Some(program::start(&command, &self.log("coordinator")));
        self.wait_for("the coordinator", &self.origin).await;
    }

    /// Starts a node, for the first time or again, and waits until it is ready.
    pub async fn start_node(&mut self, node: usize) {
        self.spawn_node(node);
        self.wait_for_node(node).await;
    }

    fn spawn_node(&mut self, node: usize) {
        let port = self.ports[node + 1];
        let mut command = Command::new(program::path("triplicate-node"));
        command.arg("--data").arg(self.node_folder(node));
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--public-url", &self.node_url(node)]);
        command.args(["--coordinator", &self.origin, "--zone", &format!("zone-{}", node + 1)]);
        command.arg("--join-token-file").arg(self.coordinator_folder().join("join-token"));
        self.nodes[node] = Some(program::start(&command, &self.log(&format!("node-{}", node + 1))));
    }

    /// Kills a node: SIGKILL, no farewell.
    pub fn kill_node(&mut self, node: usize) {
        self.nodes[node] = None;
    }

    /// Kills the coordinator.
    pub fn kill_coordinator(&mut self) {
        self.coordinator = None;
    }

    /// The token of the setup link.
    pub fn setup_token(&self) -> String {
        let link =
            std::fs::read_to_string(self.coordinator_folder().join("setup-link")).expect("a first run");
        link.trim().split_once('#').expect("the token stands behind a hash").1.to_owned()
    }

    /// A node's URL.
    pub fn node_url(&self, node: usize) -> String {
        format!("http://localhost:{}", self.ports[node + 1])
    }

    /// A node's data.
    pub fn node_folder(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("node-{}", node + 1))
    }

    /// The coordinator's data.
    pub fn coordinator_folder(&self) -> PathBuf {
        self.folder.path().join("coordinator")
    }

    /// Where everything of the cluster but the database lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database, to look at or damage what the coordinator stored.
    pub fn database(&self) -> &Database {
        &self.database
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    async fn wait_for_node(&self, node: usize) {
        self.wait_for("a node", &self.node_url(node)).await;
    }

    async fn wait_for(&self, what: &str, origin: &str) {
        let url = format!("{origin}/readyz");
        let ready =
            async || self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success());
        wait_until(&format!("{what} is ready; logs in {}", self.folder.path().display()), ready).await;
    }
}

fn new_folder() -> TempDir {
    tempfile::tempdir().expect("a folder for the cluster's data")
}
