//! Older snapshots: listed, opened, restored, compared and searched.

use std::collections::BTreeSet;
use std::io::Cursor;

use client::{
    At, Difference, DifferenceTotals, EntryKind, Error, FilesAndBytes, SnapshotRef, TreeNode, Vault,
};
use futures_util::stream::TryStreamExt as _;
use protocol::error::ErrorCode;
use protocol::id::SourceId;
use protocol::snapshots::RetentionPolicy;
use testkit::cluster::Cluster;

use crate::native::{Device, back_up, noise, path, restore};

/// A vault with four snapshots: two files; one of them changed; one more in a folder; the first deleted.
async fn vault_with_a_history(cluster: &Cluster) -> (Vault, SourceId, Vec<u64>) {
    let vault = Device::default().sign_up(cluster).await.open_vault().await.expect("opens");
    let source = vault.uploads().expect("uploads");
    let mut seqs = Vec::new();
    for files in [
        &[("a.txt", noise(1, 3000)), ("b.bin", noise(2, 700_000))][..],
        &[("a.txt", noise(3, 5000))],
        &[("photos/c.JPG", noise(4, 100_000))],
    ] {
        seqs.push(back_up(&vault, files).await.expect("backs up").seq);
    }
    vault.remove(source, &[path("a.txt")]).await.expect("deletes");
    seqs.push(vault.snapshots(source).last().expect("there are some").seq);
    (vault, source, seqs)
}

fn at(source: SourceId, seq: u64) -> SnapshotRef {
    SnapshotRef { source, at: At::Seq(seq) }
}

#[tokio::test]
async fn every_snapshot_can_be_opened_as_it_was() {
    let cluster = Cluster::start(3).await;
    let (vault, source, seqs) = vault_with_a_history(&cluster).await;
    let snapshots = vault.snapshots(source);
    assert_eq!(snapshots.iter().map(|it| it.seq).collect::<Vec<_>>(), seqs);
    let sizes: Vec<_> = snapshots.iter().map(|it| (it.files, it.bytes)).collect();
    assert_eq!(sizes, [(2, 703_000), (2, 705_000), (3, 805_000), (2, 800_000)]);
    assert!(snapshots.iter().all(|it| it.device.is_none() && !it.partial && it.unreadable_files == 0));
    assert!(snapshots.is_sorted_by_key(|it| it.created_ms));
    assert_eq!(vault.unreadable_commits(), []);

    // Another device sees the same.
    let vault = Device::default().open(&cluster).await;
    for (seq, a) in [(seqs[0], noise(1, 3000)), (seqs[1], noise(3, 5000)), (seqs[2], noise(3, 5000))] {
        assert!(restore(&vault, at(source, seq), "a.txt").await.expect("restores") == a, "snapshot {seq}");
    }
    assert!(matches!(restore(&vault, at(source, seqs[3]), "a.txt").await, Err(Error::NotFound(_))));
    assert!(matches!(restore(&vault, source, "a.txt").await, Err(Error::NotFound(_))), "nor in the newest");
    let names = async |seq| -> Vec<(String, EntryKind)> {
        let listed = vault.list(at(source, seq), &path("")).await.expect("lists");
        listed.into_iter().map(|entry| (entry.name, entry.kind)).collect()
    };
    let (file, folder) = (EntryKind::File, EntryKind::Directory);
    assert_eq!(names(seqs[1]).await, [("a.txt".into(), file), ("b.bin".into(), file)]);
    assert_eq!(names(seqs[3]).await, [("b.bin".into(), file), ("photos".into(), folder)]);
    assert_eq!(vault.totals(at(source, seqs[0])).await.expect("totals").sum().bytes, 703_000);
    for unknown in [0, seqs[3] + 1] {
        let error = vault.list(at(source, unknown), &path("")).await.expect_err("no snapshot of the source");
        assert_eq!(error.to_string(), format!("snapshot {unknown} does not exist"));
    }
}

