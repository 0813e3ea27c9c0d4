//! What was backed up comes back: as it was, into what is there already, after a kill, and nowhere else.

mod delete;
mod killed;

use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{XattrFlags, fsetxattr};
use serde_json::Value;
use sync_agent::scan::read_xattrs;
use testkit::tempdir;

use crate::support::{Agent, Folder, World, noise, on_disk};

/// Backs a folder up and returns the snapshot's number.
async fn back_up(agent: &Agent) -> String {
    agent.json(&["backup"]).await;
    newest(agent).await
}

async fn newest(agent: &Agent) -> String {
    let snapshots = agent.json(&["snapshots", "--latest", "1"]).await;
    snapshots[0]["id"].as_str().unwrap().to_owned()
}

/// Restores, and returns the summary.
async fn restore(agent: &Agent, snapshot: &str, target: &Path, options: &[&str]) -> Value {
    let target = target.to_str().unwrap();
    agent.json(&[&["restore", snapshot, "--target", target][..], options].concat()).await
}

fn set_time(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, 123_456_789);
    File::open(path).unwrap().set_modified(time).unwrap();
}

fn read(folder: &Folder, path: &str) -> Vec<u8> {
    fs::read(folder.join(path)).unwrap()
}

/// Names in a folder and beneath it that a restore makes on its way.
fn left_over(folder: &Path) -> Vec<String> {
    let names = on_disk(folder).into_keys().map(|path| String::from_utf8_lossy(&path).into_owned());
    names.filter(|name| name.contains(".triplicate-restore-")).collect()
}

