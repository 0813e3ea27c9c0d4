//! A whole cluster of real processes on loopback: PostgreSQL, coordinators, and nodes in a zone each.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use supervise::process::{Process, Signal};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::clock::Clock;
use crate::postgres::{self, Database};
use crate::proxy::Proxy;
use crate::{program, wait_until};

mod links;
mod member;

pub use links::{Link, Links};
use member::{Program, local, port};

/// A running cluster. Its processes are killed and its data removed when it is dropped.
pub struct Cluster {
    /// The origin of the coordinator, or of what is in front of several.
    pub origin: String,
    coordinators: Vec<Program>,
    nodes: Vec<Program>,
    links: Option<Links>,
    /// Of all programs.
    environment: Vec<(&'static str, &'static str)>,
    /// Of all programs, if they serve https.
    tls: Vec<(&'static str, PathBuf)>,
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
        Self::start_at(None, folder, count, &[]).await
    }

    /// The same with options of the programs, as environment variables.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn start_with(count: usize, environment: &[(&'static str, &'static str)]) -> Self {
        Self::start_at(None, Arc::new(new_folder()), count, environment).await
    }

    /// The same with certificates that this authority signed for localhost, which all programs trust.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn start_tls(count: usize, authority: &Authority) -> Self {
        let (port, database) = (port(), postgres::database().await);
        let origin = format!("https://localhost:{port}");
        let mut cluster = Self::new(origin, &[port], None, &[], database, Arc::new(new_folder()));
        let files = [
            ("TRIPLICATE_TLS_CERTIFICATE", authority.certificate()),
            ("TRIPLICATE_TLS_KEY", authority.key()),
            ("TRIPLICATE_TLS_CA", authority.root()),
        ];
        cluster.tls = files.to_vec();
        let roots = tls::Roots::with(Some(&authority.root())).expect("the authority has a certificate");
        cluster.http = tls::http(&roots).no_proxy().build().expect("sockets can be made");
        cluster.with_nodes(count).await
    }

    /// The same with a coordinator that everybody reaches through a proxy.
    pub async fn start_behind_proxy(count: usize) -> (Self, Proxy) {
        let proxy = Proxy::start().await;
        let folder = Arc::new(new_folder());
        (Self::start_at(Some(&proxy), folder, count, &[]).await, proxy)
    }

    /// The same with several coordinators on this database, and with a proxy on every way from one program to another.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn start_linked(
        folder: Arc<TempDir>,
        database: Database,
        coordinators: usize,
        nodes: usize,
        environment: &[(&'static str, &'static str)],
    ) -> Self {
        let ports: Vec<_> = (0..coordinators).map(|_| port()).collect();
        let links = Links::start(&ports).await;
        let origin = links.clients.origin.clone();
        Self::new(origin, &ports, Some(links), environment, database, folder).with_nodes(nodes).await
    }

    async fn start_at(
        proxy: Option<&Proxy>,
        folder: Arc<TempDir>,
        count: usize,
        environment: &[(&'static str, &'static str)],
    ) -> Self {
        let port = proxy.map_or_else(port, Proxy::port);
        let origin = proxy.map_or_else(|| local(port), |proxy| proxy.origin.clone());
        let database = postgres::database().await;
        Self::new(origin, &[port], None, environment, database, folder).with_nodes(count).await
    }

    fn new(
        origin: String,
        coordinators: &[u16],
        links: Option<Links>,
        environment: &[(&'static str, &'static str)],
        database: Database,
        folder: Arc<TempDir>,
    ) -> Self {
        // All have the same secrets.
        let data = folder.path().join("coordinator");
        Self {
            origin,
            coordinators: coordinators.iter().map(|port| Program::new(*port, data.clone())).collect(),
            nodes: Vec::new(),
            links,
            environment: environment.to_vec(),
            tls: Vec::new(),
            http: crate::http(),
            database,
            folder,
        }
    }

    async fn with_nodes(mut self, count: usize) -> Self {
        // One after the other: the first makes the secrets.
        for coordinator in 0..self.coordinators.len() {
            self.start_coordinator_at(coordinator).await;
        }
        for node in 1..=count {
            let data = self.folder.path().join(format!("node-{node}"));
            self.spawn_new_node(data).await;
        }
        for node in 0..count {
            self.wait_for(&self.nodes[node]).await;
        }
        self
    }

    /// Starts another node in a zone of its own, with its data in this folder.
    pub async fn add_node(&mut self, data: PathBuf) {
        self.spawn_new_node(data).await;
        self.wait_for(&self.nodes[self.nodes.len() - 1]).await;
    }

    async fn spawn_new_node(&mut self, data: PathBuf) {
        let port = port();
        let coordinators: Vec<_> = self.coordinators.iter().map(|program| program.port).collect();
        if let Some(links) = &mut self.links {
            links.add_node(&coordinators, port).await;
        }
        self.nodes.push(Program::new(port, data));
        self.spawn_node(self.nodes.len() - 1);
    }

    /// Starts a coordinator again, by a clock that can be set.
    pub async fn start_coordinator_by(&mut self, place: usize, clock: Clock) {
        self.kill_coordinator_at(place);
        self.coordinators[place].clock = Some(clock);
        self.start_coordinator_at(place).await;
    }

    /// Starts a node again, by a clock that can be set.
    pub async fn start_node_by(&mut self, node: usize, clock: Clock) {
        self.kill_node(node);
        self.nodes[node].clock = Some(clock);
        self.start_node(node).await;
    }

    /// Sets the clock of a coordinator, as [`Clock::set`].
    ///
    /// # Panics
    /// If it goes by none that can be set.
    pub fn set_coordinator_clock(&self, place: usize, offset: &str) {
        self.coordinators[place].clock.as_ref().expect("started by a clock").set(offset);
    }

    /// Sets the clock of a node, as [`Clock::set`].
    ///
    /// # Panics
    /// If it goes by none that can be set.
    pub fn set_node_clock(&self, node: usize, offset: &str) {
        self.nodes[node].clock.as_ref().expect("started by a clock").set(offset);
    }

    /// Where a coordinator listens itself.
    pub fn coordinator_origin(&self, place: usize) -> String {
        local(self.coordinators[place].port)
    }

    /// Starts the first coordinator, for the first time or again.
    pub async fn start_coordinator(&mut self) {
        self.start_coordinator_at(0).await;
    }

    /// Starts a coordinator, for the first time or again, and waits until it is ready.
    pub async fn start_coordinator_at(&mut self, place: usize) {
        self.spawn_coordinator(place);
        self.wait_for(&self.coordinators[place]).await;
    }

    /// Starts a coordinator, for the first time or again.
    pub fn spawn_coordinator(&mut self, place: usize) {
        let mut command = Command::new(program::path("triplicate-coordinator"));
        command.arg("serve").env("TRIPLICATE_DATABASE_URL", self.database.url());
        self.coordinators[place].tell(&mut command, &self.origin);
        command.envs(self.environment.iter().copied()).envs(self.tls.clone());
        let name = if place == 0 { "coordinator".to_owned() } else { format!("coordinator-{}", place + 1) };
        self.coordinators[place].process = Some(program::start(&command, &self.log(&name)));
    }

    /// Starts a node, for the first time or again, and waits until it is ready.
    pub async fn start_node(&mut self, node: usize) {
        self.spawn_node(node);
        self.wait_for(&self.nodes[node]).await;
    }

    /// Starts a node, for the first time or again.
    pub fn spawn_node(&mut self, node: usize) {
        let coordinator = self.links.as_ref().map_or(&self.origin, |links| &links.control[node].origin);
        let mut command = Command::new(program::path("triplicate-node"));
        self.nodes[node].tell(&mut command, &self.node_url(node));
        command.args(["--coordinator", coordinator, "--zone", &format!("zone-{}", node + 1)]);
        command.env("TRIPLICATE_JOIN_TOKEN_FILE", self.coordinator_folder().join("join-token"));
        command.envs(self.environment.iter().copied()).envs(self.tls.clone());
        self.nodes[node].process = Some(program::start(&command, &self.log(&format!("node-{}", node + 1))));
    }

    /// Kills a node: SIGKILL, no farewell.
    pub fn kill_node(&mut self, node: usize) {
        self.nodes[node].process = None;
    }

    /// Kills a node, and its disk is lost.
    ///
    /// # Panics
    /// If its folder cannot be removed.
    pub fn lose_node(&mut self, node: usize) {
        self.kill_node(node);
        std::fs::remove_dir_all(self.node_folder(node)).expect("a node has a folder");
    }

    /// Kills the first coordinator.
    pub fn kill_coordinator(&mut self) {
        self.kill_coordinator_at(0);
    }

    /// Kills a coordinator.
    pub fn kill_coordinator_at(&mut self, place: usize) {
        self.coordinators[place].process = None;
    }

    /// Stops a coordinator (`STOP`) or lets it go on (`CONT`), if it runs.
    pub fn signal_coordinator(&self, place: usize, signal: Signal) {
        self.coordinators[place].signal(signal);
    }

    /// Stops a node (`STOP`) or lets it go on (`CONT`), if it runs.
    pub fn signal_node(&self, node: usize, signal: Signal) {
        self.nodes[node].signal(signal);
    }

    /// The links of a cluster that was started with some.
    ///
    /// # Panics
    /// On another.
    pub fn links(&self) -> &Links {
        self.links.as_ref().expect("started with links")
    }

    /// Programs that ended without being killed here, by the names of [`Self::pids`], and how.
    pub fn ended(&self) -> Vec<(String, ExitStatus)> {
        let status = |program: &Program| program.process.as_ref()?.exited();
        self.named(status)
    }

    /// Whether all programs run and are ready.
    pub async fn is_ready(&self) -> bool {
        for program in self.coordinators.iter().chain(&self.nodes) {
            if !self.is_program_ready(program).await {
                return false;
            }
        }
        true
    }

    /// The pids of all coordinators and nodes that run, in this order, with a name each.
    pub fn pids(&self) -> Vec<(String, u32)> {
        self.named(|program| program.process.as_ref().map(Process::pid))
    }

    fn named<T>(&self, of: impl Fn(&Program) -> Option<T>) -> Vec<(String, T)> {
        let kinds = [("coordinator", &self.coordinators), ("node", &self.nodes)];
        let all = kinds.iter().flat_map(|(kind, programs)| {
            programs
                .iter()
                .enumerate()
                .map(move |(place, program)| (format!("{kind}-{}", place + 1), program))
        });
        all.filter_map(|(name, program)| Some((name, of(program)?))).collect()
    }

    /// The token of the setup link.
    pub fn setup_token(&self) -> String {
        let link =
            std::fs::read_to_string(self.coordinator_folder().join("setup-link")).expect("a first run");
        link.trim().split_once('#').expect("the token stands behind a hash").1.to_owned()
    }

    /// A node's URL.
    pub fn node_url(&self, node: usize) -> String {
        let direct = || self.own_origin(&self.nodes[node]);
        self.links.as_ref().map_or_else(direct, |links| links.data[node].origin.clone())
    }

    /// Where a node listens.
    pub fn node_port(&self, node: usize) -> u16 {
        self.nodes[node].port
    }

    /// A node's data.
    pub fn node_folder(&self, node: usize) -> PathBuf {
        self.nodes[node].data.clone()
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

    /// The database, to crash its server.
    pub fn database_mut(&mut self) -> &mut Database {
        &mut self.database
    }

    /// Where a program listens itself.
    fn own_origin(&self, program: &Program) -> String {
        let plain = local(program.port);
        if self.tls.is_empty() { plain } else { plain.replace("http:", "https:") }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    async fn wait_for(&self, program: &Program) {
        let what = format!("{} answers; logs in {}", program.port, self.folder.path().display());
        wait_until(&what, async || self.is_program_ready(program).await).await;
    }

    async fn is_program_ready(&self, program: &Program) -> bool {
        let url = format!("{}/readyz", self.own_origin(program));
        self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success())
    }
}

fn new_folder() -> TempDir {
    tempfile::tempdir().expect("a folder for the cluster's data")
}