#[tokio::test]
async fn a_whole_snapshot_comes_back_as_one_archive() {
    let cluster = Cluster::start(3).await;
    let (vault, source, seqs) = vault_with_a_history(&cluster).await;
    let download = vault.open_zip(at(source, seqs[2]), &[path("")]).await.expect("opens");
    let bytes = download.stream.try_collect::<Vec<_>>().await.expect("restores").concat();
    let archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("a whole archive");
    let mut names: Vec<_> = archive.file_names().map(|name| name.expect("UTF-8").into_owned()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a.txt", "b.bin", "photos/", "photos/c.JPG"]);
}

#[tokio::test]
async fn a_program_gets_entries_as_they_were_on_their_device() {
    let cluster = Cluster::start(3).await;
    let (vault, source, seqs) = vault_with_a_history(&cluster).await;
    let entries = vault.tree_entries(at(source, seqs[2]), &path("")).await.expect("lists");
    let a = &entries[0];
    assert_eq!((&a.name[..], a.mode, a.mtime_ns), (&b"a.txt"[..], 0o644, 1_700_000_000_000_000_000));
    let hash = *blake3::hash(&noise(3, 5000)).as_bytes();
    assert_eq!(a.node, TreeNode::File { size: 5000, hash, changed: false });
    assert_eq!(entries[2].node, TreeNode::Directory { files: 1, bytes: 100_000 });
}

async fn differences(vault: &Vault, from: SnapshotRef, to: SnapshotRef) -> (Vec<String>, DifferenceTotals) {
    let found: Vec<_> = vault.compare(from, to).expect("both exist").try_collect().await.expect("compares");
    let mut totals = DifferenceTotals::default();
    for difference in &found {
        totals.add(difference);
    }
    let told = |difference: &Difference| match difference {
        Difference::Added { path, .. } => format!("+ {path}"),
        Difference::Removed { path, .. } => format!("- {path}"),
        Difference::Changed { path, content: true, .. } => format!("M {path}"),
        Difference::Changed { path, .. } => format!("U {path}"),
        Difference::Moved { from, to, .. } => format!("{from} -> {to}"),
    };
    (found.iter().map(told).collect(), totals)
}

#[tokio::test]
async fn two_snapshots_are_compared_in_both_directions() {
    let cluster = Cluster::start(3).await;
    let (vault, source, seqs) = vault_with_a_history(&cluster).await;
    let sum = |files, bytes| FilesAndBytes { files, bytes };
    let (told, totals) = differences(&vault, at(source, seqs[0]), at(source, seqs[2])).await;
    assert_eq!(told, ["M /a.txt", "+ /photos"]);
    assert_eq!((totals.changed, totals.added), (sum(1, 5000), sum(1, 100_000)));
    let (told, totals) = differences(&vault, source.into(), at(source, seqs[0])).await;
    assert_eq!(told, ["+ /a.txt", "- /photos"]);
    assert_eq!((totals.added, totals.removed), (sum(1, 3000), sum(1, 100_000)));

    back_up(&vault, &[("old photos/c.JPG", noise(4, 100_000))]).await.expect("backs up");
    let before = vault.snapshots(source).last().expect("there").seq;
    vault.remove(source, &[path("photos")]).await.expect("deletes");
    let (told, totals) = differences(&vault, at(source, seqs[3]), source.into()).await;
    assert_eq!(told, ["/photos -> /old photos"], "not in between: {before}");
    assert_eq!(totals, DifferenceTotals { moved: sum(1, 100_000), ..DifferenceTotals::default() });
    assert_eq!(differences(&vault, source.into(), source.into()).await.0, [""; 0]);
}

#[tokio::test]
async fn entries_are_found_by_name_and_by_path() {
    let cluster = Cluster::start(3).await;
    let (vault, source, seqs) = vault_with_a_history(&cluster).await;
    let found = async |seq, pattern: &str, ignore_case| -> Vec<String> {
        let stream = vault.find(at(source, seq), pattern, ignore_case).expect("a pattern");
        stream.map_ok(|found| found.path.to_string()).try_collect().await.expect("searches")
    };
    assert_eq!(found(seqs[2], "*.txt", false).await, ["/a.txt"]);
    assert_eq!(found(seqs[2], "*.{bin,jpg}", false).await, ["/b.bin"]);
    assert_eq!(found(seqs[2], "*.{bin,jpg}", true).await, ["/b.bin", "/photos/c.JPG"]);
    assert_eq!(found(seqs[2], "/*.*", false).await, ["/a.txt", "/b.bin"], "a / begins at the root");
    assert_eq!(found(seqs[2], "**/c*", false).await, ["/photos/c.JPG"]);
    assert_eq!(found(seqs[3], "a*", false).await, [""; 0], "it was deleted");
    assert!(matches!(vault.find(source, "[", false).map(drop), Err(Error::Pattern(_))));
}

#[tokio::test]
async fn what_is_forgotten_is_offered_no_more_and_the_rest_opens() {
    let cluster = Cluster::start(1).await;
    let (vault, source, seqs) = vault_with_a_history(&cluster).await;
    let listed = |vault: &Vault| vault.snapshots(source).iter().map(|it| it.seq).collect::<Vec<_>>();
    let other = Device::default().open(&cluster).await;
    let newest = vault.forget(source, &BTreeSet::from([seqs[0], seqs[3]])).await;
    assert_eq!(newest.expect_err("it is the newest").code(), Some(ErrorCode::InvalidEnvelope));
    vault.forget(source, &BTreeSet::from([seqs[0], seqs[1]])).await.expect("forgets");
    assert_eq!(listed(&vault), seqs[2..]);
    assert_eq!(listed(&other), seqs, "it has not asked yet");
    other.refresh().await.expect("verifies what was forgotten");
    other.refresh_kept().await.expect("asks");
    assert_eq!(listed(&other), seqs[2..]);

    let gone = other.tree_entries(at(source, seqs[1]), &[""; 0]).await;
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
    assert_eq!(other.tree_entries(at(source, seqs[2]), &[""; 0]).await.expect("opens").len(), 3);
    let seq = back_up(&other, &[("later.txt", noise(5, 10))]).await.expect("goes on").seq;
    assert_eq!(listed(&other), [&seqs[2..], &[seq]].concat(), "what came since is kept");
}

#[tokio::test]
async fn how_long_snapshots_are_kept_is_the_owners_to_say() {
    let cluster = Cluster::start(1).await;
    let (vault, source, seqs) = vault_with_a_history(&cluster).await;
    let found = vault.retention(source).await.expect("asks");
    assert_eq!((found.policy, found.is_default, found.uploads), (RetentionPolicy::default(), true, true));
    let policy = RetentionPolicy { last: 1, ..found.policy };
    let preview = vault.preview_retention(source, &policy).await.expect("asks");
    assert_eq!((preview.kept, preview.forgotten), (seqs, Vec::new()), "uploads are kept for a month");
    vault.put_retention(source, &policy).await.expect("changes");
    assert_eq!(vault.retention(source).await.expect("asks").policy, policy);
}