#[tokio::test]
async fn a_folder_comes_back_as_it_was_and_a_second_time_nothing_is_written() {
    let world = World::start(3).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("a", b"1"), ("empty", b""), ("d/large", &noise(1, 9 << 20))]);
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9 \x1b[2J"));
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("x"), noise(2, 5000)).unwrap();
    let deep = (0..200).fold(folder.path().to_owned(), |path, level| path.join(format!("level {level:03}")));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("bottom"), b"here").unwrap();
    symlink("../nowhere", folder.join("d/broken")).unwrap();
    symlink("/etc/passwd", folder.join("d/out")).unwrap();
    let sparse = File::create(folder.join("sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    sparse.write_all_at(b"in the middle", 40_000_123).unwrap();
    fsetxattr(&sparse, "user.colour", b"blue\0", XattrFlags::empty()).unwrap();
    for (path, mode) in [("a", 0o400), ("d/large", 0o4751), ("d", 0o2550), ("empty", 0o000)] {
        fs::set_permissions(folder.join(path), Permissions::from_mode(mode)).unwrap();
    }
    for path in ["a", "d/large", "d", "sparse"] {
        set_time(&folder.join(path), 1_000_000_000);
    }
    agent.add(folder.path()).await;
    let snapshot = back_up(&agent).await;

    let target = tempdir().unwrap();
    let target = target.path().join("made/by/restore");
    let summary = restore(&agent, &snapshot, &target, &[]).await;
    assert_eq!((&summary["errors"], &summary["files_skipped"]), (&0.into(), &0.into()), "{summary}");
    let mut expected = on_disk(folder.path());
    expected.get_mut(&b"d/large"[..]).unwrap().0 = 0o751;
    assert!(on_disk(&target) == expected, "the same, but for the set-user-id bit");
    let sparse = File::open(target.join("sparse")).unwrap();
    assert_eq!(read_xattrs(&sparse).unwrap().kept[&b"user.colour"[..]], b"blue\0");
    assert!(sparse.metadata().unwrap().blocks() * 512 < 1 << 20, "zeros are holes");

    let changed_before = fs::metadata(target.join("sparse")).unwrap().ctime_nsec();
    let summary = restore(&agent, &snapshot, &target, &[]).await;
    assert_eq!(summary["files_restored"], 0, "{summary}");
    assert_eq!(summary["errors"], 0, "{summary}");
    assert_eq!(fs::metadata(target.join("sparse")).unwrap().ctime_nsec(), changed_before, "untouched");
    restore(&agent, &snapshot, &target, &["--setuid", "--verify"]).await;
    assert!(on_disk(&target) == on_disk(folder.path()));

    let part = tempdir().unwrap();
    restore(&agent, &format!("{snapshot}:d"), part.path(), &["--exclude", "large"]).await;
    let names: Vec<_> = on_disk(part.path()).into_keys().collect();
    assert_eq!(names, [b"broken".to_vec(), b"out".to_vec()], "what is in a folder, and not the folder");
}

/// A folder with one snapshot, and a target where everything is another.
async fn with_others_in_the_target(world: &World) -> (Agent, Folder, String, Folder) {
    let agent = world.admit().await;
    let folder =
        Folder::new(&[("older", b"from snapshot"), ("newer", b"from snapshot"), ("d/same", b"same")]);
    for path in ["older", "newer", "d/same"] {
        set_time(&folder.join(path), 2_000);
    }
    agent.add(folder.path()).await;
    let snapshot = back_up(&agent).await;
    let target = Folder::new(&[
        ("older", b"there before"),
        ("newer", b"there before"),
        ("d/same", b"same"),
        ("extra", b"x"),
    ]);
    set_time(&target.join("older"), 1_000);
    set_time(&target.join("newer"), 3_000);
    set_time(&target.join("d/same"), 3_000);
    target.write("d/more/x", b"x");
    (agent, folder, snapshot, target)
}

#[tokio::test]
async fn what_is_there_is_replaced_by_the_rules() {
    let world = World::start(2).await;
    let (agent, _folder, snapshot, target) = with_others_in_the_target(&world).await;
    let rule = async |rule| restore(&agent, &snapshot, target.path(), &["--overwrite", rule]).await;
    let before = on_disk(target.path());
    assert_eq!(rule("never").await["files_restored"], 0);
    assert!(on_disk(target.path()) == before);
    let planned = restore(&agent, &snapshot, target.path(), &["--dry-run", "--delete"]).await;
    assert_eq!((&planned["files_restored"], &planned["files_deleted"]), (&2.into(), &3.into()), "{planned}");
    assert!(on_disk(target.path()) == before, "a dry run touches nothing");

    assert_eq!(rule("if-newer").await["files_restored"], 1);
    assert_eq!(
        (&read(&target, "older")[..], &read(&target, "newer")[..]),
        (&b"from snapshot"[..], &b"there before"[..])
    );
    let summary = rule("if-changed").await;
    assert_eq!(summary["files_restored"], 1, "the same content is not written again: {summary}");
    assert_eq!(read(&target, "newer"), b"from snapshot");
    assert_eq!(fs::metadata(target.join("d/same")).unwrap().mtime(), 2_000, "but gets its time");

    // Size and time do not tell.
    fs::write(target.join("newer"), b"FROM SNAPSHOT").unwrap();
    set_time(&target.join("newer"), 2_000);
    assert_eq!(rule("if-changed").await["files_restored"], 0);
    let verified = restore(&agent, &snapshot, target.path(), &["--verify"]).await;
    assert_eq!(verified["files_restored"], 1);
    fs::write(target.join("newer"), b"FROM SNAPSHOT").unwrap();
    set_time(&target.join("newer"), 2_000);
    assert_eq!(rule("always").await["files_restored"], 1);
    assert_eq!(read(&target, "newer"), b"from snapshot");
}

#[tokio::test]
async fn a_folder_that_is_left_keeps_its_mode() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("d/missing", b"1")]);
    agent.add(folder.path()).await;
    let snapshot = back_up(&agent).await;
    let target = Folder::new(&[("d/there", b"2")]);
    fs::set_permissions(target.join("d"), Permissions::from_mode(0o550)).unwrap();
    restore(&agent, &snapshot, target.path(), &["--overwrite", "never"]).await;
    assert_eq!(read(&target, "d/missing"), b"1");
    assert_eq!(fs::metadata(target.join("d")).unwrap().permissions().mode() & 0o7777, 0o550);
}

