//! What `--delete` takes away from the target, and what it spares.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use serde_json::Value;
use testkit::TempDir;

use super::{back_up, newest, restore, with_others_in_the_target};
use crate::support::{Agent, Folder, World, noise, on_disk};

#[tokio::test]
async fn what_is_not_in_the_snapshot_is_deleted_only_if_asked_and_taken_by_the_filter() {
    let world = World::start(2).await;
    let (agent, folder, snapshot, target) = with_others_in_the_target(&world).await;
    // A folder that is not empty stands where a file belongs.
    fs::remove_file(target.join("older")).unwrap();
    target.write("older/inside", b"x");
    let arguments = ["restore", &snapshot, "--target", target.path().to_str().unwrap()];
    let output = agent.run(&arguments).await;
    assert_eq!(output.status.code(), Some(3));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("older: a folder that is not empty is in its place"), "{errors}");
    assert!(target.join("extra").exists() && target.join("d/more/x").exists());

    restore(&agent, &snapshot, target.path(), &["--delete", "--include", "/d"]).await;
    assert!(target.join("extra").exists() && !target.join("d/more").exists());
    restore(&agent, &snapshot, target.path(), &["--delete"]).await;
    assert!(on_disk(target.path()) == on_disk(folder.path()));
}

/// An agent that lives in the folder that it backs up, as in a home folder.
async fn agent_within(world: &World, folder: &Folder) -> Agent {
    let agent = Agent::with(TempDir::new_in(folder.path()).unwrap().into());
    agent.configure(&format!("never = ['{}']", folder.join("never").display()));
    world.enrol(&agent).await;
    agent
}

#[tokio::test]
async fn delete_spares_what_no_snapshot_holds() {
    let world = World::start(2).await;
    let folder = Folder::new(&[("kept", b"1"), ("d/kept", b"2")]);
    let agent = agent_within(&world, &folder).await;
    let spared = ["a.tmp", "d/b.tmp", "left/out/x", "cache/x", "never/x", "node/node.json", "node/packs/x"];
    for path in spared {
        folder.write(path, b"no snapshot has it");
    }
    folder.write("cache/CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55");
    folder.write("larger", &noise(1, 5000));
    let socket = UnixListener::bind(folder.join("socket")).unwrap();
    let path = folder.path().to_str().unwrap();
    let rules = ["--exclude", "*.tmp", "--exclude", "/left/", "--exclude-larger-than", "4K"];
    agent.json(&[&["folders", "add", path][..], &rules].concat()).await;
    let snapshot = back_up(&agent).await;
    for path in ["extra", "d/extra", "more/extra"] {
        folder.write(path, b"x");
    }
    folder.write("mixed/c.tmp", b"x");
    folder.write("mixed/extra", b"x");

    let summary = restore(&agent, &snapshot, folder.path(), &["--delete"]).await;
    assert_eq!((&summary["errors"], &summary["files_deleted"]), (&0.into(), &5.into()), "{summary}");
    for path in ["extra", "d/extra", "more", "mixed/extra"] {
        assert!(!folder.join(path).exists(), "{path} is not in the snapshot");
    }
    for path in [&spared[..], &["larger", "socket", "mixed/c.tmp", "cache/CACHEDIR.TAG"]].concat() {
        assert!(folder.join(path).exists(), "{path}");
    }
    drop(socket);
    assert_eq!(newest(&agent).await, snapshot, "the agent's keys are there");
    // A part of the folder is left out by the same patterns.
    restore(&agent, &format!("{snapshot}:d"), &folder.join("d"), &["--delete"]).await;
    assert!(folder.join("d/b.tmp").exists());
}

#[tokio::test]
async fn delete_spares_what_was_left_out_when_the_snapshot_was_made_and_what_is_left_out_now() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("kept", b"1"), ("a.tmp", b"2")]);
    agent.json(&["folders", "add", folder.path().to_str().unwrap(), "--exclude", "*.tmp"]).await;
    let snapshot = back_up(&agent).await;
    let vault = world.vault().await;
    let settings = vault.settings().sources.remove(0);
    vault.put_source(client::Source { exclude: vec![b"*.log".to_vec()], ..settings }).await.unwrap();
    folder.write("b.log", b"left out by now");
    folder.write("extra", b"x");
    restore(&agent, &snapshot, folder.path(), &["--delete"]).await;
    let there: Vec<bool> = ["a.tmp", "b.log", "extra"].map(|name| folder.join(name).exists()).into();
    assert_eq!(there, [true, true, false]);
}

#[tokio::test]
async fn delete_is_refused_where_a_snapshot_lacks_what_could_not_be_read() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("a", b"1")]);
    // Deeper than a backup has room for.
    let deep = (0..260).fold(folder.path().to_owned(), |path, _| path.join("d"));
    fs::create_dir_all(&deep).unwrap();
    agent.add(folder.path()).await;
    agent.run(&["backup"]).await;
    let snapshot = newest(&agent).await;
    let target = Folder::new(&[("extra", b"x")]);
    let output =
        agent.run(&["restore", &snapshot, "--delete", "--target", target.path().to_str().unwrap()]).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("--delete needs a complete snapshot"), "{errors}");
    assert!(target.join("extra").exists() && !target.join("a").exists(), "nothing was touched");
}

#[tokio::test]
async fn delete_knows_the_system_by_another_name() {
    let agent = Agent::new();
    let folder = Folder::new(&[]);
    symlink("/", folder.join("link")).unwrap();
    for options in [&[][..], &["--exclude", "x"]] {
        let target = folder.join("link");
        let arguments = ["restore", "latest", "--dry-run", "--delete", "--target", target.to_str().unwrap()];
        let output = agent.run(&[&arguments, options].concat()).await;
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("would delete the system"), "{errors}");
    }
}

#[tokio::test]
async fn what_gives_way_to_a_file_is_deleted_by_the_filter_and_told() {
    let world = World::start(2).await;
    let (agent, _folder, snapshot, target) = with_others_in_the_target(&world).await;
    fs::remove_file(target.join("older")).unwrap();
    target.write("older/inside", b"x");
    target.write("older/keep", b"x");
    let at = target.path().to_str().unwrap();
    let arguments = ["restore", &snapshot, "--target", at, "--delete", "--exclude", "keep", "--json"];
    let output = agent.run(&arguments).await;
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{printed}");
    assert!(target.join("older/keep").exists(), "it is excluded");
    let summary: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!(summary["files_deleted"], 4, "older/inside, extra, d/more and what is in it: {summary}");
}
