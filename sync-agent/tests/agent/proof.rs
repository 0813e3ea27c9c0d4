//! Proving that a folder can be restored, and storing again what cannot.

use std::fs;
use std::os::unix::fs::FileExt as _;

use client::Vault;
use serde_json::Value;
use testkit::wait_until;

use crate::support::{Agent, Folder, World, in_vault, noise, on_disk};

/// The date that the web app and everybody else sees.
async fn proven_ms(vault: &Vault) -> Option<u64> {
    vault.status().await.unwrap().sources[0].proven_ms
}

/// Flips bytes in all that the nodes have stored, under their hands.
fn damage(world: &World, nodes: usize) {
    for node in 0..nodes {
        for pack in fs::read_dir(world.cluster.node_folder(node).join("packs")).unwrap() {
            let file = fs::File::options().write(true).read(true).open(pack.unwrap().path()).unwrap();
            for at in (4096..file.metadata().unwrap().len()).step_by(2048) {
                file.write_all_at(&[0x55, 0xaa, 0x0f], at).unwrap();
            }
        }
    }
}

/// What `prove` says, and how it ends.
async fn prove(agent: &Agent) -> (i32, Value) {
    let output = agent.run(&["prove", "--json"]).await;
    let code = output.status.code().unwrap();
    let printed = if code == 0 { output.stdout } else { output.stderr };
    let printed = String::from_utf8(printed).unwrap();
    (code, serde_json::from_str(printed.lines().last().unwrap()).unwrap())
}

#[tokio::test]
async fn a_running_agent_proves_its_folders_from_time_to_time() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    agent.configure("quiet_seconds = 1\nprove_seconds = 1");
    let folder = Folder::new(&[("d/small", b"1"), ("large", &noise(1, 3 << 20))]);
    agent.add(folder.path()).await;
    let _running = agent.start().await;
    let vault = world.vault().await;
    wait_until("it is proven", async || vault.refresh().await.is_ok() && proven_ms(&vault).await.is_some())
        .await;
    let first = proven_ms(&vault).await;
    wait_until("it is proven again", async || proven_ms(&vault).await > first).await;
    let told = agent.folder().await;
    assert!(told["proven_ms"].is_u64() && told["unrestorable"] == Value::Array(vec![]), "{told}");
}

#[tokio::test]
async fn proving_restores_a_sample_and_compares_it_with_what_has_not_changed() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("inline", b"1"), ("d/large", &noise(1, 6 << 20)), ("empty", b"")]);
    agent.add(folder.path()).await;
    assert_eq!(prove(&agent).await.0, 1, "there is no backup yet");
    agent.json(&["backup"]).await;
    let (code, proven) = prove(&agent).await;
    assert_eq!((code, &proven["message_type"]), (0, &"summary".into()), "{proven}");
    assert!(proven["files"].as_u64().unwrap() >= 1, "{proven}");
    assert!(proven_ms(&world.vault().await).await.is_some());
    assert!(agent.folder().await["proven_ms"].is_u64());
}

/// Everything that the nodes have is damaged: folders of the tree, lists and chunks.
#[tokio::test]
async fn what_cannot_be_restored_is_told_with_its_path_and_stored_again_by_the_next_backup() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder =
        Folder::new(&[("d/one", &noise(1, 300_000)), ("d/two", &noise(2, 300_000)), ("d/tiny", b"1")]);
    agent.add(folder.path()).await;
    agent.json(&["backup"]).await;
    damage(&world, 2);

    let (code, error) = prove(&agent).await;
    assert_eq!(code, 1, "{error}");
    assert_eq!(proven_ms(&world.vault().await).await, None, "nothing is proven");
    let told = agent.folder().await;
    let path = told["unrestorable"][0]["path"].as_str().unwrap();
    assert!(path.starts_with("d/"), "{told}");

    agent.json(&["backup"]).await;
    // The tree is there again, so that what else is lost is found.
    for _ in 0..3 {
        if prove(&agent).await.0 == 0 {
            break;
        }
        agent.json(&["backup"]).await;
    }
    assert_eq!(in_vault(&world.vault().await).await, on_disk(folder.path()));
    let told = agent.folder().await;
    assert!(told["proven_ms"].is_u64() && told["unrestorable"] == Value::Array(vec![]), "{told}");
    // The same bytes make the same blobs: the first snapshot has them again too.
    assert_eq!(agent.run(&["check", "--read-data"]).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_running_agent_mends_by_itself_what_it_finds_lost() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("one", &noise(1, 300_000)), ("two", &noise(2, 2 << 20))]);
    agent.add(folder.path()).await;
    agent.json(&["backup"]).await;
    damage(&world, 2);
    agent.configure("quiet_seconds = 1\nprove_seconds = 1");
    let _running = agent.start().await;
    let vault = world.vault().await;
    wait_until("it is proven", async || proven_ms(&vault).await.is_some()).await;
    assert_eq!(in_vault(&vault).await, on_disk(folder.path()));
    assert!(agent.log().contains("cannot be restored"), "{}", agent.log());
}

#[tokio::test]
async fn nodes_that_are_away_are_no_damage() {
    let mut world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("one", &noise(1, 300_000))]);
    agent.add(folder.path()).await;
    agent.json(&["backup"]).await;
    world.cluster.kill_node(0);
    world.cluster.kill_node(1);
    let (code, error) = prove(&agent).await;
    assert_eq!(code, 1, "{error}");
    assert_eq!(agent.folder().await["unrestorable"], Value::Array(vec![]));
    world.cluster.start_node(0).await;
    world.cluster.start_node(1).await;
    assert_eq!(prove(&agent).await.0, 0);
}

#[tokio::test]
async fn files_that_have_not_changed_are_compared_with_the_disk() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("file", &noise(1, 200_000))]);
    agent.add(folder.path()).await;
    agent.json(&["backup"]).await;
    // Times prove nothing before the clock is past its resolution.
    wait_until("its times are trusted", async || {
        agent.json(&["backup"]).await;
        prove(&agent).await.1["compared_bytes"].as_u64().is_some_and(|bytes| bytes >= 200_000)
    })
    .await;
    folder.write("file", b"another");
    assert_eq!(prove(&agent).await.1["compared_bytes"], 0, "what changed is no fault of the backup");
}
