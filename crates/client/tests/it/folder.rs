//! Folders as a device backs them up: any name, mode, time and attribute; unchanged files unread; parts of a first
//! backup.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use client::{
    Error, Fingerprint, KnownChunks, Metadata, Path, Progress, ReadAt, Repair, StoredContent, TreeChange,
    TreeEdits, TreeNode, TreeTarget, TreeWriter, Vault, WrittenSnapshot,
};
use protocol::id::{BlobId, IdempotencyKey, SourceId};
use testkit::cluster::Cluster;

use crate::native::{Device, InMemory, Unreadable, noise, path, restore};
use crate::settings::source;

/// A new session, on top of the newest snapshot.
pub(crate) fn target(vault: &Vault, source: SourceId) -> TreeTarget {
    let mut key = [0; 16];
    getrandom::fill(&mut key).expect("the system has randomness");
    let base = vault.snapshots(source).last().map(|newest| newest.seq);
    TreeTarget {
        source,
        base,
        session: IdempotencyKey::from_bytes(key).expect("not zeros"),
        known: None,
        repair: Repair::default(),
        pace: None,
    }
}

pub(crate) fn metadata(mode: u32) -> Metadata {
    let xattrs = [(b"user.tag".to_vec(), vec![0, 0xff])].into();
    Metadata { mode, mtime_ns: 1_700_000_000_123_456_789, xattrs }
}

pub(crate) fn at(names: &[&[u8]]) -> Path {
    Path::parse(names).expect("names")
}

fn text(path: &str) -> Path {
    at(&path.split('/').map(str::as_bytes).collect::<Vec<_>>())
}

pub(crate) fn put(path: Path, content: StoredContent) -> TreeChange {
    TreeChange::File { path, metadata: metadata(0o640), content, changed: false }
}

/// Stores a file that can be read, as a change.
pub(crate) async fn store_file(writer: &TreeWriter, path: &str, bytes: &[u8]) -> Result<TreeChange, Error> {
    let reader = InMemory(Rc::new(bytes.to_vec()));
    let stored = writer.store(&reader, bytes.len() as u64).await?;
    Ok(put(text(path), stored.expect("it can be read")))
}

/// Commits files as a folder's new snapshot.
pub(crate) async fn write(
    vault: &Vault,
    target: TreeTarget,
    files: &[(&str, Vec<u8>)],
) -> Result<WrittenSnapshot, Error> {
    vault
        .write_tree(target, &Rc::default(), async |writer| {
            let mut changes = Vec::new();
            for (name, bytes) in files {
                changes.push(store_file(&writer, name, bytes).await?);
            }
            Ok(TreeEdits { changes, ..TreeEdits::default() })
        })
        .await
}

async fn vault(cluster: &Cluster) -> Vault {
    Device::default().sign_up(cluster).await.open_vault().await.expect("opens")
}

#[tokio::test]
async fn a_folder_keeps_names_modes_times_attributes_links_and_what_is_empty() {
    let cluster = Cluster::start(3).await;
    let vault = vault(&cluster).await;
    let odd: &[u8] = b"caf\xe9\n";
    let content = noise(1, 3000);
    vault
        .write_tree(target(&vault, source(1)), &Rc::default(), async |writer| {
            let file = writer.store(&InMemory(Rc::new(content.clone())), 0).await?.expect("reads");
            let changes = vec![
                TreeChange::Directory { path: at(&[odd]), metadata: metadata(0o1777) },
                TreeChange::Directory { path: text("empty"), metadata: metadata(0o700) },
                TreeChange::File {
                    path: at(&[odd, b"x"]),
                    metadata: metadata(0o4755),
                    content: file,
                    changed: true,
                },
                TreeChange::Symlink { path: text("link"), metadata: metadata(0o777), target: odd.to_vec() },
            ];
            Ok(TreeEdits { changes, unreadable_files: 3, partial: false })
        })
        .await
        .expect("backs up");

    let vault = Device::default().open(&cluster).await;
    let info = vault.snapshots(source(1)).remove(0);
    assert_eq!((info.files, info.bytes, info.unreadable_files, info.partial), (1, 3000, 3, false));
    let entries = vault.tree_entries(source(1), &path("")).await.expect("lists");
    assert_eq!(entries.iter().map(|it| &it.name[..]).collect::<Vec<_>>(), [odd, b"empty", b"link"]);
    assert_eq!(entries.iter().map(|it| it.mode).collect::<Vec<_>>(), [0o1777, 0o700, 0o777]);
    assert!(entries.iter().all(|it| it.mtime_ns == metadata(0).mtime_ns && it.xattrs == metadata(0).xattrs));
    assert_eq!(entries[2].node, TreeNode::Symlink { target: odd.to_vec() });
    let inside = vault.tree_entries(source(1), &[odd]).await.expect("lists by raw name");
    let hash = *blake3::hash(&content).as_bytes();
    assert_eq!(inside[0].node, TreeNode::File { size: 3000, hash, changed: true });
    assert_eq!(vault.tree_entries(source(1), &path("empty")).await.expect("lists"), []);
}

