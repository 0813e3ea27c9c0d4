//! What is backed up, when, and what the commands say about it.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;
use testkit::wait_until;

use crate::support::{Agent, Folder, World, in_vault, noise, on_disk, wait_until_equal};

#[tokio::test]
async fn a_backup_holds_every_kind_of_entry_as_it_was_and_an_unchanged_folder_makes_no_other() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("a", b"1"), ("d/e/big", &noise(1, 3 << 20)), ("d/empty", b"")]);
    fs::create_dir(folder.join("nothing-in-it")).unwrap();
    symlink("../nowhere", folder.join("d/link")).unwrap();
    fs::hard_link(folder.join("a"), folder.join("again")).unwrap();
    agent.add(folder.path()).await;
    let first = agent.json(&["backup"]).await;
    assert_eq!((&first["message_type"], &first["files_new"]), (&Value::from("summary"), &Value::from(4)));
    let vault = world.vault().await;
    assert_eq!(in_vault(&vault).await, on_disk(folder.path()));
    // What was written just before the scan is read once more, and found to be the same.
    let second = agent.json(&["backup"]).await;
    assert_eq!((&second["snapshot_id"], &second["files_unmodified"]), (&Value::Null, &Value::from(4)));
    vault.refresh().await.unwrap();
    assert_eq!(vault.snapshots(vault.sources()[0].source).len(), 1);
}

#[tokio::test]
async fn a_change_is_backed_up_by_itself_once_the_folder_is_quiet() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("a", b"1")]);
    agent.add(folder.path()).await;
    let _running = agent.start().await;
    let vault = world.vault().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
    folder.write("new/deep/file", b"2");
    fs::write(folder.join("a"), b"11").unwrap();
    wait_until_equal(&vault, folder.path(), &agent).await;
    fs::rename(folder.join("new"), folder.join("renamed")).unwrap();
    wait_until_equal(&vault, folder.path(), &agent).await;
    fs::remove_dir_all(folder.join("renamed")).unwrap();
    wait_until_equal(&vault, folder.path(), &agent).await;
    assert_eq!(agent.folder().await["polling"], Value::Null);
}

/// More than one snapshot takes in: all parts but the last are partial, and each goes on where the one before ended.
#[tokio::test]
async fn a_first_backup_of_very_many_files_is_made_in_parts_that_add_up() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[]);
    for number in 0..20_500 {
        folder.write(&format!("{}/{number}", number % 150), b"");
    }
    agent.add(folder.path()).await;
    let report = agent.json(&["backup"]).await;
    let counts = ["files_new", "files_unmodified", "total_files_processed"].map(|count| &report[count]);
    assert_eq!(counts, [20_500, 0, 20_500].map(Value::from).each_ref());
    let vault = world.vault().await;
    let snapshots = vault.snapshots(vault.sources()[0].source);
    assert_eq!(snapshots.iter().map(|snapshot| snapshot.partial).collect::<Vec<_>>(), [true, false]);
    assert_eq!(snapshots[1].files, 20_500);
}

#[tokio::test]
async fn polling_finds_what_no_event_tells() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    agent.configure("watch = \"poll\"\npoll_seconds = 1");
    let folder = Folder::new(&[("a", b"1")]);
    agent.add(folder.path()).await;
    let _running = agent.start().await;
    let vault = world.vault().await;
    wait_until_equal(&vault, folder.path(), &agent).await;
    folder.write("b/c", b"2");
    wait_until_equal(&vault, folder.path(), &agent).await;
    assert!(agent.folder().await["polling"].is_string());
}

#[tokio::test]
async fn what_moves_is_not_sent_again() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("from/large", &noise(2, 5 << 20))]);
    agent.add(folder.path()).await;
    agent.json(&["backup"]).await;
    fs::create_dir(folder.join("to")).unwrap();
    fs::rename(folder.join("from/large"), folder.join("to/other-name")).unwrap();
    let moved = agent.json(&["backup"]).await;
    assert!(moved["data_added"].as_u64().unwrap() < 100_000, "only folders: {moved}");
    assert_eq!(in_vault(&world.vault().await).await, on_disk(folder.path()));
}

