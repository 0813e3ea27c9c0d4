//! Real nodes on loopback, in this process or their own.

mod blob;
mod coordinator;
mod maintenance;
mod media;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use clap::Parser as _;
use configuration::SecretSource;
use protocol::blob_list::pack_stored;
use protocol::bytes::Base64;
use protocol::data_plane::{FanOutGrant, PutEvent, PutHeader, ReadRequest};
use protocol::error::{ErrorBody, ErrorCode};
use protocol::grant::Operation;
use protocol::id::{BlobId, NodeId, StoreId};
use protocol::receipt::Receipt;
use protocol::routes::storage_node as routes;
use serde_json::Value;
use server::clock::Clock;
use storage_node::{Config, MediumOptions};
use testkit::{Process, TempDir, free_port, tempdir, wait_until};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use blob::{Blob, batch_body, damage, list};
pub use coordinator::{Coordinator, JOIN_TOKEN, WEB_ORIGIN};
pub use media::{Medium, prefix};

/// A node that runs, and its folder.
pub struct Node {
    pub url: String,
    pub id: NodeId,
    pub coordinator: Coordinator,
    pub http: reqwest::Client,
    pub folder: Arc<TempDir>,
    running: Running,
}

enum Running {
    Task { stop: Option<oneshot::Sender<()>>, task: JoinHandle<anyhow::Result<()>> },
    Process(Process),
}

/// How a test's node differs from the usual one.
pub struct Setup<'a> {
    pub options: &'a [&'a str],
    /// The content of the file with its join token.
    pub join_token: &'a str,
    /// The same for metrics, if there is one.
    pub metrics_token: Option<&'a str>,
    /// A program, with its arguments, that becomes the node; for nodes in a process of their own.
    pub run_by: &'a [&'a str],
    pub clock: Clock,
    pub folder: Arc<TempDir>,
    pub medium: &'a Medium,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            options: &[],
            join_token: JOIN_TOKEN,
            metrics_token: None,
            run_by: &[],
            clock: Clock::System,
            folder: Arc::new(tempdir().expect("a temporary folder")),
            medium: &Medium::Disk,
        }
    }
}

impl Setup<'_> {
    fn join_token_file(&self) -> PathBuf {
        let path = self.folder.path().join("join-token");
        testkit::write_private(&path, &format!("{}\n", self.join_token));
        path
    }
}

pub fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("node")
}

fn arguments(coordinator_url: &str, setup: &Setup<'_>, port: u16) -> Vec<String> {
    let Setup { folder, options, medium, .. } = setup;
    let mut arguments = vec![
        format!("--data={}", data(folder).display()),
        format!("--listen=127.0.0.1:{port}"),
        format!("--public-url=http://127.0.0.1:{port}"),
        format!("--coordinator={}", coordinator_url),
        format!("--zone=zone-{port}"),
        "--heartbeat-ms=50".into(),
        "--reserve-bytes=0".into(),
        "--reserve-percent=0".into(),
        "--pack-bytes=4194304".into(),
    ];
    let name = |argument: &str| argument.split('=').next().map(str::to_owned);
    arguments.extend(medium.arguments());
    arguments.retain(|argument| !options.iter().any(|option| name(option) == name(argument)));
    arguments.extend(options.iter().map(|option| (*option).to_owned()));
    arguments
}

impl Node {
    /// A node in this process, joined and up.
    pub async fn start(coordinator: &Coordinator, setup: Setup<'_>) -> Self {
        let node = Self::start_unjoined(coordinator, setup).await;
        node.wait_until_up().await;
        node
    }

    /// A node in this process, as soon as it answers.
    pub async fn start_unjoined(coordinator: &Coordinator, setup: Setup<'_>) -> Self {
        let port = free_port().expect("a free port");
        let arguments = arguments(coordinator.url(), &setup, port);
        let config = Config::parse_from([vec!["triplicate-node".to_owned()], arguments].concat());
        let join_token = SecretSource::file(setup.join_token_file());
        let metrics_token = setup.metrics_token.map(SecretSource::value).unwrap_or_default();
        let medium = MediumOptions { keys: setup.medium.keys(), ..config.medium };
        let config = Config { join_token, metrics_token, medium, ..config };
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        let task = tokio::spawn(storage_node::run(config, setup.clock, stopped));
        Self::at(coordinator, port, setup.folder, Running::Task { stop: Some(stop), task }).await
    }

