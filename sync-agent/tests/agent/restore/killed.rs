//! A restore that is killed goes on where it was.

use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use testkit::{TempDir, tempdir, wait_until};

use super::{back_up, left_over, restore};
use crate::support::{Agent, Folder, World, noise, on_disk};

/// Files in a folder while others come and go.
fn count_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let count = |entry: fs::DirEntry| {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_directory { count_files(&entry.path()) } else { 1 }
    };
    entries.map(count).sum()
}

#[tokio::test]
async fn a_killed_restore_goes_on_where_it_was() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[]);
    for number in 0..300 {
        folder.write(&format!("{}/{number}", number % 7), &noise(number, 40_000));
    }
    folder.write("large", &noise(1000, 30 << 20));
    agent.add(folder.path()).await;
    let snapshot = back_up(&agent).await;
    let target: TempDir = tempdir().unwrap();
    let at = target.path().to_str().unwrap();
    let mut kills = 0;
    for wanted in [20, 150, 280] {
        let mut command = agent.command(&["restore", &snapshot, "--target", at]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("some files are there", async || {
            count_files(target.path()) >= wanted || child.try_wait().unwrap().is_some()
        })
        .await;
        kills += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(kills > 0, "no restore was killed");
    let summary = restore(&agent, &snapshot, target.path(), &[]).await;
    assert!(summary["files_skipped"].as_u64().unwrap() >= 20, "{summary}");
    assert!(on_disk(target.path()) == on_disk(folder.path()));
    assert_eq!(left_over(target.path()), [""; 0]);
}

/// Restores a large file until some of it is there, kills the restore, and returns what it left.
async fn cut(agent: &Agent, snapshot: &str, target: &Path) -> PathBuf {
    let mut command = agent.command(&["restore", snapshot, "--target", target.to_str().unwrap()]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut left = None;
    wait_until("some of the file is written", async || {
        let names = fs::read_dir(target).unwrap().map(|entry| entry.unwrap().path());
        left = names.into_iter().find(|path| fs::metadata(path).is_ok_and(|meta| meta.len() > 8 << 20));
        left.is_some()
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    left.unwrap()
}

#[tokio::test]
async fn what_a_killed_restore_left_of_a_large_file_is_gone_on_with_unless_it_is_wrong() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let content = noise(1, 64 << 20);
    let folder = Folder::new(&[("large", &content)]);
    agent.add(folder.path()).await;
    let snapshot = back_up(&agent).await;

    let target = tempdir().unwrap();
    let left = cut(&agent, &snapshot, target.path()).await;
    assert!(left != target.path().join("large"), "it was killed before its end");
    let inode = fs::metadata(&left).unwrap().ino();
    restore(&agent, &snapshot, target.path(), &[]).await;
    assert!(on_disk(target.path()) == on_disk(folder.path()));
    assert_eq!(fs::metadata(target.path().join("large")).unwrap().ino(), inode, "it went on with the same");

    let target = tempdir().unwrap();
    let left = cut(&agent, &snapshot, target.path()).await;
    let file = fs::OpenOptions::new().write(true).open(&left).unwrap();
    file.write_all_at(&[content[5_000_000] ^ 1], 5_000_000).unwrap();
    let summary = restore(&agent, &snapshot, target.path(), &[]).await;
    assert_eq!((&summary["errors"], &summary["files_restored"]), (&0.into(), &1.into()), "{summary}");
    assert!(on_disk(target.path()) == on_disk(folder.path()));
    assert_eq!(left_over(target.path()), [""; 0]);
}
