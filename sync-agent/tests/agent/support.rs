//! A cluster with an account, agents that it admits, and folders to compare with what they backed up.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::rc::Rc;

use client::{Account, Client, Role, TreeNode, Vault};
use futures_util::TryStreamExt as _;
use serde_json::Value;
use sync_agent::platform::Native;
use testkit::cluster::Cluster;
use testkit::{Process, TempDir, program, tempdir, wait_until};

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
        Self::of(Cluster::start(nodes).await).await
    }

    pub(crate) async fn of(cluster: Cluster) -> Self {
        let pins = tempdir().unwrap();
        let client = Client::new(&cluster.origin, Rc::new(Native::new(pins.path().join("pin")).unwrap()));
        let pending = client.prepare_account(LOGIN, PASSPHRASE).await.unwrap();
        let owner = pending.register(Some(cluster.setup_token())).await.unwrap();
        Self { cluster, owner, _pins: pins }
    }

    /// An agent that the owner has admitted.
    pub(crate) async fn admit(&self) -> Agent {
        let agent = Agent::new();
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
    pub(crate) state: TempDir,
    /// The address of its session's bus; without one it finds no keyring, whoever runs the test.
    pub(crate) bus: String,
}

impl Agent {
    pub(crate) fn new() -> Self {
        let agent = Self { state: tempdir().unwrap(), bus: String::new() };
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
        let log = self.state.path().join("log");
        let process = program::start(&self.command(&["run"]), &log);
        let socket = self.state.path().join("agent.sock");
        wait_until(&format!("the agent listens: {}", self.log()), async || {
            tokio::net::UnixStream::connect(&socket).await.is_ok()
        })
        .await;
        process
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.state.path().join("log")).unwrap_or_default()
    }

    /// What `status` says of the only folder.
    pub(crate) async fn folder(&self) -> Value {
        self.json(&["status"]).await["folders"][0].clone()
    }
}

/// An entry, as a file system or a vault has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File(Vec<u8>),
    Directory,
    Symlink(Vec<u8>),
}

/// Mode, time, and what it is, by path.
pub(crate) type Tree = BTreeMap<Vec<u8>, (u32, i64, Kind)>;

/// What lies in a folder. Links have neither mode nor time here: Linux keeps none of its own for them.
pub(crate) fn on_disk(folder: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let kind = if meta.is_dir() {
                pending.push(path.clone());
                Kind::Directory
            } else if meta.is_symlink() {
                Kind::Symlink(fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
            } else if meta.is_file() {
                Kind::File(fs::read(&path).unwrap())
            } else {
                continue;
            };
            let mtime_ns = meta.mtime() * 1_000_000_000 + meta.mtime_nsec();
            let name = path.strip_prefix(folder).unwrap().as_os_str().as_bytes().to_vec();
            tree.insert(name, (meta.permissions().mode() & 0o7777, mtime_ns, kind));
        }
    }
    tree
}

/// What the newest snapshot of the vault's only folder holds, every byte of it read back.
pub(crate) async fn in_vault(vault: &Vault) -> Tree {
    vault.refresh().await.unwrap();
    let source = vault.sources()[0].source;
    let mut tree = Tree::new();
    let mut pending: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
    while let Some(directory) = pending.pop() {
        for entry in vault.tree_entries(source, &directory).await.unwrap() {
            let path = [directory.clone(), vec![entry.name.clone()]].concat();
            let kind = match entry.node {
                TreeNode::Directory { .. } => {
                    pending.push(path.clone());
                    Kind::Directory
                }
                TreeNode::Symlink { target } => Kind::Symlink(target),
                TreeNode::File { .. } => {
                    let file = vault.open_file(source, &path).await.unwrap();
                    let content: Vec<Vec<u8>> = file.stream.try_collect().await.unwrap();
                    Kind::File(content.concat())
                }
            };
            tree.insert(path.join(&b'/'), (entry.mode, entry.mtime_ns, kind));
        }
    }
    tree
}

/// Waits until the newest snapshot is what lies in the folder now, to the byte.
pub(crate) async fn wait_until_equal(vault: &Vault, folder: &Path, agent: &Agent) {
    let expected = on_disk(folder);
    let mut last = Tree::new();
    for _ in 0..300 {
        vault.refresh().await.unwrap();
        let has_snapshot = vault.sources().first().is_some_and(|source| source.newest.is_some());
        if has_snapshot {
            last = in_vault(vault).await;
            if last == expected {
                return;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let names = |tree: &Tree, other: &Tree| {
        let differs = tree.iter().filter(|(path, entry)| other.get(*path) != Some(entry));
        differs.map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect::<Vec<_>>()
    };
    let (only_disk, only_vault) = (names(&expected, &last), names(&last, &expected));
    panic!("on the disk {only_disk:?}, in the vault {only_vault:?}; {}", agent.log());
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
