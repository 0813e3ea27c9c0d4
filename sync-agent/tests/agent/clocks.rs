//! The clock of the agent's machine jumps. What waits is measured by a clock that does not; what is signed is refused
//! beyond two minutes, in plain words, and goes on as soon as the clock is right again.

use std::process::Command;

use testkit::clock::Clock;
use testkit::{tempdir, wait_until};

use crate::support::{Agent, Folder, World, on_disk, wait_until_equal};

const JUMPS: [&str; 4] = ["+1h", "-1h", "+400d", "-400d"];

/// An agent that goes by a clock.
fn command(agent: &Agent, clock: &Clock) -> Command {
    let mut command = agent.command(&["run"]);
    command.envs(clock.environment());
    command
}

#[tokio::test]
async fn a_clock_that_jumps_and_comes_back_loses_no_backup_and_leaves_no_error() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("start", b"here")]);
    agent.add(folder.path()).await;
    let clock = Clock::new();
    let _running = agent.start_as(&command(&agent, &clock)).await;
    let vault = world.vault().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
    for jump in JUMPS {
        clock.set(jump);
        folder.write(jump, b"while the clock was wrong");
        let before = vault.snapshots(vault.sources()[0].source).len();
        wait_until("it is backed up all the same, or refused for the clock", async || {
            vault.refresh().await.unwrap();
            let is_there = vault.snapshots(vault.sources()[0].source).len() > before;
            is_there || agent.folder().await["failure"].as_str().is_some_and(|it| it.contains("clock"))
        })
        .await;
        clock.set("+0");
        wait_until_equal(&vault, folder.path(), &agent).await;
        wait_until("no error stays", async || agent.folder().await["failure"].is_null()).await;
    }
    let listed = agent.json(&["snapshots", "--latest", "1"]).await;
    let newest = vault.snapshots(vault.sources()[0].source).last().unwrap().seq.to_string();
    assert_eq!(listed[0]["id"], newest, "the order is that of the log, whatever the clock said");
    let target = tempdir().unwrap();
    agent.json(&["restore", "latest", "--target", target.path().to_str().unwrap()]).await;
    assert!(on_disk(target.path()) == on_disk(folder.path()));
}

#[tokio::test]
async fn an_agent_that_starts_with_a_wrong_clock_says_so_and_begins_when_it_is_right() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("start", b"here")]);
    agent.add(folder.path()).await;
    let clock = Clock::new();
    clock.set("+400d");
    let waiting = testkit::program::start(&command(&agent, &clock), &agent.log_path());
    wait_until("it says why it waits", async || agent.log().contains("clock")).await;
    clock.set("+0");
    wait_until_equal(&world.vault().await, folder.path(), &agent).await;
    assert!(waiting.exited().is_none(), "{}", agent.log());
}
