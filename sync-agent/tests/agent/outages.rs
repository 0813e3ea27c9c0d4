//! Servers that go and come back under an agent, and nodes without room: it waits, says so, and goes on.

use std::fs;
use std::process::Command;

use testkit::cluster::Cluster;
use testkit::disk::{Disk, may_mount};
use testkit::{tempdir, wait_until};

use crate::support::{Folder, Weather, World, noise, wait_until_equal};

#[tokio::test]
async fn the_coordinator_goes_and_comes_back_and_nothing_is_lost() {
    let mut world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("start", b"here")]);
    agent.add(folder.path()).await;
    let _running = agent.start().await;
    let vault = world.vault().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
    world.cluster.kill_coordinator();
    folder.write("while/away", &noise(1, 1 << 20));
    wait_until("the agent is offline", async || agent.json(&["status"]).await["online"] == false).await;
    world.cluster.start_coordinator().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
}

#[tokio::test]
async fn coordinator_and_nodes_are_restarted_one_by_one_under_a_storm_and_it_ends_equal() {
    let mut world = World::start(3).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("start", b"here")]);
    agent.add(folder.path()).await;
    let mut weather = Weather::new(5, &[folder.path()]);
    weather.fill(60);
    let _running = agent.start().await;
    for node in 0..3 {
        weather.rage(30).await;
        folder.write("large", &noise(node as u64, 6 << 20));
        world.cluster.kill_node(node);
        weather.rage(30).await;
        world.cluster.start_node(node).await;
        world.cluster.kill_coordinator();
        weather.rage(30).await;
        world.cluster.start_coordinator().await;
    }
    wait_until_equal(&world.vault().await, folder.path(), &agent).await;
}

#[tokio::test]
async fn nodes_without_room_are_told_of_and_the_backup_goes_on_when_there_is_some() {
    if !may_mount() {
        return;
    }
    let image = tempdir().unwrap();
    let disk = Disk::ext4(&image.path().join("image"), 5 << 30, &["-m", "0"]);
    let world = World::on(Cluster::start_in(disk.folder.clone(), 2).await).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("start", b"here")]);
    agent.add(folder.path()).await;
    let running = agent.start().await;
    let vault = world.vault().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
    // Reserved and not written: the image stays small. What is left is the room that nodes do not touch.
    let filler = disk.path().join("filler");
    let reserved = Command::new("fallocate").args(["--length", "4GiB"]).arg(&filler).status().unwrap();
    assert!(reserved.success());
    folder.write("too-much", &noise(1, 3 << 20));
    wait_until("the agent says why", async || agent.folder().await["failure"].is_string()).await;
    let failure = agent.folder().await["failure"].as_str().unwrap().to_owned();
    assert!(failure.contains("fewer zones") || failure.contains("storage nodes took"), "{failure}");
    fs::remove_file(filler).unwrap();
    wait_until_equal(&vault, folder.path(), &agent).await;
    drop((running, world));
}
