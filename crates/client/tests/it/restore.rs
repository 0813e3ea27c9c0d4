//! A folder comes back into a real file system as it was, resumes where it ended, and loses no more than is lost.

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use client::{
    LeftOver, Path, RestoreSink, RestoreSummary, TreeChange, TreeEdits, TreeEntry, TreeNode, Vault, WriteAt,
};
use futures_util::future::LocalBoxFuture;
use tempfile::TempDir;
use testkit::cluster::Cluster;

use crate::folder::{at, metadata, store_file, target};
use crate::native::{Device, InMemory, noise, path, rot_largest_blob};
use crate::settings::source;

/// A folder on disk. Modes and times are set once something is complete.
struct Disk {
    target: TempDir,
    failed: RefCell<Vec<String>>,
    /// The first bytes that are left over of any big file.
    left: RefCell<Option<Rc<Vec<u8>>>>,
    fetched: Rc<Cell<u64>>,
}

struct Written {
    file: File,
    entry: TreeEntry,
    /// What is left over of it.
    left: Option<Rc<Vec<u8>>>,
    kept: u64,
    fetched: Rc<Cell<u64>>,
}

type Outcome<'a> = LocalBoxFuture<'a, Result<(), String>>;

fn told(result: std::io::Result<()>) -> Outcome<'static> {
    Box::pin(async move { result.map_err(|error| error.to_string()) })
}

fn set_metadata(file: &File, entry: &TreeEntry) -> std::io::Result<()> {
    let since = Duration::from_nanos(entry.mtime_ns.cast_unsigned());
    file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + since))?;
    file.set_permissions(Permissions::from_mode(entry.mode))
}

impl Disk {
    fn new() -> Rc<Self> {
        let target = tempfile::tempdir().expect("a folder");
        let (failed, left, fetched) = Default::default();
        Rc::new(Self { target, failed, left, fetched })
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.target.path().join(OsStr::from_bytes(&path.to_bytes()))
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.target.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

impl RestoreSink for Disk {
    fn has_file<'a>(&'a self, path: &'a Path, entry: &'a TreeEntry) -> LocalBoxFuture<'a, bool> {
        let TreeNode::File { hash, .. } = entry.node else { panic!("asked of files alone") };
        let there = fs::read(self.at(path)).is_ok_and(|bytes| *blake3::hash(&bytes).as_bytes() == hash);
        Box::pin(async move { there })
    }

    fn left_over<'a>(&'a self, _: &'a Path, entry: &'a TreeEntry) -> LocalBoxFuture<'a, Option<LeftOver>> {
        let is_big = matches!(entry.node, TreeNode::File { size, .. } if size == BIG as u64);
        let left = self.left.borrow().clone().filter(|_| is_big);
        Box::pin(async {
            left.map(|left| LeftOver { len: left.len() as u64, reader: Rc::new(InMemory(left)) })
        })
    }

    fn create_directory<'a>(&'a self, path: &'a Path, _: &'a TreeEntry) -> Outcome<'a> {
        told(fs::create_dir_all(self.at(path)))
    }

    fn finish_directory<'a>(&'a self, path: &'a Path, entry: &'a TreeEntry) -> Outcome<'a> {
        told(File::open(self.at(path)).and_then(|directory| set_metadata(&directory, entry)))
    }

    fn create_symlink<'a>(&'a self, path: &'a Path, entry: &'a TreeEntry) -> Outcome<'a> {
        let TreeNode::Symlink { target } = &entry.node else { panic!("not a link") };
        told(symlink(OsStr::from_bytes(target), self.at(path)))
    }

    fn create_file<'a>(
        &'a self,
        path: &'a Path,
        entry: &'a TreeEntry,
    ) -> LocalBoxFuture<'a, Result<Box<dyn WriteAt>, String>> {
        Box::pin(async {
            let file = File::create(self.at(path)).map_err(|error| error.to_string())?;
            let (left, fetched) = (self.left.borrow().clone(), self.fetched.clone());
            Ok(Box::new(Written { file, entry: entry.clone(), left, kept: 0, fetched }) as Box<dyn WriteAt>)
        })
    }

    fn failed(&self, path: &Path, reason: &str) {
        self.failed.borrow_mut().push(format!("{path}: {reason}"));
    }
}

impl WriteAt for Written {
    fn write_at(&mut self, offset: u64, bytes: Vec<u8>) -> Outcome<'_> {
        self.fetched.set(self.fetched.get() + bytes.len() as u64);
        told(self.file.write_all_at(&bytes, offset))
    }

    fn keep(&mut self, len: u64) -> Outcome<'_> {
        let left = self.left.as_ref().expect("something is left over");
        let (start, end) = (self.kept as usize, (self.kept + len) as usize);
        self.kept += len;
        told(self.file.write_all_at(&left[start..end], start as u64))
    }

    fn discard(self: Box<Self>) -> LocalBoxFuture<'static, ()> {
        Box::pin(async move { self.file.set_len(0).expect("it is open for writing") })
    }

    fn finish(self: Box<Self>) -> Outcome<'static> {
        told(set_metadata(&self.file, &self.entry))
    }
}

const BIG: usize = 24 << 20;

