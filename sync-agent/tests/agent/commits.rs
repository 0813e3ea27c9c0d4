//! Commits that go wrong: an answer that is lost, and data that lost its copies.

use std::fs;

use testkit::cluster::Cluster;
use testkit::wait_until;

use crate::support::{Folder, World, in_vault, noise, on_disk, wait_until_equal};

#[tokio::test]
async fn a_file_that_a_lost_commit_put_and_that_is_gone_by_now_does_not_stay() {
    let (cluster, proxy) = Cluster::start_behind_proxy(2).await;
    let world = World::of(cluster).await;
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
