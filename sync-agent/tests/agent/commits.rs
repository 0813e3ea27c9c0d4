//! Commits that go wrong: an answer that is lost, and data that lost its copies.

use std::fs;

use futures_util::TryStreamExt as _;
use testkit::cluster::Cluster;
use testkit::wait_until;

use crate::support::{Folder, World, noise, wait_until_equal};

#[tokio::test]
async fn a_file_that_a_lost_commit_put_and_that_is_gone_by_now_does_not_stay() {
    let (cluster, proxy) = Cluster::start_behind_proxy(2).await;
    let world = World::on(cluster).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("stays", b"1")]);
    agent.add(folder.path()).await;
    let _running = agent.start().await;
    let vault = world.vault().await;
    wait_until_equal(&vault, folder.path(), &agent).await;

    proxy.lose_answer_of("/commit HTTP");
    folder.write("temporary", b"2");
    proxy.answer_is_lost().await;
    fs::remove_file(folder.join("temporary")).unwrap();
    folder.write("new", b"3");
    wait_until("the agent gave the commit up", async || agent.log().contains("not backed up")).await;
    proxy.mend();
    wait_until_equal(&vault, folder.path(), &agent).await;
    let expected = vault.snapshots(vault.sources()[0].source);
    assert!(expected.len() >= 3, "the lost commit counts: {expected:?}");
}

/// A node that comes back with an empty disk.
async fn wipe(world: &mut World, node: usize) {
    world.cluster.kill_node(node);
    let folder = world.cluster.node_folder(node);
    fs::remove_dir_all(folder.join("packs")).unwrap();
    fs::remove_file(folder.join("index.redb")).unwrap();
    let identity = folder.join("node.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&identity).unwrap()).unwrap();
    json["store_id"] = "1".repeat(32).into();
    fs::write(&identity, json.to_string()).unwrap();
    world.cluster.start_node(node).await;
}

#[tokio::test]
async fn files_whose_data_lost_copies_are_read_and_sent_again_wherever_they_lie_now() {
    let mut world = World::start(2).await;
    let agent = world.admit().await;
    let folders = Folder::new(&[("a/d/moves", &noise(1, 5 << 20)), ("b/stays", &noise(2, 2 << 20))]);
    agent.add(&folders.join("a")).await;
    agent.add(&folders.join("b")).await;
    agent.json(&["backup"]).await;
    wipe(&mut world, 0).await;
    let vault = world.vault().await;
    wait_until("the copies are known to be gone", async || {
        vault.status().await.unwrap().sources[0].copies.iter().any(|count| count.copies == 1)
    })
    .await;

    // Known by its inode, and by the fingerprints of its chunks.
    fs::rename(folders.join("a/d"), folders.join("b/d")).unwrap();
    folders.write("b/again", &noise(2, 2 << 20));
    agent.json(&["backup"]).await;
    // What was sent again is also on the node that had lost it.
    world.cluster.kill_node(1);
    vault.refresh().await.unwrap();
    let sources = vault.settings().sources;
    let b = sources.iter().find(|source| source.path.ends_with(b"/b")).unwrap().source;
    for path in [&["d", "moves"][..], &["again"]] {
        let file = vault.open_file(b, path).await.unwrap();
        let content: Vec<Vec<u8>> = file.stream.try_collect().await.unwrap();
        assert!(content.concat() == fs::read(folders.join("b").join(path.join("/"))).unwrap(), "{path:?}");
    }
}
