//! Deleting for good: what goes, what must not go with it, and what cannot go.

use std::collections::BTreeSet;
use std::rc::Rc;

use client::{Account, At, Error, Path, PurgeTarget, SnapshotRef, TreeChange, TreeEdits, Vault};
use futures_util::TryStreamExt as _;
use protocol::error::ErrorCode;
use protocol::id::SourceId;
use testkit::cluster::Cluster;
use testkit::wait_until;

use crate::coordinators::QUICK;
use crate::folder::{at, store_file, target, write};
use crate::native::{Device, PASSPHRASE, assert_restores, back_up, noise, path, restore};
use crate::settings::source;
use crate::trust::tamper;

fn purge_of(source: SourceId, file: &str) -> PurgeTarget {
    PurgeTarget { source, path: Path::parse(&path(file)).expect("a path"), version: None }
}

fn in_snapshot(source: SourceId, seq: u64) -> SnapshotRef {
    SnapshotRef { source, at: At::Seq(seq) }
}

async fn used_bytes(account: &Account) -> u64 {
    account.nodes().await.expect("lists nodes").nodes.iter().map(|node| node.used_bytes).sum()
}

#[tokio::test]
async fn the_bytes_leave_the_nodes_and_everything_else_stays() {
    let cluster = Cluster::start_with(3, &QUICK).await;
    let account = Device::default().sign_up(&cluster).await;
    let vault = account.open_vault().await.expect("opens");
    let uploads = vault.uploads().expect("uploads");
    let (secret, twin) = (noise(1, 8 << 20), noise(2, 1 << 20));
    let files =
        [("a/secret", secret.clone()), ("a/twin", twin.clone()), ("b", noise(3, 2 << 20)), ("c", twin)];
    let first = back_up(&vault, &files).await.expect("backs up").seq;
    vault.remove(uploads, &[path("a")]).await.expect("deletes");
    wait_until("the nodes have told of it", async || used_bytes(&account).await >= 3 * (11 << 20)).await;

    let secret_file = purge_of(uploads, "a/secret");
    let plan = vault.plan_purge(&secret_file).await.expect("plans");
    assert_eq!((plan.files, plan.bytes, plan.bytes_gone), (1, 8 << 20, 8 << 20));
    assert_eq!((plan.embedded, plan.in_uploads, plan.in_folder), (0, false, false));
    assert_eq!(plan.snapshots, BTreeSet::from([first]));
    let folder = vault.plan_purge(&purge_of(uploads, "a")).await.expect("plans");
    assert_eq!((folder.files, folder.bytes, folder.bytes_gone), (2, 9 << 20, 8 << 20), "c needs the other");
    assert_eq!(folder.blobs, plan.blobs);

    vault.purge_planned(&secret_file, &plan).await.expect("deletes for good");
    wait_until("its bytes are gone", async || used_bytes(&account).await < 3 * (4 << 20)).await;
    let vault = Device::default().open(&cluster).await;
    assert_restores(&vault, &files[2..]).await;
    let before = in_snapshot(uploads, first);
    for (name, content) in &files[1..] {
        assert!(restore(&vault, before, name).await.expect("restores") == *content, "{name}");
    }
    let error = restore(&vault, before, "a/secret").await.expect_err("it is gone");
    assert_eq!(error.to_string(), "/a/secret was deleted for good");
    // An archive of all of it has what there is.
    let archive = vault.open_zip(before, &[path("a"), path("b")]).await.expect("opens");
    let archive: Vec<u8> = archive.stream.try_concat().await.expect("downloads");
    let archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).expect("an archive");
    let names: BTreeSet<_> = archive.file_names().map(|name| name.expect("a name").into_owned()).collect();
    assert_eq!(names, ["a/", "a/twin", "b"].map(str::to_owned).into());
    // Once more takes nothing else, and the same bytes may come again.
    assert_eq!(vault.plan_purge(&secret_file).await.expect("plans").blobs, BTreeSet::new());
    back_up(&vault, &files[..1]).await.expect("backs up");
    assert!(restore(&vault, uploads, "a/secret").await.expect("restores") == secret);
}