    /// A node in a process of its own, joined and up.
    pub async fn start_process(coordinator: &Coordinator, setup: Setup<'_>) -> Self {
        let port = free_port().expect("a free port");
        let program = [setup.run_by, &[env!("CARGO_BIN_EXE_triplicate-node")]].concat();
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).args(arguments(coordinator.url(), &setup, port));
        command.env("TRIPLICATE_JOIN_TOKEN_FILE", setup.join_token_file());
        let process = testkit::program::start(&command, &setup.folder.path().join("log"));
        let node = Self::at(coordinator, port, setup.folder, Running::Process(process)).await;
        node.wait_until_up().await;
        node
    }

    async fn at(coordinator: &Coordinator, port: u16, folder: Arc<TempDir>, running: Running) -> Self {
        let url = format!("http://127.0.0.1:{port}");
        let http = testkit::http();
        wait_until("the node answers", async || {
            http.get(format!("{url}{}", routes::LIVEZ.path)).send().await.is_ok()
        })
        .await;
        let ready = http.get(format!("{url}{}", routes::READYZ.path)).send().await.expect("answers");
        let ready: Value = ready.json().await.expect("JSON");
        let id = ready["node"].as_str().expect("an id").parse().expect("an id");
        Self { url, id, coordinator: coordinator.clone(), http, folder, running }
    }

    /// Joined, and told the newest directory: an answer is in force when the next heartbeat comes.
    pub async fn wait_until_up(&self) {
        let beats = || self.coordinator.member(self.id).map_or(0, |member| member.heartbeats.len());
        let start = beats();
        wait_until("the node is up", async || beats() >= start + 2 && self.ready().await.0 == 200).await;
    }

    pub async fn ready(&self) -> (u16, Value) {
        let response = self.http.get(self.at_path(routes::READYZ.path)).send().await.expect("answers");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }

    pub async fn refusals(&self, check: &str) -> u64 {
        self.ready().await.1["refusals"][check].as_u64().expect("a counter")
    }

    pub fn at_path(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub fn blob_url(&self, id: BlobId) -> String {
        self.at_path(&routes::PUT_BLOB.fill(&[&id]))
    }

    /// Asks the node to stop, and waits until it did. Its folder stays.
    pub async fn stop(self) -> Arc<TempDir> {
        match self.running {
            Running::Task { stop, task } => {
                drop(stop);
                task.await.expect("no panic").expect("a clean stop");
            }
            Running::Process(process) => {
                process.signal(testkit::Signal::TERM);
                wait_until("the process ends", async || process.exited().is_some()).await;
                assert!(process.exited().expect("ended").success(), "{:?}", process.exited());
            }
        }
        self.folder
    }

    /// Ends the node's process as a crash would.
    pub fn signal_kill(&self) {
        let Running::Process(process) = &self.running else { panic!("only a process can be killed") };
        process.signal(testkit::Signal::KILL);
    }

    /// Waits for the end of a node's killed process. Its folder stays.
    pub async fn ended(self) -> Arc<TempDir> {
        let Running::Process(process) = &self.running else { panic!("only a process can be killed") };
        wait_until("the process ends", async || process.exited().is_some()).await;
        self.folder
    }

    // The data plane.

    pub async fn put_with(&self, blob: &Blob, token: &str) -> reqwest::Response {
        let request = self.http.put(self.blob_url(blob.stored.id)).bearer_auth(token);
        let request = request.header("triplicate-generation", blob.stored.generation);
        request.body(blob.bytes.clone()).send().await.expect("an answer")
    }

    pub async fn put(&self, blob: &Blob) -> reqwest::Response {
        self.put_with(blob, &self.coordinator.grant(self.id, Operation::Put, &[blob.stored])).await
    }

    pub async fn get_with(&self, blob: &Blob, token: &str) -> reqwest::Response {
        let request = self.http.get(self.blob_url(blob.stored.id)).bearer_auth(token);
        let request = request.header("triplicate-generation", blob.stored.generation);
        request.send().await.expect("an answer")
    }

    pub async fn get(&self, blob: &Blob) -> reqwest::Response {
        self.get_with(blob, &self.coordinator.grant(self.id, Operation::Get, &[blob.stored])).await
    }

    /// Whether the node gives the blob's very bytes.
    pub async fn has(&self, blob: &Blob) -> bool {
        let response = self.get(blob).await;
        response.status() == 200 && response.bytes().await.expect("a body") == blob.bytes
    }

    /// A batch with its own grant and fan-out grants for these nodes.
    pub fn batch(&self, blobs: &[Blob], fan_out: &[NodeId]) -> Vec<u8> {
        let list = list(blobs);
        let grant = |node| self.coordinator.grant(node, Operation::Put, &list);
        let header = PutHeader {
            grant: grant(self.id),
            fan_out: fan_out.iter().map(|node| FanOutGrant { node: *node, grant: grant(*node) }).collect(),
            blobs: pack_stored(&list),
        };
        batch_body(&header, blobs)
    }

    pub async fn post_batch(&self, body: Vec<u8>) -> reqwest::Response {
        self.http.post(self.at_path(routes::PUT_BLOBS.path)).body(body).send().await.expect("an answer")
    }

    pub async fn put_batch(&self, blobs: &[Blob], fan_out: &[NodeId]) -> Vec<PutEvent> {
        let response = self.post_batch(self.batch(blobs, fan_out)).await;
        let status = response.status();
        let lines = response.text().await.expect("a body");
        assert_eq!(status, 200, "{lines}");
        lines.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
    }

    pub async fn read_batch(&self, blobs: &[Blob], wanted: &[u32]) -> reqwest::Response {
        let list = list(blobs);
        let grant = self.coordinator.grant(self.id, Operation::Get, &list);
        let request = ReadRequest { grant, blobs: pack_stored(&list), wanted: wanted.to_vec() };
        self.http.post(self.at_path(routes::READ_BLOBS.path)).json(&request).send().await.expect("an answer")
    }

    /// Verifies a receipt under the key that the node joined with.
    pub fn verify(&self, receipt: &Base64) -> Receipt {
        let member = self.coordinator.member(self.id).expect("joined");
        Receipt::parse(receipt).expect("a receipt").verify(&member.join.public_key).expect("the node's own")
    }

    pub fn store_id(&self) -> StoreId {
        self.coordinator.member(self.id).expect("joined").join.store
    }
}

/// Code of an error answer, with its form checked.
pub async fn refusal(response: reqwest::Response) -> (u16, ErrorCode) {
    let status = response.status().as_u16();
    let request_id = response.headers()["x-request-id"].to_str().expect("text").to_owned();
    let body: ErrorBody = response.json().await.expect("an error body");
    assert_eq!(body.request_id.to_string(), request_id);
    assert_eq!(body.code.status(), status);
    (status, body.code)
}

pub fn packs(data: &Path) -> Vec<PathBuf> {
    // In a cloud, a folder comes with its first file.
    let entries = std::fs::read_dir(data.join("packs")).into_iter().flatten();
    let mut packs: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    packs.sort();
    packs
}
