//! A cluster with an account, agents that it admits, and folders to compare with what they backed up.

mod tree;
mod weather;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::rc::Rc;
use std::sync::Arc;

use client::{Account, Client, Role, Vault};
use serde_json::Value;
use sync_agent::platform::Native;
use testkit::cluster::Cluster;
use testkit::{Process, TempDir, program, tempdir, wait_until};
use tls::Roots;
pub(crate) use tree::{entries, in_vault, on_disk, wait_until_equal, wait_until_holds};
pub(crate) use weather::Weather;

pub(crate) const LOGIN: &str = "alice@example.com";
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

/// A cluster, and the account of its operator.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) owner: Account,
    _pins: TempDir,
}

impl World {
    pub(crate) async fn start(nodes: usize) -> Self {
        Self::on(Cluster::start(nodes).await).await
    }

    pub(crate) async fn on(cluster: Cluster) -> Self {
        Self::trusting(cluster, &Roots::default()).await
    }

    /// The same where certificates are signed by one of these.
    pub(crate) async fn trusting(cluster: Cluster, roots: &Roots) -> Self {
        let pins = tempdir().unwrap();
        let native = Native::new(pins.path().join("pin")).unwrap();
        let client = Client::trusting(&cluster.origin, Rc::new(native), roots);
        let pending = client.prepare_account(LOGIN, PASSPHRASE).await.unwrap();
        let owner = pending.register(Some(client::Ticket::Setup(cluster.setup_token()))).await.unwrap();
        Self { cluster, owner, _pins: pins }
    }

    /// An agent that the owner has admitted.
    pub(crate) async fn admit(&self) -> Agent {
        self.admit_with(Arc::new(tempdir().unwrap())).await
    }

    /// The same with its state in this folder.
    pub(crate) async fn admit_with(&self, state: Arc<TempDir>) -> Agent {
        let agent = Agent::with(state);
        self.enrol(&agent).await;
        agent
    }

    /// Carries a link to the agent's standard input, and admits who asks with it.
    pub(crate) async fn enrol(&self, agent: &Agent) {
        let enrolment = self.owner.begin_enrolment(Role::Append).await.unwrap();
        let link = enrolment.link(&self.cluster.origin).unwrap();
        let mut command = agent.command(&["enroll", "--yes"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{link}").unwrap();
        while enrolment.request().await.unwrap().is_none() {
            assert!(child.try_wait().unwrap().is_none(), "enroll ended early");
        }
        enrolment.admit("a laptop").await.unwrap();
        let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The agent's vault, as its owner sees it.
    pub(crate) async fn vault(&self) -> Vault {
        self.owner.open_vaults().await.unwrap().pop().unwrap()
    }
}

/// A state folder with a program.
pub(crate) struct Agent {
    pub(crate) state: Arc<TempDir>,
    /// Elsewhere, so that it can be read whatever happens to the state.
    logs: TempDir,
    /// The address of its session's bus; without one it finds no keyring, whoever runs the test.
    bus: String,
}

impl Agent {
    pub(crate) fn new() -> Self {
        Self::with(Arc::new(tempdir().unwrap()))
    }

    /// In a session with this bus.
    pub(crate) fn on_bus(address: &str) -> Self {
        Self { bus: address.to_owned(), ..Self::new() }
    }

    pub(crate) fn with(state: Arc<TempDir>) -> Self {
        let agent = Self { state, logs: tempdir().unwrap(), bus: String::new() };
        agent.configure("quiet_seconds = 1");
        agent
    }

    pub(crate) fn configure(&self, toml: &str) {
        fs::write(self.state.path().join("agent.toml"), toml).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_triplicate-agent"));
        command.args(arguments).arg("--state").arg(self.state.path());
        command.arg("--config").arg(self.state.path().join("agent.toml"));
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.bus);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null());
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    }

    /// Runs a command that must succeed, and returns the JSON that it printed last.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat()).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        let printed = String::from_utf8(output.stdout).unwrap();
        printed.lines().last().map_or(Value::Null, |line| serde_json::from_str(line).unwrap())
    }

    pub(crate) async fn add(&self, folder: &Path) {
        self.json(&["folders", "add", folder.to_str().unwrap()]).await;
    }

    /// The agent itself, until it is dropped.
    pub(crate) async fn start(&self) -> Process {
        self.start_as(&self.command(&["run"])).await
    }

    /// The same by a command of the test's own.
    pub(crate) async fn start_as(&self, command: &Command) -> Process {
        let process = program::start(command, &self.log_path());
        let socket = self.state.path().join("agent.sock");
        wait_until(&format!("the agent listens: {}", self.log()), async || {
            tokio::net::UnixStream::connect(&socket).await.is_ok()
        })
        .await;
        process
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.logs.path().join("log")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// What `status` says of the only folder.
    pub(crate) async fn folder(&self) -> Value {
        self.json(&["status"]).await["folders"][0].clone()
    }
}

/// A folder to back up.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = Self(tempdir().unwrap());
        for (path, content) in files {
            folder.write(path, content);
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: &[u8]) {
        let path = self.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// Bytes that look random, the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof().fill(&mut out);
    out
}