#[tokio::test]
async fn what_did_not_change_is_neither_read_nor_sent_again() {
    let cluster = Cluster::start(3).await;
    let vault = vault(&cluster).await;
    let content = noise(1, 9 << 20);
    let kept = RefCell::new(Vec::new());
    vault
        .write_tree(target(&vault, source(1)), &Rc::default(), async |writer| {
            let stored = writer.store(&InMemory(Rc::new(content.clone())), content.len() as u64).await?;
            let stored = stored.expect("reads");
            kept.replace(stored.encode());
            Ok(TreeEdits { changes: vec![put(text("a/big"), stored)], ..TreeEdits::default() })
        })
        .await
        .expect("backs up");

    // Nothing at all changed: a snapshot that shows so.
    let nothing = write(&vault, target(&vault, source(1)), &[]).await.expect("commits");
    assert_eq!(nothing.new_bytes_sent, 0);
    let snapshots = vault.snapshots(source(1));
    assert_eq!((snapshots.len(), snapshots[1].bytes), (2, 9 << 20));

    // Moved, and copied into another folder's backup, from what the caller kept.
    let stored = StoredContent::decode(&kept.borrow()).expect("as it was kept");
    let moved = vec![TreeChange::Removed { path: text("a") }, put(text("b/big"), stored.clone())];
    for (to, changes) in [(source(1), moved), (source(2), vec![put(text("copy"), stored)])] {
        let edits = async |_| Ok(TreeEdits { changes, ..TreeEdits::default() });
        let written = vault.write_tree(target(&vault, to), &Rc::default(), edits).await.expect("commits");
        assert!(written.new_bytes_sent < 100_000, "only folders: {}", written.new_bytes_sent);
    }
    assert!(restore(&vault, source(1), "b/big").await.expect("restores") == content);
    assert!(restore(&vault, source(2), "copy").await.expect("restores") == content);
    assert!(restore(&vault, source(1), "a/big").await.is_err());
}

