//! What is in a snapshot: folders, totals, and entries as they were on their device.

use std::collections::BTreeMap;

use ::backup::{Category, Entry, Node, Totals, find, read_directory};
use protocol::id::BlobId;

use crate::error::Error;
use crate::history::SnapshotRef;
use crate::path::Path;
use crate::vault::Vault;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// One line of a folder, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEntry {
    /// Its name; bytes that are not UTF-8 are shown as replacement characters.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file, or of all files beneath a folder.
    pub size: u64,
    /// Last change, in Unix milliseconds.
    pub mtime_ms: i64,
    /// By its name's extension; folders and links have none.
    pub category: Option<Category>,
    /// Files in it, 1 for a file.
    pub files: u64,
}

/// An entry as it was on its device, for a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// The bytes of its name.
    pub name: Vec<u8>,
    /// Unix permission bits, with set-id and sticky bits: at most 0o7777.
    pub mode: u32,
    /// Last change of the content, in nanoseconds since the Unix epoch.
    pub mtime_ns: i64,
    /// Extended attributes.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What it is.
    pub node: TreeNode,
}

/// What a [`TreeEntry`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeNode {
    /// A file.
    File {
        /// Its bytes.
        size: u64,
        /// BLAKE3 of all of them.
        hash: [u8; 32],
        /// Whether it changed while it was read.
        changed: bool,
    },
    /// A folder.
    Directory {
        /// Files beneath it.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// A symbolic link.
    Symlink {
        /// What it points to.
        target: Vec<u8>,
    },
}

impl Vault {
    /// The entries of a folder, by name, for a person.
    ///
    /// # Errors
    /// [`Error::NotFound`], and those of reading.
    pub async fn list<N: AsRef<[u8]>>(
        &self,
        snapshot: impl Into<SnapshotRef>,
        path: &[N],
    ) -> Result<Vec<ListedEntry>, Error> {
        let entries = self.directory(snapshot.into(), &Path::parse(path)?).await?;
        Ok(entries.iter().map(listed).collect())
    }

    /// The entries of a folder, by name, as they were on their device.
    ///
    /// # Errors
    /// As [`Vault::list`].
    pub async fn tree_entries<N: AsRef<[u8]>>(
        &self,
        snapshot: impl Into<SnapshotRef>,
        path: &[N],
    ) -> Result<Vec<TreeEntry>, Error> {
        let entries = self.directory(snapshot.into(), &Path::parse(path)?).await?;
        Ok(entries.iter().map(TreeEntry::from).collect())
    }

    /// Files and bytes of a snapshot, by category.
    pub async fn totals(&self, snapshot: impl Into<SnapshotRef>) -> Result<Totals, Error> {
        let Some(root) = self.root(snapshot.into())? else { return Ok(Totals::default()) };
        let entries = read_directory(self.fetcher(), &root).await?;
        let sum = entries.iter().try_fold(Totals::default(), |sum, entry| sum.checked_add(&entry.totals()));
        sum.ok_or_else(|| Error::untrusted("totals that do not fit into 64 bits"))
    }

    /// The entries of a folder.
    pub(crate) async fn directory(&self, snapshot: SnapshotRef, path: &Path) -> Result<Vec<Entry>, Error> {
        let Some(root) = self.root(snapshot)? else {
            return if path.is_root() { Ok(Vec::new()) } else { Err(Error::NotFound(path.to_string())) };
        };
        let tree = if path.is_root() {
            root
        } else {
            match self.entry(&root, path).await?.node {
                Node::Directory { tree, .. } => tree,
                _ => return Err(Error::NotFound(path.to_string())),
            }
        };
        Ok(read_directory(self.fetcher(), &tree).await?)
    }

    /// The entry at a path, or all entries of the root.
    pub(crate) async fn selected(&self, snapshot: SnapshotRef, path: &Path) -> Result<Vec<Entry>, Error> {
        if path.is_root() {
            return self.directory(snapshot, path).await;
        }
        let root = self.root(snapshot)?.ok_or_else(|| Error::NotFound(path.to_string()))?;
        Ok(vec![self.entry(&root, path).await?])
    }

    /// The entry at a path, which is not the root.
    pub(crate) async fn entry(&self, root: &BlobId, path: &Path) -> Result<Entry, Error> {
        let found = find(self.fetcher(), root, path.names()).await?;
        found.ok_or_else(|| Error::NotFound(path.to_string()))
    }
}

fn listed(entry: &Entry) -> ListedEntry {
    let name = entry.name.as_bytes();
    let sum = entry.totals().sum();
    let (kind, category) = match entry.node {
        Node::File { .. } => (EntryKind::File, Some(Category::of_name(name))),
        Node::Directory { .. } => (EntryKind::Directory, None),
        Node::Symlink { .. } => (EntryKind::Symlink, None),
    };
    ListedEntry {
        name: String::from_utf8_lossy(name).into_owned(),
        kind,
        size: sum.bytes,
        mtime_ms: entry.mtime_ns.div_euclid(1_000_000),
        category,
        files: sum.files,
    }
}

impl From<&Entry> for TreeEntry {
    fn from(entry: &Entry) -> Self {
        let node = match &entry.node {
            Node::File { size, hash, changed, .. } => {
                TreeNode::File { size: *size, hash: *hash, changed: *changed }
            }
            Node::Directory { totals, .. } => {
                let sum = totals.sum();
                TreeNode::Directory { files: sum.files, bytes: sum.bytes }
            }
            Node::Symlink { target } => TreeNode::Symlink { target: target.clone() },
        };
        Self {
            name: entry.name.as_bytes().to_vec(),
            mode: entry.mode,
            mtime_ns: entry.mtime_ns,
            xattrs: entry.xattrs.clone(),
            node,
        }
    }
}
