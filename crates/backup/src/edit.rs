//! Changes to a stored tree: only the directories that a change touches are read and written again.

use std::collections::BTreeMap;

use protocol::id::BlobId;

use crate::blobs::{BlobSink, BlobSource, TreeError};
use crate::build::{WrittenDirectory, rewrite_directory, sum_totals};
use crate::entry::{Entry, Node};
use crate::name::{Name, PATH_DEPTH_MAX};
use crate::walk::{StoredDirectory, read_stored};

/// One change of a tree.
#[derive(Debug, Clone)]
pub enum Change {
    /// Puts an entry into a directory, in place of one with its name. Missing directories are created.
    Put {
        /// Names of the directories above it, outermost first.
        parents: Vec<Name>,
        /// Its content is written already; a directory's may be one that is stored elsewhere in the tree.
        entry: Box<Entry>,
    },
    /// Removes an entry with all that is beneath it. Where there is none, nothing happens.
    Remove {
        /// Names of the directories above it, outermost first.
        parents: Vec<Name>,
        /// Its name.
        name: Name,
    },
}

/// What directories are like that an edit creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewDirectory {
    /// Unix permission bits.
    pub mode: u32,
    /// Nanoseconds since the Unix epoch. Directories that exist keep theirs.
    pub mtime_ns: i64,
}

/// Applies changes, one after the other, to the tree of `root` or to an empty one, and returns the new root.
///
/// # Errors
/// [`TreeError::NotADirectory`] if something is to be put beneath a file or link, [`TreeError::TooDeep`], and the
/// errors of reading and writing. Blobs written before an error stay written; nothing references them.
pub async fn edit<S: BlobSource, K: BlobSink<Error = S::Error>>(
    source: &S,
    sink: &mut K,
    root: Option<BlobId>,
    changes: Vec<Change>,
    new_directory: NewDirectory,
) -> Result<WrittenDirectory, TreeError<S::Error>> {
    let mut plan = Plan::default();
    for change in changes {
        plan.add(change).ok_or(TreeError::TooDeep)?;
    }
    Editor { source, sink, new_directory }.edit_directory(root, plan.children).await
}

/// What happens at one path, and then beneath it.
#[derive(Default)]
struct Plan {
    own: Option<Own>,
    /// Whether something is put beneath it, so that it must be a directory.
    is_parent: bool,
    children: BTreeMap<Name, Plan>,
}

enum Own {
    Put(Box<Entry>),
    Remove,
}

impl Plan {
    /// Adds a change to those of a whole tree; `None` if it lies too deep.
    fn add(&mut self, change: Change) -> Option<()> {
        let (parents, name, own) = match change {
            Change::Put { parents, entry } => (parents, entry.name.clone(), Own::Put(entry)),
            Change::Remove { parents, name } => (parents, name, Own::Remove),
        };
        if parents.len() >= PATH_DEPTH_MAX {
            return None;
        }
        let mut parent = self;
        for name in parents {
            parent = parent.children.entry(name).or_default();
            parent.is_parent |= matches!(own, Own::Put(_));
        }
        parent.children.insert(name, Plan { own: Some(own), ..Plan::default() });
        Some(())
    }
}

struct Editor<'a, S, K> {
    source: &'a S,
    sink: &'a mut K,
    new_directory: NewDirectory,
}

impl<S: BlobSource, K: BlobSink<Error = S::Error>> Editor<'_, S, K> {
    async fn edit_directory(
        &mut self,
        tree: Option<BlobId>,
        plans: BTreeMap<Name, Plan>,
    ) -> Result<WrittenDirectory, TreeError<S::Error>> {
        let old = match &tree {
            Some(tree) => read_stored(self.source, tree).await?,
            None => StoredDirectory::default(),
        };
        let mut entries: BTreeMap<Name, Entry> =
            old.entries.iter().map(|entry| (entry.name.clone(), entry.clone())).collect();
        for (name, plan) in plans {
            let before = entries.remove(&name);
            if let Some(after) = self.edit_entry(name.clone(), before, plan).await? {
                entries.insert(name, after);
            }
        }
        let entries: Vec<Entry> = entries.into_values().collect();
        match tree {
            Some(tree) if entries == old.entries => {
                let totals = sum_totals(&entries).map_err(TreeError::malformed(&tree))?;
                Ok(WrittenDirectory { tree, totals })
            }
            _ => rewrite_directory(self.sink, entries, &old).await,
        }
    }

    async fn edit_entry(
        &mut self,
        name: Name,
        before: Option<Entry>,
        plan: Plan,
    ) -> Result<Option<Entry>, TreeError<S::Error>> {
        let entry = match plan.own {
            None => before,
            Some(Own::Put(entry)) => Some(*entry),
            Some(Own::Remove) => None,
        };
        if plan.children.is_empty() {
            return Ok(entry);
        }
        match entry {
            Some(Entry { node: Node::Directory { tree, .. }, .. }) => {
                // Boxed, because a directory's edit contains those of its subdirectories.
                let written = Box::pin(self.edit_directory(Some(tree), plan.children)).await?;
                let node = Node::Directory { totals: written.totals, tree: written.tree };
                Ok(entry.map(|entry| Entry { node, ..entry }))
            }
            None if plan.is_parent => {
                let written = Box::pin(self.edit_directory(None, plan.children)).await?;
                Ok(Some(written.into_entry(name, self.new_directory.mode, self.new_directory.mtime_ns)))
            }
            Some(_) if plan.is_parent => Err(TreeError::NotADirectory(name)),
            unchanged => Ok(unchanged),
        }
    }
}
