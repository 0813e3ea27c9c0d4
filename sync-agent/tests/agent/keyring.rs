//! The key of the device's keys in the keyring of a session: a real one, of GNOME, on a bus of its own.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use testkit::{Process, TempDir, program, tempdir, wait_until};

use crate::support::{Agent, World};

const PASSWORD: &str = "the keyring's password";

/// As the usual session's, but that it starts no services by itself.
const CONFIG: &str = "<busconfig><type>session</type><listen>ADDRESS</listen><policy context='default'>\
    <allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/></policy></busconfig>";

/// A bus and what a keyring keeps.
struct Session {
    address: String,
    folder: TempDir,
    _bus: Process,
}

impl Session {
    async fn start() -> Self {
        let folder = tempdir().unwrap();
        let address = format!("unix:path={}", folder.path().join("bus").display());
        let config = folder.path().join("bus.conf");
        fs::write(&config, CONFIG.replace("ADDRESS", &address)).unwrap();
        let mut command = Command::new("dbus-daemon");
        command.args(["--nofork", "--nopidfile"]).arg("--config-file").arg(config);
        let bus = program::start(&command, &folder.path().join("bus.log"));
        wait_until("the bus listens", async || folder.path().join("bus").exists()).await;
        Self { address, folder, _bus: bus }
    }

    /// Runs until it is dropped; keeps what it is given in the session's folder.
    async fn keyring(&self) -> Keyring {
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--unlock", "--components=secrets"]);
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address).env("HOME", self.folder.path());
        command.env("XDG_DATA_HOME", self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
        let keyring = Keyring(child);
        wait_until("the keyring is on the bus", async || self.has_keyring()).await;
        keyring
    }

    fn has_keyring(&self) -> bool {
        let mut command = Command::new("dbus-send");
        command.args([
            &format!("--bus={}", self.address),
            "--print-reply",
            "--dest=org.freedesktop.DBus",
            "/",
        ]);
        command.args(["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]);
        String::from_utf8(command.output().unwrap().stdout).unwrap().contains("boolean true")
    }
}

struct Keyring(std::process::Child);

impl Drop for Keyring {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn the_keyring_keeps_the_key_and_without_it_the_keys_do_not_open() {
    let session = Session::start().await;
    let keyring = session.keyring().await;
    let world = World::start(1).await;
    let agent = Agent::on_bus(&session.address);
    world.enrol(&agent).await;
    assert!(agent.state.path().join("device.keys").exists());
    assert!(!agent.state.path().join("seal.key").exists(), "the keyring has it");
    assert_eq!(agent.json(&["status"]).await["online"], true);

    drop(keyring);
    wait_until("the keyring is gone", async || !session.has_keyring()).await;
    let output = agent.run(&["status"]).await;
    assert_eq!(output.status.code(), Some(12));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("there is no keyring here"), "{errors}");

    let _keyring = session.keyring().await;
    assert_eq!(agent.json(&["status"]).await["online"], true, "it opens with the keyring's own file");
}

#[tokio::test]
async fn a_service_waits_for_its_keyring() {
    let session = Session::start().await;
    let world = World::start(1).await;
    let agent = Agent::on_bus(&session.address);
    {
        let _keyring = session.keyring().await;
        world.enrol(&agent).await;
    }
    let _running = program::start(&agent.command(&["run"]), &agent.log_path());
    wait_until("it says why it waits", async || agent.log().contains("there is no keyring here")).await;
    let _keyring = session.keyring().await;
    wait_until("it runs", async || agent.log().contains("running")).await;
}

#[tokio::test]
async fn a_keyring_may_be_declined() {
    let session = Session::start().await;
    let _keyring = session.keyring().await;
    let world = World::start(1).await;
    let agent = Agent::on_bus(&session.address);
    agent.configure("keyring = \"never\"");
    world.enrol(&agent).await;
    let key = fs::metadata(agent.state.path().join("seal.key")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);
}
