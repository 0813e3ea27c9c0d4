//! An agent that is killed, and a machine whose power goes out, again and again: no snapshot is ever half a one, what
//! was acknowledged is not sent twice, and at the end the vault holds what is on the disk.

use std::fs;
use std::time::Duration;

use client::{At, SnapshotRef, TreeNode};
use testkit::disk::{Disk, may_mount};
use testkit::long::scale;
use testkit::{Process, tempdir, wait_until};

use crate::support::{Agent, Folder, Weather, World, entries, noise, wait_until_equal};

const MIB: usize = 1 << 20;

/// Puts a large file where it belongs, all of it at once, so that only whole versions can be read.
fn save_large(folder: &Folder, version: u64) -> [u8; 32] {
    let content = noise(version, 12 * MIB);
    folder.write("large.new", &content);
    fs::rename(folder.join("large.new"), folder.join("large")).unwrap();
    *blake3::hash(&content).as_bytes()
}

/// Every snapshot that ever appeared is restored, and what it has of the large file is a version that there was.
async fn check_every_snapshot(world: &World, agent: &Agent, versions: &[[u8; 32]]) {
    let vault = world.vault().await;
    let source = vault.sources()[0].source;
    for snapshot in vault.snapshots(source) {
        let target = tempdir().unwrap();
        let arguments = ["restore", &snapshot.seq.to_string(), "--target", target.path().to_str().unwrap()];
        let summary = agent.json(&arguments).await;
        assert_eq!(summary["errors"], 0, "{summary}");
        for (path, entry) in entries(&vault, SnapshotRef { source, at: At::Seq(snapshot.seq) }).await {
            if let TreeNode::File { hash, changed, .. } = entry.node
                && path == b"large"
            {
                assert!(!changed && versions.contains(&hash), "a mixture in {}", snapshot.seq);
            }
        }
    }
    agent.json(&["check", "--read-data"]).await;
}

/// Starts the agent, and lets the weather rage for as long as it is to live; in every third life a large file is on its
/// way at the end.
async fn live(
    agent: &Agent,
    folder: &Folder,
    weather: &mut Weather,
    life: u64,
    versions: &mut Vec<[u8; 32]>,
) -> Process {
    let running = agent.start().await;
    if life.is_multiple_of(3) {
        versions.push(save_large(folder, life));
    }
    weather.rage(20).await;
    tokio::time::sleep(Duration::from_millis(weather.dice.roll(3_000))).await;
    running
}

#[tokio::test]
async fn an_agent_that_is_killed_again_and_again_never_shows_half_a_snapshot_and_ends_equal() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("weather/start", b"here")]);
    agent.add(folder.path()).await;
    let mut weather = Weather::new(7, &[&folder.join("weather")]);
    weather.fill(60);
    let mut versions = Vec::new();
    for kill in 0..scale(10, 100) {
        let running = live(&agent, &folder, &mut weather, kill, &mut versions).await;
        // SIGKILL.
        drop(running);
    }
    let _running = agent.start().await;
    wait_until_equal(&world.vault().await, folder.path(), &agent).await;
    check_every_snapshot(&world, &agent, &versions).await;
}

/// Bytes of blobs that a node's receipt vouches for.
fn durable_bytes(world: &World) -> u64 {
    let sum = "SELECT coalesce(sum(size), 0) FROM blobs WHERE id IN (SELECT blob_id FROM replicas)";
    world.cluster.database().query(sum).parse().unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_not_sent_again() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("large", &noise(1, 40 * MIB))]);
    agent.add(folder.path()).await;
    // Slowly enough that it is killed on the way.
    agent.configure("quiet_seconds = 1\nupload_limit = \"8M\"");
    let mut before = durable_bytes(&world);
    for _ in 0..3 {
        let running = agent.start().await;
        wait_until("some more is durable", async || durable_bytes(&world) > before).await;
        drop(running);
        before = durable_bytes(&world);
    }
    agent.configure("");
    let summary = agent.json(&["backup"]).await;
    let sent = summary["data_added"].as_u64().unwrap();
    let after = durable_bytes(&world);
    assert!(after >= 40 * MIB as u64, "noise does not compress: {after}");
    assert!(sent <= after - before, "{before} were durable, {after} are now, and {sent} were sent");
}

#[tokio::test]
async fn a_power_cut_of_the_state_folder_loses_no_backup_and_breaks_no_agent() {
    if !may_mount() {
        return;
    }
    let image = tempdir().unwrap();
    let disk = Disk::ext4(&image.path().join("image"), 64 << 20, &[]);
    let world = World::start(2).await;
    let agent = world.admit_with(disk.folder.clone()).await;
    let folder = Folder::new(&[("weather/start", b"here")]);
    agent.add(folder.path()).await;
    // The configuration is the test's own, and not synced by the agent.
    disk.sync();
    let mut weather = Weather::new(11, &[&folder.join("weather")]);
    weather.fill(60);
    let mut versions = Vec::new();
    for cut in 0..scale(5, 50) {
        let running = live(&agent, &folder, &mut weather, cut, &mut versions).await;
        disk.cut_power();
        drop(running);
        disk.unmount();
        disk.mount();
    }
    let running = agent.start().await;
    wait_until_equal(&world.vault().await, folder.path(), &agent).await;
    check_every_snapshot(&world, &agent, &versions).await;
    drop(running);
    disk.unmount();
}
