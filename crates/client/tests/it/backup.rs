//! What goes up comes back: files of every interesting size, folders, deletion and its undo.

use std::io::{Cursor, Read as _};
use std::rc::Rc;

use client::{EntryKind, NewFile, Phase, Progress};
use futures_util::stream::TryStreamExt as _;
use protocol::sources::CopiesCount;
use testkit::cluster::Cluster;

use crate::native::{Device, Unreadable, assert_restores, back_up, file, noise, path, restore};

/// Sizes around every boundary of the format, and a file of many chunks.
fn interesting_files() -> Vec<(&'static str, Vec<u8>)> {
    let text = "a line of text that compresses well\n".repeat(40_000).into_bytes();
    vec![
        ("empty", Vec::new()),
        ("one byte", vec![7]),
        ("inline/at most", noise(1, 1024)),
        ("inline/just over", noise(2, 1025)),
        ("inline/a/deep/folder/file.txt", b"deep".to_vec()),
        ("padded to 4 KiB", noise(3, 4086)),
        ("one chunk", noise(4, 512 << 10)),
        ("two chunks at least", noise(5, (4 << 20) + 1)),
        ("zeros", vec![0; 9 << 20]),
        ("text.txt", text),
        ("many chunks", noise(6, 24 << 20)),
        ("ünïcødé 名前", noise(7, 5000)),
        ("same as one chunk", noise(4, 512 << 10)),
    ]
}

#[tokio::test]
async fn files_go_up_to_three_nodes_and_come_back_on_another_device() {
    let cluster = Cluster::start(4).await;
    let account = Device::default().sign_up(&cluster).await;
    let vault = account.open_vault().await.expect("opens");
    let files = interesting_files();
    let progress = Rc::new(Progress::default());
    let new_files = files.iter().map(|(name, content)| file(name, content)).collect();
    let summary = vault.backup(new_files, &progress).await.expect("backs up");
    let bytes: u64 = files.iter().map(|(_, content)| content.len() as u64).sum();
    assert_eq!((summary.files, summary.bytes, summary.unreadable.len()), (files.len() as u64, bytes, 0));
    let done = progress.get();
    assert_eq!((done.phase, done.bytes_read, done.files_done), (Phase::Done, bytes, files.len() as u64));
    assert_eq!(done.bytes_sent, summary.new_bytes_sent);

    let status = vault.status().await.expect("status");
    let uploads = &status.sources[0];
    assert_eq!(
        uploads.copies,
        [CopiesCount { copies: 3, blobs: uploads.blobs }],
        "everything has three copies"
    );
    assert!(uploads.stored_bytes < bytes / 4 * 3, "zeros, text and a double take little room");
    assert!(status.single_machine);

    account.sign_out().await.expect("signs out");
    let vault = Device::default().open(&cluster).await;
    assert_restores(&vault, &files).await;
    let source = vault.uploads().expect("uploads");
    let totals = vault.totals(source).await.expect("totals");
    assert_eq!((totals.sum().files, totals.sum().bytes), (files.len() as u64, bytes));
}

#[tokio::test]
async fn unchanged_files_are_not_sent_again() {
    let cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let mut files = vec![("a", noise(1, 6 << 20)), ("b", noise(2, 300_000))];
    let first = back_up(&vault, &files).await.expect("backs up");
    assert!(first.new_bytes_sent > 6 << 20);
    let again = back_up(&vault, &files).await.expect("backs up again");
    assert_eq!(again.new_bytes_sent, 0);

    // A byte in the middle changes one or two chunks and the folder.
    files[0].1[3 << 20] ^= 1;
    let changed = back_up(&vault, &files).await.expect("backs up the change");
    assert!((1..5 << 20).contains(&changed.new_bytes_sent), "{}", changed.new_bytes_sent);
    assert_restores(&vault, &files).await;
}

#[tokio::test]
async fn folders_list_what_is_in_them() {
    let cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let source = vault.uploads().expect("uploads");
    assert_eq!(vault.list(source, &path("")).await.expect("an empty vault"), []);
    back_up(
        &vault,
        &[("photos/a.jpg", noise(1, 2000)), ("photos/2024/b.jpg", noise(2, 3000)), ("c.txt", vec![1])],
    )
    .await
    .expect("backs up");
    let lines = async |folder: &str| -> Vec<(String, EntryKind, u64, u64)> {
        let listed = vault.list(source, &path(folder)).await.expect("lists");
        listed.into_iter().map(|entry| (entry.name, entry.kind, entry.size, entry.files)).collect()
    };
    let (file, folder) = (EntryKind::File, EntryKind::Directory);
    assert_eq!(lines("").await, [("c.txt".into(), file, 1, 1), ("photos".into(), folder, 5000, 2)]);
    assert_eq!(lines("photos").await, [("2024".into(), folder, 3000, 1), ("a.jpg".into(), file, 2000, 1)]);
    for missing in ["nothing", "photos/nothing", "c.txt/beneath"] {
        let error = vault.list(source, &path(missing)).await.expect_err(missing);
        assert_eq!(error.to_string(), format!("/{missing} does not exist"));
    }
}