#[tokio::test]
async fn known_chunks_are_not_sealed_again_and_forgotten_ones_are_named() {
    let cluster = Cluster::start(3).await;
    let vault = vault(&cluster).await;
    let index: Rc<RefCell<HashMap<Fingerprint, BlobId>>> = Rc::default();
    let learnt = Rc::new(Cell::new(0));
    let known = || {
        let (find, learn, learnt) = (index.clone(), index.clone(), learnt.clone());
        Some(Rc::new(KnownChunks {
            find: Box::new(move |fingerprint| find.borrow().get(fingerprint).copied()),
            learn: Box::new(move |fingerprint, blob| {
                learnt.set(learnt.get() + 1);
                learn.borrow_mut().insert(fingerprint, blob);
            }),
        }))
    };
    let content = noise(1, 6 << 20);
    let first = TreeTarget { known: known(), ..target(&vault, source(1)) };
    write(&vault, first, &[("a", content.clone())]).await.expect("backs up");
    let chunks = learnt.get();
    assert!(chunks >= 2);
    let again = TreeTarget { known: known(), ..target(&vault, source(2)) };
    let written = write(&vault, again, &[("b", content.clone())]).await.expect("backs up");
    assert_eq!(learnt.get(), chunks, "all were known");
    assert!(written.new_bytes_sent < 100_000);
    assert!(restore(&vault, source(2), "b").await.expect("restores") == content);

    // What the vault does not have any more.
    let gone = BlobId::from_bytes([9; 32]).expect("not zeros");
    index.borrow_mut().values_mut().for_each(|blob| *blob = gone);
    let stale = TreeTarget { known: known(), ..target(&vault, source(3)) };
    let error = write(&vault, stale, &[("c", content)]).await.expect_err("nobody has it");
    assert!(matches!(&error, Error::Gone(blobs) if *blobs == [gone]), "{error}");
    assert_eq!(vault.snapshots(source(3)), []);
}

#[tokio::test]
async fn a_first_backup_is_committed_in_parts() {
    let cluster = Cluster::start(3).await;
    let vault = vault(&cluster).await;
    let part = async |name: &str, partial| {
        let edits = async |writer: TreeWriter| {
            let changes = vec![store_file(&writer, name, &noise(1, 20_000)).await?];
            Ok(TreeEdits { changes, unreadable_files: 0, partial })
        };
        vault.write_tree(target(&vault, source(1)), &Rc::default(), edits).await.expect("commits").partial
    };
    assert!(part("a", true).await && part("b", true).await);
    assert!(!vault.is_complete(source(1)));
    assert!(!part("c", false).await);
    assert!(vault.is_complete(source(1)));
    assert!(!part("d", true).await, "not any more");
    let vault = Device::default().open(&cluster).await;
    let parts: Vec<_> = vault.snapshots(source(1)).iter().map(|it| (it.partial, it.files)).collect();
    assert_eq!(parts, [(true, 1), (true, 2), (false, 3), (false, 4)]);
}

#[tokio::test]
async fn what_was_sent_before_a_crash_is_not_sent_again() {
    let cluster = Cluster::start(3).await;
    let vault = vault(&cluster).await;
    let (sent, unsent) = (noise(1, 8 << 20), noise(2, 3 << 20));
    let session = target(&vault, source(1)).session;
    let target = || TreeTarget {
        source: source(1),
        base: None,
        session,
        known: None,
        repair: Repair::default(),
        pace: None,
    };
    let progress = Rc::new(Progress::default());
    let crash = async |writer: TreeWriter| -> Result<TreeEdits, Error> {
        store_file(&writer, "sent", &sent).await?;
        while progress.get().bytes_sent < sent.len() as u64 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        Err(Error::Busy)
    };
    assert!(vault.write_tree(target(), &progress, crash).await.is_err());

    let vault = Device::default().open(&cluster).await;
    assert_eq!(vault.snapshots(source(1)), []);
    let files = [("sent", sent), ("unsent", unsent)];
    let written = write(&vault, target(), &files).await.expect("goes on");
    let new = written.new_bytes_sent as usize;
    assert!((files[1].1.len()..files[0].1.len()).contains(&new), "{new}");
    for (name, content) in &files {
        assert!(restore(&vault, source(1), name).await.expect("restores") == *content);
    }
}