#[tokio::test]
async fn what_cannot_be_kept_is_told_and_ends_with_3() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("a", b"1")]);
    let mut deep = folder.path().to_owned();
    (0..256).for_each(|_| deep.push("d"));
    fs::create_dir_all(&deep).unwrap();
    agent.add(folder.path()).await;
    let output = agent.run(&["backup", "--json"]).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{errors}");
    let error: Value = serde_json::from_str(errors.lines().last().unwrap()).unwrap();
    assert_eq!(error["message_type"], "error");
    assert!(error["item"].as_str().unwrap().ends_with("d/d/d"), "{error}");
}

/// 120 of its 121 files lie in `many`: so much at once is a mass deletion.
fn folder_of_many() -> Folder {
    let folder = Folder::new(&[("stays", b"1")]);
    for number in 0..120 {
        folder.write(&format!("many/{number}"), b"x");
    }
    folder
}

/// An agent, and a folder of many that it backed up, of which one file is left.
async fn backed_up_and_mostly_gone(world: &World) -> (Agent, Folder) {
    let agent = world.admit().await;
    let folder = folder_of_many();
    agent.add(folder.path()).await;
    agent.json(&["backup"]).await;
    fs::remove_dir_all(folder.join("many")).unwrap();
    (agent, folder)
}

#[tokio::test]
async fn a_mass_deletion_waits_for_a_person_and_goes_on_when_confirmed() {
    let world = World::start(2).await;
    let (agent, folder) = backed_up_and_mostly_gone(&world).await;
    let output = agent.run(&["backup"]).await;
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("120 of 121 files are gone"), "{errors}");
    assert_eq!(agent.folder().await["activity"]["activity"], "held");
    agent.json(&["folders", "confirm", folder.path().to_str().unwrap()]).await;
    agent.json(&["backup"]).await;
    assert_eq!(in_vault(&world.vault().await).await, on_disk(folder.path()));
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_not_backed_up_as_empty() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let place = Folder::new(&[("disk/a", b"1")]);
    agent.add(&place.join("disk")).await;
    agent.json(&["backup"]).await;
    fs::rename(place.join("disk"), place.join("unplugged")).unwrap();
    assert_eq!(agent.run(&["backup"]).await.status.code(), Some(1));
    fs::create_dir(place.join("disk")).unwrap();
    let output = agent.run(&["backup"]).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("is its disk mounted?"), "an empty place to mount: {errors}");
    fs::remove_dir(place.join("disk")).unwrap();
    fs::rename(place.join("unplugged"), place.join("disk")).unwrap();
    agent.json(&["backup"]).await;
    assert_eq!(agent.folder().await["hold"], Value::Null, "back again, and nothing is asked");
}

#[tokio::test]
async fn a_folder_that_fails_keeps_no_other_from_being_backed_up() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folders = Folder::new(&[("a/file", b"1"), ("b/file", b"2")]);
    agent.add(&folders.join("a")).await;
    agent.add(&folders.join("b")).await;
    agent.json(&["backup"]).await;
    for name in ["a", "b"] {
        fs::rename(folders.join(name), folders.join("elsewhere")).unwrap();
        let other = if name == "a" { "b" } else { "a" };
        folders.write(&format!("{other}/new"), name.as_bytes());
        let output = agent.run(&["backup", "--json"]).await;
        assert_eq!(output.status.code(), Some(1));
        let printed = String::from_utf8(output.stdout).unwrap();
        let done: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
        assert!(done["snapshot_id"].is_string(), "{other}: {printed}");
        fs::rename(folders.join("elsewhere"), folders.join(name)).unwrap();
    }
}

#[tokio::test]
async fn a_renamed_folder_is_no_mass_deletion_and_neither_is_a_new_exclude() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = folder_of_many();
    agent.add(folder.path()).await;
    agent.json(&["backup"]).await;
    fs::rename(folder.join("many"), folder.join("other")).unwrap();
    let renamed = agent.json(&["backup"]).await;
    assert_eq!(renamed["files_new"], 120);
    let vault = world.vault().await;
    let settings = vault.settings().sources.remove(0);
    vault.put_source(client::Source { exclude: vec![b"/other".to_vec()], ..settings }).await.unwrap();
    assert!(agent.json(&["backup"]).await["snapshot_id"].is_string());
    vault.refresh().await.unwrap();
    assert_eq!(vault.sources()[0].newest.clone().unwrap().files, 1);
}