#[tokio::test]
async fn a_deleted_folder_is_gone_and_its_undo_brings_it_back() {
    let cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let source = vault.uploads().expect("uploads");
    let files = [("keep.txt", noise(1, 3000)), ("folder/a", noise(2, 100_000)), ("folder/b", vec![2; 10])];
    back_up(&vault, &files).await.expect("backs up");

    let removed = vault.remove(source, &[path("folder")]).await.expect("deletes");
    assert_eq!(vault.list(source, &path("")).await.expect("lists").len(), 1);
    assert!(restore(&vault, source, "folder/a").await.is_err());
    assert!(vault.remove(source, &[path("folder")]).await.is_err(), "it is not there any more");

    vault.undo_remove(removed).await.expect("undoes");
    assert_restores(&vault, &files).await;
}

#[tokio::test]
async fn a_folder_comes_back_as_one_archive() {
    let cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let source = vault.uploads().expect("uploads");
    let mut files: Vec<(String, Vec<u8>)> =
        (0..600).map(|n| (format!("tree/{}/{n}.bin", n % 7), noise(n, 900 + 10 * n as usize))).collect();
    files.push(("tree/big.bin".into(), noise(1000, 11 << 20)));
    let new_files = files.iter().map(|(name, content)| file(name, content)).collect();
    vault.backup(new_files, &Rc::default()).await.expect("backs up");

    let download = vault.open_zip(source, &[path("tree")]).await.expect("opens");
    assert_eq!(download.name, "tree.zip");
    let bytes = download.stream.try_collect::<Vec<_>>().await.expect("restores").concat();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("a whole archive");
    for (name, content) in &files {
        let mut restored = Vec::new();
        archive.by_name(name).expect(name).read_to_end(&mut restored).expect(name);
        assert!(restored == *content, "{name} came back different");
    }
    assert_eq!(archive.len(), files.len() + 8, "and its eight folders");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_and_stops_nothing() {
    let cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let broken = NewFile { path: path("broken"), mtime_ms: 0, size: 8 << 20, reader: Box::new(Unreadable) };
    let good = ("good", noise(1, 10_000));
    let files = vec![broken, file(good.0, &good.1)];
    let summary = vault.backup(files, &Rc::default()).await.expect("backs up the rest");
    assert_eq!(summary.unreadable[0].reason, "the disk is gone");
    assert_restores(&vault, &[good]).await;
}

#[tokio::test]
async fn two_devices_that_back_up_at_once_both_get_through() {
    let cluster = Cluster::start(3).await;
    let first = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let second = Device::default().open(&cluster).await;
    let (mine, yours) = ([("mine", noise(1, 2 << 20))], [("yours", noise(2, 2 << 20))]);
    let (a, b) = tokio::join!(back_up(&first, &mine), back_up(&second, &yours));
    let (a, b) = (a.expect("first"), b.expect("second"));
    assert_ne!(a.seq, b.seq);
    let vault = Device::default().open(&cluster).await;
    assert_restores(&vault, &mine).await;
    assert_restores(&vault, &yours).await;
}

#[tokio::test]
async fn operations_on_one_vault_at_once_lose_nothing() {
    let cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let source = vault.uploads().expect("uploads");
    let (first, second) = ([("first", noise(1, 3 << 20))], [("second", noise(2, 30_000))]);
    // The first backup of all takes longer than the second, which commits while it is under way.
    let (a, b) = tokio::join!(back_up(&vault, &first), back_up(&vault, &second));
    a.and(b).expect("both get through");
    assert_restores(&vault, &first).await;
    assert_restores(&vault, &second).await;

    // Backed up again while it is deleted: one of the two comes last, and the log stays whole.
    let gone = [path("second")];
    let (again, removed) = tokio::join!(back_up(&vault, &first), vault.remove(source, &gone));
    again.expect("backs up");
    removed.expect("deletes");
    let gone = [path("first")];
    let third = [("third", noise(3, 5 << 20))];
    let (removed, more) = tokio::join!(vault.remove(source, &gone), back_up(&vault, &third));
    removed.expect("deletes");
    more.expect("backs up");
    let vault = Device::default().open(&cluster).await;
    let names: Vec<_> =
        vault.list(source, &path("")).await.expect("lists").into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["third"]);
    assert_restores(&vault, &third).await;
}

#[tokio::test]
async fn a_file_never_takes_the_place_of_a_folder_nor_a_folder_of_a_file() {
    let cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let files = [("photos/a.jpg", noise(1, 2000)), ("notes", vec![1])];
    back_up(&vault, &files).await.expect("backs up");
    for (name, taken_by) in [
        ("photos", "/photos is a folder in the backup"),
        ("notes/today", "/notes is a file in the backup"),
        ("photos/a.jpg/x/y", "/photos/a.jpg is a file in the backup"),
    ] {
        let error = back_up(&vault, &[("new", vec![2]), (name, vec![3])]).await.expect_err(name);
        assert!(error.to_string().starts_with(taken_by), "{error}");
    }
    let error = back_up(&vault, &[("x", vec![2]), ("x/y", vec![3])]).await.expect_err("both at once");
    assert!(error.to_string().starts_with("/x is a file that is being backed up with it"), "{error}");
    assert_eq!(vault.list(vault.uploads().expect("uploads"), &path("")).await.expect("lists").len(), 2);
    assert_restores(&vault, &files).await;
    back_up(&vault, &[("photos/a.jpg", noise(2, 2000))]).await.expect("a file takes the place of a file");
}
