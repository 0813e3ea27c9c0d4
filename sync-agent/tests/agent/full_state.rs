//! The agent's own disk is full: it says so and ends, nothing is lost, and it goes on when there is room.

use std::fs;

use testkit::disk::{Disk, fill, may_mount};
use testkit::wait_until;

use crate::support::{Folder, Weather, World, wait_until_equal};

#[tokio::test]
async fn a_full_disk_of_the_state_is_told_of_and_the_agent_goes_on_when_there_is_room() {
    if !may_mount() {
        return;
    }
    let disk = Disk::tmpfs(24 << 20);
    let world = World::start(2).await;
    let agent = world.admit_with(disk.folder.clone()).await;
    let folder = Folder::new(&[("start", b"here")]);
    agent.add(folder.path()).await;
    let running = agent.start().await;
    let vault = world.vault().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
    let filler = fill(disk.path(), 0);
    let mut weather = Weather::new(3, &[folder.path()]);
    weather.fill(3_000);
    wait_until("the agent ends", async || running.exited().is_some()).await;
    assert_eq!(running.exited().unwrap().code(), Some(1), "{}", agent.log());
    assert!(agent.log().contains("No space left on device"), "{}", agent.log());
    let output = agent.run(&["backup"]).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("No space left on device"), "{errors}");
    fs::remove_file(filler).unwrap();
    let _running = agent.start().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
}