#[tokio::test]
async fn no_link_leads_out_of_the_target() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    // One is what the snapshot has too: it must not get its time either.
    let outside = Folder::new(&[("precious", b"untouched"), ("d/precious", b"untouched"), ("same", b"same")]);
    let folder = Folder::new(&[("a", b"1")]);
    symlink(outside.path(), folder.join("d")).unwrap();
    agent.add(folder.path()).await;
    let with_link = back_up(&agent).await;
    fs::remove_file(folder.join("d")).unwrap();
    folder.write("d/precious", b"from snapshot");
    folder.write("d/d/new", b"from snapshot");
    folder.write("precious", b"from snapshot");
    folder.write("d/same", b"same");
    let with_folder = back_up(&agent).await;
    let before = on_disk(outside.path());

    // The link came from an older snapshot.
    let target = Folder::new(&[]);
    restore(&agent, &with_link, target.path(), &[]).await;
    assert_eq!(fs::read_link(target.join("d")).unwrap(), outside.path());
    let output = agent
        .run(&["restore", &with_folder, "--target", target.path().to_str().unwrap(), "--overwrite", "never"])
        .await;
    assert_eq!(output.status.code(), Some(3), "the link stays, and nothing can be put beneath it");
    assert!(on_disk(outside.path()) == before);
    restore(&agent, &with_folder, target.path(), &["--delete", "--verify"]).await;
    assert!(on_disk(target.path()) == on_disk(folder.path()));
    assert!(on_disk(outside.path()) == before);

    // Or somebody prepared it.
    for rule in ["always", "if-changed", "if-newer", "never"] {
        let target = Folder::new(&[]);
        symlink(outside.path(), target.join("d")).unwrap();
        symlink(outside.join("precious"), target.join("precious")).unwrap();
        fs::hard_link(outside.join("precious"), target.join("a")).unwrap();
        let at = target.path().to_str().unwrap();
        agent.run(&["restore", &with_folder, "--overwrite", rule, "--target", at, "--delete"]).await;
        assert!(on_disk(outside.path()) == before, "{rule}");
    }
}

#[tokio::test]
async fn a_damaged_copy_is_passed_over_and_check_finds_it() {
    let world = World::start(3).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("a", &noise(1, 3 << 20)), ("b", &noise(2, 200_000)), ("c", b"small")]);
    agent.add(folder.path()).await;
    let snapshot = back_up(&agent).await;
    let sound = agent.json(&["check", "--read-data"]).await;
    assert_eq!((&sound["damaged"], &sound["damaged_copies"]), (&false.into(), &0.into()), "{sound}");
    assert_eq!(sound["read_blobs"], sound["blobs"]);

    damage(&world.cluster.node_folder(0));
    let target = tempdir().unwrap();
    let summary = restore(&agent, &snapshot, target.path(), &["--verify"]).await;
    assert_eq!(summary["errors"], 0, "{summary}");
    assert!(on_disk(target.path()) == on_disk(folder.path()));
    let output = agent.run(&["check", "--read-data", "--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout).unwrap();
    let found: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert!(found["damaged_copies"].as_u64().unwrap() > 0, "{found}");
    assert_eq!((&found["missing"], &found["unreadable"]), (&0.into(), &0.into()), "{found}");
    let structure = agent.run(&["check"]).await;
    assert_eq!(structure.status.code(), Some(0), "copies are looked up, and not read");
}

#[tokio::test]
async fn what_is_lost_costs_its_file_alone_and_ends_with_3() {
    let world = World::start(3).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("a", &noise(1, 3 << 20)), ("c", b"small")]);
    agent.add(folder.path()).await;
    let snapshot = back_up(&agent).await;
    for node in 0..3 {
        damage(&world.cluster.node_folder(node));
    }
    let target = tempdir().unwrap();
    let output =
        agent.run(&["restore", &snapshot, "--target", target.path().to_str().unwrap(), "--json"]).await;
    assert_eq!(output.status.code(), Some(3));
    let errors = String::from_utf8(output.stderr).unwrap();
    let error: Value = errors.lines().rev().find_map(|line| serde_json::from_str(line).ok()).unwrap();
    assert_eq!((&error["message_type"], &error["during"]), (&"error".into(), &"restore".into()));
    assert_eq!(fs::read(target.path().join("c")).unwrap(), b"small");
    assert!(!target.path().join("a").exists(), "nobody sees half a file");
    assert_eq!(left_over(target.path()), [""; 0]);
}

/// Flips bytes in the first 3 MiB of a node's packs, where the chunks of the large file are and no folder is.
fn damage(node: &Path) {
    for pack in fs::read_dir(node.join("packs")).unwrap() {
        let file = File::options().write(true).open(pack.unwrap().path()).unwrap();
        for at in (400_000..2_600_000).step_by(200_000) {
            file.write_all_at(&[0x55, 0xaa], at).unwrap();
        }
    }
}