#[tokio::test]
async fn what_is_in_the_uploads_is_deleted_there_first() {
    let cluster = Cluster::start(1).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let uploads = vault.uploads().expect("uploads");
    let versions = [noise(1, 50_000), noise(2, 60_000)];
    let mut seqs = Vec::new();
    for content in &versions {
        seqs.push(back_up(&vault, &[("a/file", content.clone())]).await.expect("backs up").seq);
    }
    back_up(&vault, &[("tiny", vec![7; 900])]).await.expect("backs up");
    // One version by itself, which is not the newest.
    let old = PurgeTarget { version: Some(seqs[0]), ..purge_of(uploads, "a/file") };
    let plan = vault.plan_purge(&old).await.expect("plans");
    assert_eq!((plan.files, plan.bytes_gone, plan.in_uploads), (1, 50_000, false));
    vault.purge_planned(&old, &plan).await.expect("deletes for good");
    assert!(restore(&vault, uploads, "a/file").await.expect("restores") == versions[1]);
    // All that is left of it.
    let all = purge_of(uploads, "a/file");
    let plan = vault.plan_purge(&all).await.expect("plans");
    assert_eq!((plan.files, plan.bytes_gone, plan.in_uploads), (2, 60_000, true));
    vault.purge_planned(&all, &plan).await.expect("deletes for good");
    assert!(matches!(restore(&vault, uploads, "a/file").await, Err(Error::NotFound(_))));
    for seq in seqs {
        let vault = Device::default().open(&cluster).await;
        let error = restore(&vault, in_snapshot(uploads, seq), "a/file").await.expect_err("it is gone");
        assert!(matches!(error, Error::Purged(_)), "{error}");
    }
    // What is part of its folder goes with the snapshots that have it.
    let tiny = purge_of(uploads, "tiny");
    let plan = vault.plan_purge(&tiny).await.expect("plans");
    assert_eq!((plan.files, plan.embedded, plan.bytes_gone), (1, 1, 0));
    vault.purge_planned(&tiny, &plan).await.expect("deletes it from the newest");
    let plan = vault.plan_purge(&tiny).await.expect("older snapshots have it");
    vault.forget(uploads, &plan.snapshots).await.expect("forgets");
    assert!(matches!(vault.plan_purge(&tiny).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn what_a_devices_folder_still_has_stays() {
    let cluster = Cluster::start(1).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let folder = source(1);
    let (old, new) = (noise(1, 50_000), noise(2, 60_000));
    write(&vault, target(&vault, folder), &[("file", old)]).await.expect("backs up");
    write(&vault, target(&vault, folder), &[("file", new.clone())]).await.expect("backs up");
    let file = purge_of(folder, "file");
    let plan = vault.plan_purge(&file).await.expect("plans");
    assert_eq!((plan.files, plan.bytes_gone, plan.in_folder, plan.in_uploads), (1, 50_000, true, false));
    vault.purge_planned(&file, &plan).await.expect("deletes the older version for good");
    assert!(restore(&vault, folder, "file").await.expect("restores") == new);
    // Once a snapshot lacks it, nothing holds it back.
    let removed =
        TreeEdits { changes: vec![TreeChange::Removed { path: at(&[b"file"]) }], ..TreeEdits::default() };
    vault.write_tree(target(&vault, folder), &Rc::default(), async |_| Ok(removed)).await.expect("backs up");
    let plan = vault.plan_purge(&file).await.expect("plans");
    assert_eq!((plan.bytes_gone, plan.in_folder), (60_000, false));
    vault.purge_planned(&file, &plan).await.expect("deletes it for good");
}

/// Files of more than 1 KiB are a blob each.
const MANY: usize = 10_050;

#[tokio::test]
async fn a_list_too_long_for_one_request_is_sent_ahead() {
    let cluster = Cluster::start(1).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let folder = source(1);
    vault
        .write_tree(target(&vault, folder), &Rc::default(), async |writer| {
            let mut changes = vec![store_file(&writer, "kept", &noise(0, 1100)).await?];
            for number in 1..=MANY {
                let name = format!("many/{number}");
                changes.push(store_file(&writer, &name, &noise(number as u64, 1100)).await?);
            }
            Ok(TreeEdits { changes, ..TreeEdits::default() })
        })
        .await
        .expect("backs up");
    let first = vault.snapshots(folder)[0].seq;
    let removed =
        TreeEdits { changes: vec![TreeChange::Removed { path: at(&[b"many"]) }], ..TreeEdits::default() };
    vault.write_tree(target(&vault, folder), &Rc::default(), async |_| Ok(removed)).await.expect("backs up");
    let many = purge_of(folder, "many");
    let plan = vault.plan_purge(&many).await.expect("plans");
    assert_eq!((plan.blobs.len(), plan.files), (MANY, MANY as u64));
    vault.purge_planned(&many, &plan).await.expect("deletes for good");
    assert_eq!(vault.plan_purge(&many).await.expect("plans").blobs.len(), 0);
    let vault = Device::default().open(&cluster).await;
    let before = in_snapshot(folder, first);
    assert!(restore(&vault, before, "kept").await.expect("restores") == noise(0, 1100));
    let error = restore(&vault, before, &format!("many/{MANY}")).await.expect_err("it is gone");
    assert!(matches!(error, Error::Purged(_)), "{error}");
}

/// A session in which the passphrase was proven long ago.
async fn session_left_open(cluster: &Cluster) -> (Account, Vault) {
    let account = Device::default().sign_up(cluster).await;
    let vault = account.open_vault().await.expect("opens");
    back_up(&vault, &[("file", noise(1, 3000))]).await.expect("backs up");
    back_up(&vault, &[("file", noise(2, 3000))]).await.expect("backs up");
    tamper(cluster, "UPDATE sessions SET proven_at = now() - interval '1 hour'");
    (account, vault)
}

#[tokio::test]
async fn a_session_left_open_must_prove_the_passphrase_first() {
    let cluster = Cluster::start(1).await;
    let (account, vault) = session_left_open(&cluster).await;
    let file = purge_of(vault.uploads().expect("uploads"), "file");
    let plan = vault.plan_purge(&PurgeTarget { version: Some(1), ..file.clone() }).await.expect("plans");
    let refused = vault.purge_planned(&file, &plan).await.expect_err("refuses");
    assert_eq!(refused.code(), Some(ErrorCode::StepUpRequired), "{refused}");
    let wrong = account.step_up("another passphrase").await.expect_err("refuses");
    assert!(matches!(wrong, Error::WrongPassword), "{wrong}");
    let refused = vault.purge_planned(&file, &plan).await.expect_err("refuses");
    assert_eq!(refused.code(), Some(ErrorCode::StepUpRequired), "{refused}");
    account.step_up(PASSPHRASE).await.expect("proves it");
    vault.purge_planned(&file, &plan).await.expect("deletes for good");
}