/// A folder of a big file, many small ones in folders, and a link; with the small files' contents.
async fn backed_up(cluster: &Cluster) -> (Vault, Vec<(String, Vec<u8>)>) {
    let vault = Device::default().sign_up(cluster).await.open_vault().await.expect("opens");
    let small: Vec<_> =
        (0..700).map(|n| (format!("tree/{}/{n}", n % 9), noise(n, 10 * n as usize))).collect();
    vault
        .write_tree(target(&vault, source(1)), &Rc::default(), async |writer| {
            let mut changes = vec![store_file(&writer, "tree/big", &noise(1000, BIG)).await?];
            for (name, bytes) in &small {
                changes.push(store_file(&writer, name, bytes).await?);
            }
            changes.push(TreeChange::Directory { path: at(&[b"tree"]), metadata: metadata(0o750) });
            let link = at(&[b"tree", b"link"]);
            changes.push(TreeChange::Symlink {
                path: link,
                metadata: metadata(0o777),
                target: b"big".to_vec(),
            });
            Ok(TreeEdits { changes, ..TreeEdits::default() })
        })
        .await
        .expect("backs up");
    (vault, small)
}

#[tokio::test]
async fn a_folder_comes_back_as_it_was() {
    let cluster = Cluster::start(3).await;
    let (vault, small) = backed_up(&cluster).await;
    let disk = Disk::new();
    let summary = vault.restore(source(1), &path(""), disk.clone()).await.expect("restores");
    let bytes = small.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() + BIG;
    let whole = RestoreSummary { files: 701, bytes: bytes as u64, skipped: 0, failed: 0 };
    assert_eq!(summary, whole, "{:?}", disk.failed.borrow());
    assert!(disk.read("tree/big") == noise(1000, BIG));
    for (name, bytes) in &small {
        assert!(disk.read(name) == *bytes, "{name} came back different");
    }
    let tree = disk.target.path().join("tree");
    assert_eq!(fs::read_link(tree.join("link")).expect("a link").as_os_str(), "big");
    for (name, mode) in [("", 0o750), ("big", 0o640), ("3/3", 0o640)] {
        let found = fs::metadata(tree.join(name)).expect("there");
        let mtime_ns = found.mtime() * 1_000_000_000 + found.mtime_nsec();
        assert_eq!((found.mode() & 0o7777, mtime_ns), (mode, metadata(0).mtime_ns), "{name}");
    }

    // A part of it, somewhere else.
    let disk = Disk::new();
    let summary = vault.restore(source(1), &path("tree/3"), disk.clone()).await.expect("restores");
    assert_eq!(summary.files, 78);
    assert!(disk.read("3/3") == small[3].1);
}

#[tokio::test]
async fn what_is_there_already_is_not_fetched_again() {
    let cluster = Cluster::start(3).await;
    let (vault, small) = backed_up(&cluster).await;
    let disk = Disk::new();
    vault.restore(source(1), &path(""), disk.clone()).await.expect("restores");
    fs::remove_file(disk.target.path().join("tree/link")).expect("there");
    fs::remove_file(disk.target.path().join("tree/5/5")).expect("there");
    fs::write(disk.target.path().join("tree/6/6"), b"edited since").expect("there");
    let summary = vault.restore(source(1), &path(""), disk.clone()).await.expect("restores");
    assert_eq!(summary, RestoreSummary { files: 2, bytes: 110, skipped: 699, failed: 0 });
    assert!(disk.read("tree/6/6") == small[6].1);
}

#[tokio::test]
async fn what_is_left_over_of_a_file_is_kept_and_what_is_wrong_of_it_is_not() {
    let cluster = Cluster::start(2).await;
    let (vault, _) = backed_up(&cluster).await;
    let big = noise(1000, BIG);
    let mut wrong = big[..15 << 20].to_vec();
    wrong[1_000_000] ^= 1;
    for (left, fetched) in [(big[..15 << 20].to_vec(), 9 << 20..13 << 20), (wrong, BIG..2 * BIG)] {
        let disk = Disk::new();
        disk.left.replace(Some(Rc::new(left)));
        let summary = vault.restore(source(1), &path("tree/big"), disk.clone()).await.expect("restores");
        assert_eq!((summary.files, summary.failed), (1, 0), "{:?}", disk.failed.borrow());
        assert!(disk.read("big") == big);
        assert!(fetched.contains(&(disk.fetched.get() as usize)), "{}", disk.fetched.get());
    }
}

#[tokio::test]
async fn a_chunk_that_is_lost_costs_its_file_alone() {
    let cluster = Cluster::start(3).await;
    let (vault, small) = backed_up(&cluster).await;
    // On the disks: what only the database lost, a comparison with what nodes have would bring back.
    assert!(rot_largest_blob(&cluster, 3) >= 2);
    let disk = Disk::new();
    let summary = vault.restore(source(1), &path(""), disk.clone()).await.expect("restores the rest");
    assert_eq!((summary.files, summary.failed), (700, 1));
    let failed = disk.failed.borrow();
    assert!(failed[0].starts_with("/tree/big: a part of the data (blob "), "{failed:?}");
    for (name, bytes) in &small {
        assert!(disk.read(name) == *bytes, "{name} came back different");
    }
}

#[tokio::test]
async fn what_the_disk_refuses_is_told_and_stops_nothing() {
    let cluster = Cluster::start(3).await;
    let (vault, _) = backed_up(&cluster).await;
    let disk = Disk::new();
    fs::create_dir_all(disk.target.path().join("tree/big")).expect("in the way");
    fs::write(disk.target.path().join("tree/4"), b"").expect("in the way");
    let summary = vault.restore(source(1), &path(""), disk.clone()).await.expect("restores the rest");
    let told = disk.failed.borrow();
    assert!(told[0].starts_with("/tree/4: "), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("/tree/big: ")), "{told:?}");
    assert_eq!((summary.files, summary.failed), (700 - 78, 1 + 78 + 1));
}
