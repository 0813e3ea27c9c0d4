//! Changes to a stored tree: only the directories that a change touches are read and written again.

use std::collections::BTreeMap;

use protocol::id::BlobId;

use crate::blobs::{Ahead, BlobSink, BlobSource, TreeError};
use crate::build::{WrittenDirectory, rewrite_directory, sum_totals};
use crate::entry::{Entry, Metadata, Node};
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
    /// Sets what a directory itself is like, and leaves what is beneath it. Where there is none, it is created, in
    /// place of a file or link with its name.
    PutDirectory {
        /// Names of the directories above it, outermost first.
        parents: Vec<Name>,
        /// Its name.
        name: Name,
        /// What it is like from now on.
        metadata: Metadata,
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
    /// What it is like, as the directory that it then must be.
    metadata: Option<Metadata>,
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
        let (parents, is_removal) = match &change {
            Change::Put { parents, .. } | Change::PutDirectory { parents, .. } => (parents, false),
            Change::Remove { parents, .. } => (parents, true),
        };
        if parents.len() >= PATH_DEPTH_MAX {
            return None;
        }
        let mut parent = self;
        for name in parents {
            parent = parent.children.entry(name.clone()).or_default();
            parent.is_parent |= !is_removal;
        }
        match change {
            Change::Put { entry, .. } => parent.replace(entry.name.clone(), Own::Put(entry)),
            Change::Remove { name, .. } => parent.replace(name, Own::Remove),
            Change::PutDirectory { name, metadata, .. } => {
                parent.children.entry(name).or_default().metadata = Some(metadata);
            }
        }
        Some(())
    }

    /// The directory that is read to make changes beneath this entry.
    fn subtree(&self, before: &Entry) -> Option<BlobId> {
        before.tree().filter(|_| self.own.is_none() && !self.children.is_empty())
    }

    /// What was to happen at that path and beneath it before does not matter any more.
    fn replace(&mut self, name: Name, own: Own) {
        self.children.insert(name, Plan { own: Some(own), ..Plan::default() });
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
        let subtrees = plans.iter().filter_map(|(name, plan)| plan.subtree(entries.get(name)?));
        let mut ahead = Ahead::new(self.source, subtrees);
        for (name, plan) in plans {
            let before = entries.remove(&name);
            if before.as_ref().is_some_and(|before| plan.subtree(before).is_some()) {
                ahead.step().await;
            }
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
        let Some(metadata) = plan.metadata else {
            return self.edit_beneath(name, entry, plan.is_parent, plan.children).await;
        };
        let directory = entry.filter(|entry| matches!(entry.node, Node::Directory { .. }));
        let edited = self.edit_beneath(name, directory, true, plan.children).await?;
        Ok(edited.map(|entry| {
            let Metadata { mode, mtime_ns, xattrs } = metadata;
            Entry { mode, mtime_ns, xattrs, ..entry }
        }))
    }

    /// Makes the changes beneath an entry; where there is none and there must be, in a new directory.
    async fn edit_beneath(
        &mut self,
        name: Name,
        entry: Option<Entry>,
        must_exist: bool,
        children: BTreeMap<Name, Plan>,
    ) -> Result<Option<Entry>, TreeError<S::Error>> {
        if children.is_empty() && (entry.is_some() || !must_exist) {
            return Ok(entry);
        }
        match entry {
            None if must_exist => {
                let written = Box::pin(self.edit_directory(None, children)).await?;
                Ok(Some(written.into_entry(name, self.new_directory.mode, self.new_directory.mtime_ns)))
            }
            Some(Entry { node: Node::Directory { tree, .. }, .. }) => {
                // Boxed, because a directory's edit contains those of its subdirectories.
                let written = Box::pin(self.edit_directory(Some(tree), children)).await?;
                let node = Node::Directory { totals: written.totals, tree: written.tree };
                Ok(entry.map(|entry| Entry { node, ..entry }))
            }
            Some(_) if must_exist => Err(TreeError::NotADirectory(name)),
            unchanged => Ok(unchanged),
        }
    }
}
