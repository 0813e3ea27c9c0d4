//! Many changes at once, and an agent that is killed in the middle: what is in the vault at the end is what is on the
//! disk, to the byte.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Folder, World, noise, wait_until_equal};

/// Small numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = u64::from_be_bytes(noise(self.0, 8).try_into().unwrap());
        self.0 % sides
    }
}

/// One random change. What it needs may be missing by now; then it changes nothing.
fn change(folder: &Path, dice: &mut Dice) {
    let mut place = || -> PathBuf {
        let depth = dice.roll(3);
        let mut path = folder.to_owned();
        (0..depth).for_each(|_| path.push(format!("d{}", dice.roll(4))));
        path.push(format!("f{}", dice.roll(12)));
        path
    };
    let (path, other) = (place(), place());
    match dice.roll(6) {
        0 | 1 => {
            let _ = fs::create_dir_all(path.parent().unwrap());
            let len = [0, 100, 5_000, 700_000][dice.roll(4) as usize];
            let _ = fs::write(path, noise(dice.0, len));
        }
        2 => drop(fs::OpenOptions::new().append(true).open(path).and_then(|mut file| {
            use std::io::Write as _;
            file.write_all(b"more")
        })),
        3 => drop(fs::rename(path, other)),
        4 => drop(fs::rename(path.parent().unwrap(), other.with_extension("d"))),
        _ => drop(fs::remove_file(path)),
    }
}

async fn storm(seed: u64) {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("start", b"here")]);
    agent.add(folder.path()).await;
    let _running = agent.start().await;
    let mut dice = Dice(seed);
    for step in 0..400 {
        change(folder.path(), &mut dice);
        if step % 40 == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(dice.roll(600))).await;
        }
    }
    wait_until_equal(&world.vault().await, folder.path(), &agent).await;
}

#[tokio::test]
async fn a_storm_of_changes_ends_equal_seed_1() {
    storm(1).await;
}

#[tokio::test]
async fn a_storm_of_changes_ends_equal_seed_2() {
    storm(2).await;
}

#[tokio::test]
async fn a_storm_of_changes_ends_equal_seed_3() {
    storm(3).await;
}

#[tokio::test]
async fn an_agent_that_is_killed_again_and_again_ends_equal_and_never_shows_half_a_change() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("start", b"here")]);
    agent.add(folder.path()).await;
    let mut dice = Dice(7);
    for _ in 0..15 {
        let running = agent.start().await;
        (0..20).for_each(|_| change(folder.path(), &mut dice));
        tokio::time::sleep(std::time::Duration::from_millis(dice.roll(2500))).await;
        // SIGKILL.
        drop(running);
    }
    let _running = agent.start().await;
    wait_until_equal(&world.vault().await, folder.path(), &agent).await;
}

#[tokio::test]
async fn nodes_and_coordinator_go_and_come_back_and_nothing_is_lost() {
    let mut world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("start", b"here")]);
    agent.add(folder.path()).await;
    let _running = agent.start().await;
    let vault = world.vault().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
    world.cluster.kill_coordinator();
    folder.write("while/away", &noise(1, 1 << 20));
    testkit::wait_until("the agent is offline", async || agent.json(&["status"]).await["online"] == false)
        .await;
    world.cluster.start_coordinator().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
}