#[tokio::test]
async fn a_lost_index_is_made_again_and_what_was_deleted_meanwhile_is_found() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let folder = Folder::new(&[("a", b"1"), ("d/b", &noise(3, 2 << 20)), ("gone", b"3")]);
    agent.add(folder.path()).await;
    agent.json(&["backup"]).await;
    fs::remove_file(agent.state.path().join("index.redb")).unwrap();
    fs::remove_file(folder.join("gone")).unwrap();
    let again = agent.json(&["backup"]).await;
    assert!(again["data_added"].as_u64().unwrap() < 100_000, "chunks are not sent twice: {again}");
    assert_eq!(in_vault(&world.vault().await).await, on_disk(folder.path()));
}

#[tokio::test]
async fn folders_are_added_paused_and_removed_while_the_agent_runs() {
    let world = World::start(2).await;
    let agent = world.admit().await;
    let _running = agent.start().await;
    let folder = Folder::new(&[("a", b"1"), ("b.tmp", b"2")]);
    let path = folder.path().to_str().unwrap();
    agent.json(&["folders", "add", path, "--exclude", "*.tmp"]).await;
    let vault = world.vault().await;
    wait_until("the new folder is backed up", async || {
        vault.refresh().await.unwrap();
        vault
            .sources()
            .first()
            .and_then(|source| source.newest.clone())
            .is_some_and(|newest| newest.files == 1)
    })
    .await;
    let dry_run = agent.json(&["folders", "dry-run", path]).await;
    assert_eq!(dry_run["excluded"]["*.tmp"]["files"], 1);
    agent.json(&["folders", "pause", path]).await;
    wait_until("it is paused", async || agent.folder().await["activity"]["activity"] == "paused").await;
    agent.json(&["folders", "resume", path]).await;
    agent.json(&["folders", "remove", path]).await;
    wait_until("it is gone", async || agent.folder().await == Value::Null).await;
    vault.refresh().await.unwrap();
    assert_eq!(vault.settings().sources, []);
}

#[tokio::test]
async fn the_web_app_answers_only_what_is_still_asked() {
    use client::message::{ToDevice, Vanished};

    let world = World::start(2).await;
    let (agent, folder) = backed_up_and_mostly_gone(&world).await;
    let _running = agent.start().await;
    wait_until("it asks", async || agent.folder().await["activity"]["activity"] == "held").await;
    let device = world.owner.devices(&[]).await.unwrap()[0].device;
    let vault = world.vault().await;
    let source = vault.sources()[0].source;
    let confirm = async |removed| {
        let vanished = Vanished::Files { removed, files: 121 };
        world
            .owner
            .send_to_device(vault.id(), device, &ToDevice::Confirm { source, vanished })
            .await
            .unwrap();
    };
    confirm(60).await;
    wait_until("another question is not answered", async || agent.log().contains("not asked any more")).await;
    assert_eq!(agent.folder().await["activity"]["activity"], "held");
    confirm(120).await;
    wait_until_equal(&vault, folder.path(), &agent).await;
}

#[tokio::test]
async fn the_web_app_adds_a_folder_and_is_told_how_it_is() {
    use client::message::{FolderState, FromDevice, ToDevice};
    use futures_util::StreamExt as _;
    use std::os::unix::ffi::OsStrExt as _;

    let world = World::start(2).await;
    let agent = world.admit().await;
    let _running = agent.start().await;
    let folder = Folder::new(&[("a", b"1")]);
    let vault = world.vault().await;
    let device = world.owner.devices(&[]).await.unwrap()[0].device;
    let source = protocol::id::SourceId::from_bytes([5; 16]).unwrap();
    let settings = client::Source {
        path: folder.path().as_os_str().as_bytes().to_vec(),
        ..client::Source::new(source, "papers".to_owned(), Some(device))
    };
    let mut events = world.owner.events();
    vault.put_source(settings).await.unwrap();
    wait_until_equal(&vault, folder.path(), &agent).await;
    let status = agent.json(&["status"]).await;
    let vault_id = world.owner.open_vaults().await.unwrap().pop().unwrap().id();
    world.owner.send_to_device(vault_id, device, &ToDevice::Report).await.unwrap();
    let told = loop {
        let Some(Ok(protocol::events::Event::Message { message })) = events.next().await else { continue };
        if let Ok(FromDevice::Status(status)) = world.owner.open_from_device(&message).await {
            break status;
        }
    };
    assert_eq!(told.host, status["host"]);
    assert_eq!((told.folders[0].source, &told.folders[0].state), (source, &FolderState::Idle));
}
