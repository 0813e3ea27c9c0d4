//! What the system does not tell: events that were lost, folders that it watches no more, and a disk that is gone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;
use testkit::disk::{Disk, may_mount};
use testkit::{Signal, TempDir, tempdir, wait_until};

use crate::support::{Agent, Folder, World, in_vault, on_disk, wait_until_equal};

/// Every other one is of another file: the system drops only repetitions.
fn make_events(folder: &Folder, count: u64) {
    for event in 0..count {
        let file = if event % 2 == 0 { "a" } else { "b" };
        fs::set_permissions(folder.join(file), Permissions::from_mode(0o644)).unwrap();
    }
}

#[tokio::test]
async fn more_events_than_the_system_keeps_are_told_of_and_nothing_is_missed() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("a", b"1"), ("b", b"2")]);
    agent.add(folder.path()).await;
    let running = agent.start().await;
    let vault = world.vault().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
    let kept = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    running.signal(Signal::STOP);
    // It takes the first of them as long as it has not stopped yet.
    make_events(&folder, kept.trim().parse::<u64>().unwrap() * 2);
    folder.write("not/told/of", b"3");
    running.signal(Signal::CONT);
    wait_until_equal(&vault, folder.path(), &agent).await;
    assert!(agent.folder().await["overflows"].as_u64().unwrap() > 0, "{}", agent.log());
    assert!(agent.log().contains("events were lost"), "{}", agent.log());
    // It listens again, to what is new as well.
    folder.write("not/told/of", b"4");
    wait_until_equal(&vault, folder.path(), &agent).await;
}

/// The system tells of the name that a file was changed by.
#[tokio::test]
async fn a_file_that_is_changed_by_one_of_its_names_is_backed_up_by_all() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("here/a", b"1"), ("there/other", b"2")]);
    fs::hard_link(folder.join("here/a"), folder.join("there/b")).unwrap();
    agent.add(folder.path()).await;
    let _running = agent.start().await;
    let vault = world.vault().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
    fs::write(folder.join("here/a"), b"changed").unwrap();
    wait_until_equal(&vault, folder.path(), &agent).await;
    // One that is not backed up yet.
    fs::hard_link(folder.join("there/b"), folder.join("there/c")).unwrap();
    fs::write(folder.join("there/c"), b"changed again").unwrap();
    wait_until_equal(&vault, folder.path(), &agent).await;
}

/// The agent where the system watches only so many folders, or nothing if user namespaces are forbidden here.
fn with_watches(agent: &Agent, watches: u64) -> Option<Command> {
    let may = Command::new("unshare").args(["--user", "--map-root-user", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a namespace with limits of its own cannot be made");
        return None;
    }
    let run = agent.command(&["run"]);
    let mut command = Command::new("unshare");
    let limit = format!("echo {watches} > /proc/sys/user/max_inotify_watches && exec \"$@\"");
    command.args(["--user", "--map-root-user", "sh", "-c", &limit, "sh"]);
    command.arg(run.get_program()).args(run.get_args());
    Some(command)
}

async fn wait_until_polling(agent: &Agent) {
    wait_until("it polls", async || agent.folder().await["polling"].is_string()).await;
    let why = agent.folder().await["polling"].as_str().unwrap().to_owned();
    assert!(why.contains("max_user_watches"), "it says what to raise: {why}");
    assert!(agent.log().contains("not watched, scanned from time to time"), "{}", agent.log());
}

#[tokio::test]
async fn a_folder_of_more_folders_than_the_system_watches_is_polled_and_the_status_says_so() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    agent.configure("quiet_seconds = 1\npoll_seconds = 1");
    let Some(command) = with_watches(&agent, 4) else { return };
    let folder = Folder::new(&[("1/a", b"1"), ("2/a", b"2")]);
    agent.add(folder.path()).await;
    let _running = agent.start_as(&command).await;
    let vault = world.vault().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
    assert_eq!(agent.folder().await["polling"], Value::Null, "three are few enough");
    for number in 3..9 {
        folder.write(&format!("{number}/a"), b"new");
    }
    wait_until_equal(&vault, folder.path(), &agent).await;
    wait_until_polling(&agent).await;
    folder.write("8/unheard", b"x");
    wait_until_equal(&vault, folder.path(), &agent).await;
}

#[tokio::test]
async fn an_agent_that_starts_beyond_the_limit_of_watches_polls_from_the_first_moment() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    agent.configure("quiet_seconds = 1\npoll_seconds = 1");
    let Some(command) = with_watches(&agent, 2) else { return };
    let folder = Folder::new(&[("1/a", b"1"), ("2/a", b"2"), ("3/a", b"3")]);
    agent.add(folder.path()).await;
    let _running = agent.start_as(&command).await;
    wait_until_polling(&agent).await;
    let vault = world.vault().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
    folder.write("3/unheard", b"x");
    wait_until_equal(&vault, folder.path(), &agent).await;
}

/// A disk to back up, and the image that it is in.
fn disk_with_a_file() -> (Disk, TempDir) {
    let image = tempdir().unwrap();
    let disk = Disk::ext4(&image.path().join("image"), 64 << 20, &[]);
    fs::write(disk.path().join("a"), b"1").unwrap();
    (disk, image)
}

#[tokio::test]
async fn a_disk_that_is_unmounted_deletes_nothing_and_goes_on_when_it_is_mounted_again() {
    if !may_mount() {
        return;
    }
    let world = World::start(2).await;
    let agent = world.admit().await;
    agent.configure("quiet_seconds = 1\nfull_scan_seconds = 1");
    let (disk, _image) = disk_with_a_file();
    agent.add(disk.path()).await;
    let _running = agent.start().await;
    let vault = world.vault().await;
    wait_until_equal(&vault, disk.path(), &agent).await;
    let before = on_disk(disk.path());
    wait_until("nobody reads the disk", async || disk.try_unmount()).await;
    wait_until("it waits", async || agent.folder().await["activity"]["activity"] == "held").await;
    assert_eq!(agent.folder().await["hold"]["reason"]["reason"], "missing");
    assert!(in_vault(&vault).await == before, "nothing was deleted");
    disk.mount();
    fs::write(disk.path().join("b"), b"2").unwrap();
    wait_until_equal(&vault, disk.path(), &agent).await;
    wait_until("it waits no more", async || agent.folder().await["hold"].is_null()).await;
}

/// No event tells that a disk was away, and no scan met the empty place.
#[tokio::test]
async fn a_disk_that_was_away_between_two_scans_is_listened_to_again_after_the_next() {
    if !may_mount() {
        return;
    }
    let world = World::start(2).await;
    let agent = world.admit().await;
    let (disk, _image) = disk_with_a_file();
    agent.add(disk.path()).await;
    let _running = agent.start().await;
    let vault = world.vault().await;
    wait_until_equal(&vault, disk.path(), &agent).await;
    wait_until("nobody reads the disk", async || disk.try_unmount()).await;
    disk.mount();
    agent.json(&["backup"]).await;
    fs::write(disk.path().join("after"), b"2").unwrap();
    wait_until_equal(&vault, disk.path(), &agent).await;
}
