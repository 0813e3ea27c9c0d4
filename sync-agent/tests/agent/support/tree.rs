//! What lies in a folder and what a vault holds of it, to the byte, to compare them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use client::{SnapshotRef, TreeEntry, TreeNode, Vault};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use protocol::id::SourceId;

use super::Agent;

/// Files that are read back at once.
const READS: usize = 16;

/// An entry, as a file system or a vault has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File(Vec<u8>),
    Directory,
    Symlink(Vec<u8>),
}

/// Mode, time, and what it is, by path.
pub(crate) type Tree = BTreeMap<Vec<u8>, (u32, i64, Kind)>;

/// What lies in a folder.
pub(crate) fn on_disk(folder: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let kind = if meta.is_dir() {
                pending.push(path.clone());
                Kind::Directory
            } else if meta.is_symlink() {
                Kind::Symlink(fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
            } else if meta.is_file() {
                Kind::File(fs::read(&path).unwrap())
            } else {
                continue;
            };
            let mtime_ns = meta.mtime() * 1_000_000_000 + meta.mtime_nsec();
            let name = path.strip_prefix(folder).unwrap().as_os_str().as_bytes().to_vec();
            tree.insert(name, (meta.permissions().mode() & 0o7777, mtime_ns, kind));
        }
    }
    tree
}

/// The entries of a snapshot, by path, without the files' bytes.
pub(crate) async fn entries(vault: &Vault, snapshot: impl Into<SnapshotRef>) -> BTreeMap<Vec<u8>, TreeEntry> {
    let snapshot = snapshot.into();
    let mut all = BTreeMap::new();
    let mut pending: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
    while let Some(directory) = pending.pop() {
        for entry in vault.tree_entries(snapshot, &directory).await.unwrap() {
            let path = [directory.clone(), vec![entry.name.clone()]].concat();
            if matches!(entry.node, TreeNode::Directory { .. }) {
                pending.push(path.clone());
            }
            all.insert(path.join(&b'/'), entry);
        }
    }
    all
}

/// What the newest snapshot of the vault's first folder holds, every byte of it read back.
pub(crate) async fn in_vault(vault: &Vault) -> Tree {
    vault.refresh().await.unwrap();
    read_back(vault, vault.sources()[0].source).await
}

async fn read_back(vault: &Vault, source: SourceId) -> Tree {
    let read = async |(path, entry): (Vec<u8>, TreeEntry)| {
        let kind = match entry.node {
            TreeNode::Directory { .. } => Kind::Directory,
            TreeNode::Symlink { target } => Kind::Symlink(target),
            TreeNode::File { .. } => {
                let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
                let file = vault.open_file(source, &names).await.unwrap();
                let content: Vec<Vec<u8>> = file.stream.try_collect().await.unwrap();
                Kind::File(content.concat())
            }
        };
        (path, (entry.mode, entry.mtime_ns, kind))
    };
    stream::iter(entries(vault, source).await).map(read).buffer_unordered(READS).collect().await
}

/// Waits until the newest snapshot is what lies in the folder now, and reads every byte of it back.
pub(crate) async fn wait_until_equal(vault: &Vault, folder: &Path, agent: &Agent) {
    let expected = on_disk(folder);
    let source = wait_until_holds(vault, folder, &expected, agent).await;
    assert!(read_back(vault, source).await == expected, "what its tree says is not what comes back");
}

/// Waits until the folder's newest snapshot names this, with the files' hashes. Longer than [`testkit::wait_until`]:
/// after its first few commits, an agent makes one a minute.
pub(crate) async fn wait_until_holds(
    vault: &Vault,
    folder: &Path,
    expected: &Tree,
    agent: &Agent,
) -> SourceId {
    let hashes = expected.iter().filter_map(|(path, (.., kind))| match kind {
        Kind::File(content) => Some((path.as_slice(), *blake3::hash(content).as_bytes())),
        _ => None,
    });
    let hashes: BTreeMap<&[u8], [u8; 32]> = hashes.collect();
    let mut differs = Vec::new();
    let mut compared = None;
    let is_like = |path: &[u8], entry: &TreeEntry| {
        let Some((mode, mtime_ns, kind)) = expected.get(path) else { return false };
        let is_same = match (&entry.node, kind) {
            (TreeNode::File { hash, .. }, Kind::File(_)) => hashes[path] == *hash,
            (TreeNode::Directory { .. }, Kind::Directory) => true,
            (TreeNode::Symlink { target }, Kind::Symlink(expected)) => target == expected,
            _ => false,
        };
        is_same && (entry.mode, entry.mtime_ns) == (*mode, *mtime_ns)
    };
    let waited = tokio::time::timeout(Duration::from_mins(5), async {
        loop {
            vault.refresh().await.unwrap();
            if let Some((source, newest)) = source_of(vault, folder)
                && compared.replace(newest) != Some(newest)
            {
                let found = entries(vault, source).await;
                let is_missing = |path: &&Vec<u8>| !found.get(*path).is_some_and(|it| is_like(path, it));
                differs = expected.keys().filter(is_missing).map(|path| name(path)).collect();
                differs
                    .extend(found.keys().filter(|path| !expected.contains_key(*path)).map(|path| name(path)));
                if differs.is_empty() {
                    return source;
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let Ok(source) = waited.await else {
        let state = agent.json(&["status"]).await;
        panic!("the newest snapshot is not what was in the folder: {differs:?}; {state}; {}", agent.log());
    };
    source
}

fn name(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// The source of a folder that has a snapshot, and the number of its newest one.
fn source_of(vault: &Vault, folder: &Path) -> Option<(SourceId, u64)> {
    let settings = vault.settings().sources;
    let source = settings.iter().find(|it| it.path == folder.as_os_str().as_bytes())?.source;
    let newest = vault.sources().into_iter().find(|it| it.source == source)?.newest?;
    Some((source, newest.seq))
}