#[tokio::test]
async fn what_changed_since_one_snapshot_goes_on_top_of_no_other() {
    let (cluster, proxy) = Cluster::start_behind_proxy(3).await;
    Device::default().sign_up(&cluster).await;
    let vault = Device::default().open_impatient(&cluster).await;
    write(&vault, target(&vault, source(1)), &[("a", noise(1, 2000))]).await.expect("backs up");
    let first = target(&vault, source(1)).base;

    // A commit whose answer never arrives: who made it does not know that it counts.
    proxy.lose_answer_of("/commit HTTP");
    let lost = write(&vault, target(&vault, source(1)), &[("temporary", noise(2, 2000))]).await;
    assert!(matches!(lost, Err(Error::Network { .. })), "{lost:?}");
    proxy.mend();
    assert_eq!(target(&vault, source(1)).base, first, "nobody has told");
    // The temporary file is gone by now, so nothing is said of it.
    let error =
        write(&vault, target(&vault, source(1)), &[("b", noise(3, 2000))]).await.expect_err("refused");
    assert!(matches!(error, Error::StaleBase), "{error:?}");
    let names = async || {
        let entries = vault.tree_entries(source(1), &path("")).await.expect("lists");
        entries.into_iter().map(|entry| String::from_utf8(entry.name).expect("UTF-8")).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["a", "temporary"], "what was lost counts");

    let changes = vec![TreeChange::Removed { path: text("temporary") }];
    let edits = async |_| Ok(TreeEdits { changes, ..TreeEdits::default() });
    vault.write_tree(target(&vault, source(1)), &Rc::default(), edits).await.expect("commits");
    assert_eq!(names().await, ["a"]);
}

#[tokio::test]
async fn what_is_sent_keeps_to_a_pace_and_what_the_vault_holds_costs_nothing() {
    let cluster = Cluster::start_with(2, &[("TRIPLICATE_HEARTBEAT_MS", "300")]).await;
    let vault = vault(&cluster).await;
    let left: Rc<RefCell<Vec<usize>>> = Rc::default();
    let paced = |vault: &Vault, to| {
        let asked = left.clone();
        let pace: client::Pace = Rc::new(move |bytes| {
            asked.borrow_mut().push(bytes);
            Some(Box::pin(tokio::task::yield_now()))
        });
        TreeTarget { pace: Some(pace), ..target(vault, source(to)) }
    };
    let mut content = Vec::new();
    let mut pieces = Vec::new();
    // Each node passes blobs on to the other once it has heard of it.
    for seed in 0..100 {
        content = noise(seed, 9 << 20);
        write(&vault, paced(&vault, 1), &[("a", content.clone())]).await.expect("backs up");
        pieces = left.take();
        if pieces.iter().sum::<usize>() < 10 << 20 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let bytes: usize = pieces.iter().sum();
    assert!((9 << 20..10 << 20).contains(&bytes), "the first node passes them on: {bytes}");
    assert!(pieces.iter().all(|bytes| *bytes <= 64 << 10), "in small pieces");
    write(&vault, paced(&vault, 2), &[("b", content.clone())]).await.expect("backs up");
    let bytes: usize = left.take().iter().sum();
    assert!(bytes < 100_000, "only folders are new: {bytes}");
    assert!(restore(&vault, source(2), "b").await.expect("restores") == content);
}

#[tokio::test]
async fn what_is_wrong_with_one_file_stops_no_other() {
    let cluster = Cluster::start(3).await;
    let vault = vault(&cluster).await;
    let edits = async |writer: TreeWriter| {
        let broken: &dyn ReadAt = &Unreadable;
        assert_eq!(writer.store(broken, 8 << 20).await?, Err("the disk is gone".to_owned()));
        let mut too_much = metadata(0o600);
        too_much.xattrs.insert(b"user.big".to_vec(), vec![0; 64 << 10]);
        let changes = vec![
            TreeChange::Symlink { path: text("odd"), metadata: too_much, target: b"x".to_vec() },
            store_file(&writer, "good", b"good").await?,
        ];
        Ok(TreeEdits { changes, unreadable_files: 1, partial: false })
    };
    let written = vault.write_tree(target(&vault, source(1)), &Rc::default(), edits).await.expect("commits");
    assert_eq!(written.refused, [(text("odd"), "extended attributes have more than 64 KiB".to_owned())]);
    let info = vault.snapshots(source(1)).remove(0);
    assert_eq!((info.files, info.unreadable_files), (1, 2));
    assert_eq!(restore(&vault, source(1), "good").await.expect("restores"), b"good");
}
