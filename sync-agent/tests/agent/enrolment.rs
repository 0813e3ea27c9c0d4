//! Becoming a device, and ceasing to be one.

use std::os::unix::fs::PermissionsExt as _;

use testkit::authority::VALID;
use testkit::cluster::Cluster;
use testkit::{Authority, wait_until};
use tls::Roots;

use crate::support::{Agent, Folder, World};

#[tokio::test]
async fn without_keys_every_command_says_so_and_ends_with_10() {
    let agent = Agent::new();
    for command in [&["status"][..], &["run"], &["backup"]] {
        let output = agent.run(command).await;
        assert_eq!(output.status.code(), Some(10), "{command:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(errors, "error: this machine is not enrolled yet: run `triplicate-agent enroll`\n");
    }
}

#[tokio::test]
async fn a_link_makes_a_device_whose_keys_nobody_else_can_read() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let status = agent.json(&["status"]).await;
    assert_eq!(status["origin"], world.cluster.origin);
    for file in ["device.keys", "seal.key"] {
        let mode = std::fs::metadata(agent.state.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let again = agent.run(&["enroll", "--yes"]).await;
    assert_eq!(again.status.code(), Some(1), "a state folder belongs to one device");
}

#[tokio::test]
async fn keys_do_not_open_under_another_key_and_that_ends_with_12() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    std::fs::write(agent.state.path().join("seal.key"), "11".repeat(32)).unwrap();
    assert_eq!(agent.run(&["status"]).await.status.code(), Some(12));
}

#[tokio::test]
async fn a_revoked_device_ends_with_12_and_its_snapshots_stay() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("a", b"1")]);
    agent.add(folder.path()).await;
    agent.json(&["backup"]).await;
    let running = agent.start().await;
    let devices = world.owner.devices(&[]).await.unwrap();
    world.owner.revoke(devices[0].device).await.unwrap();
    folder.write("b", b"2");
    wait_until("the revoked agent ends", async || running.exited().is_some()).await;
    let status = running.exited().unwrap();
    assert_eq!(status.code(), Some(12), "{}", agent.log());
    let vault = world.vault().await;
    let newest = vault.sources()[0].newest.clone().unwrap();
    assert_eq!(newest.files, 1);
}

/// As `./start` runs it: the link comes to a second program, beside the one that waits.
#[tokio::test]
async fn an_agent_that_waits_begins_once_enroll_was_run_beside_it() {
    let world = World::start(2).await;
    let agent = Agent::new();
    let command = agent.command(&["run", "--wait-for-enrolment"]);
    let waiting = testkit::program::start(&command, &agent.log_path());
    wait_until("it waits", async || agent.log().contains("waiting for a link")).await;
    world.enrol(&agent).await;
    wait_until("it runs", async || agent.log().contains("running")).await;
    assert!(waiting.exited().is_none(), "{}", agent.log());
    assert_eq!(agent.json(&["status"]).await["running"], true);
}

#[tokio::test]
async fn an_agent_trusts_the_authority_that_it_is_told_and_no_other() {
    let authority = Authority::new();
    authority.sign("localhost", VALID);
    let roots = Roots::with(Some(&authority.root())).unwrap();
    let world = World::trusting(Cluster::start_tls(2, &authority).await, &roots).await;
    let agent = Agent::new();
    agent.configure(&format!("tls_ca = '{}'", authority.root().display()));
    world.enrol(&agent).await;
    let folder = Folder::new(&[("a", b"1")]);
    agent.add(folder.path()).await;
    agent.json(&["backup"]).await;
    assert_eq!(world.vault().await.sources()[0].newest.clone().unwrap().files, 1);

    agent.configure("");
    let output = agent.run(&["snapshots"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}
