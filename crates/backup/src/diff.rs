//! Reference deltas: how many more or fewer references to each blob one tree has than another.
//!
//! References are counted per path occurrence, tree blobs and chunks alike: a directory that occurs twice counts
//! twice, with all that is beneath it. Counts are linear, so both trees are walked at once, level by level, with
//! the old one counting negative; what occurs equally often in both on a level cancels out and is not read.

use std::collections::BTreeMap;

use crypto::blob::BlobKind;
use protocol::id::BlobId;
use protocol::refs::Reference;

use crate::blobs::{Ahead, BlobSource, TreeError, get_one};
use crate::content::Content;
use crate::directory::Directory;
use crate::entry::{Entry, Node};
use crate::name::PATH_DEPTH_MAX;
use crate::restore::read_chunk_list;
use crate::walk::{TreeBlob, read_tree_blob};

/// The references of a whole tree, ascending by id; all positive.
///
/// # Errors
/// As [`diff`].
pub async fn baseline<S: BlobSource>(
    source: &S,
    root: &BlobId,
) -> Result<Vec<Reference>, TreeError<S::Error>> {
    diff(source, None, root).await
}

/// What the tree of `new` references more or less often than that of `old`, ascending by id; none is zero.
///
/// # Errors
/// [`TreeError::Read`], [`TreeError::Malformed`], [`TreeError::TooDeep`], [`TreeError::TooManyReferences`].
pub async fn diff<S: BlobSource>(
    source: &S,
    old: Option<&BlobId>,
    new: &BlobId,
) -> Result<Vec<Reference>, TreeError<S::Error>> {
    let mut counter = Counter { source, total: Counts::default() };
    let mut trees = Counts::default();
    trees.add(new, 1)?;
    if let Some(old) = old {
        trees.add(old, -1)?;
    }
    for _ in 0..=PATH_DEPTH_MAX {
        if trees.is_empty() {
            return counter.total.into_references();
        }
        trees = counter.count_level(trees).await?;
    }
    Err(TreeError::TooDeep)
}

/// Signed numbers of references.
#[derive(Default)]
struct Counts(BTreeMap<BlobId, i64>);

impl Counts {
    fn add<E: std::error::Error + 'static>(&mut self, id: &BlobId, count: i64) -> Result<(), TreeError<E>> {
        let sum = self.0.entry(*id).or_default();
        *sum = sum.checked_add(count).ok_or(TreeError::TooManyReferences(*id))?;
        if *sum == 0 {
            self.0.remove(id);
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn into_references<E: std::error::Error + 'static>(self) -> Result<Vec<Reference>, TreeError<E>> {
        let reference = |(blob, count)| {
            let delta = i32::try_from(count).map_err(|_| TreeError::TooManyReferences(blob))?;
            Ok(Reference { blob, delta })
        };
        self.0.into_iter().map(reference).collect()
    }
}

struct Counter<'a, S> {
    source: &'a S,
    total: Counts,
}

/// What the directories of one level reference and must be read in turn.
#[derive(Default)]
struct Beneath {
    pages: Counts,
    lists: Counts,
    subtrees: Counts,
}

impl<S: BlobSource> Counter<'_, S> {
    /// Counts these directories with their pages, files and chunk lists, and returns their subdirectories.
    async fn count_level(&mut self, trees: Counts) -> Result<Counts, TreeError<S::Error>> {
        let mut beneath = Beneath::default();
        let mut ahead = Ahead::new(self.source, trees.0.keys().copied());
        for (tree, count) in trees.0 {
            self.total.add(&tree, count)?;
            ahead.step().await;
            match read_tree_blob(self.source, &tree).await? {
                TreeBlob::Plain(directory) => self.count_entries(&directory.entries, count, &mut beneath)?,
                TreeBlob::Paged(index) => {
                    for row in index.rows {
                        beneath.pages.add(&row.page, count)?;
                    }
                }
            }
        }
        let pages = std::mem::take(&mut beneath.pages).0;
        let mut ahead = Ahead::new(self.source, pages.keys().copied());
        for (page, count) in pages {
            self.total.add(&page, count)?;
            ahead.step().await;
            let raw = get_one(self.source, &page, BlobKind::Directory).await?;
            let directory = Directory::decode(&raw).map_err(TreeError::malformed(&page))?;
            self.count_entries(&directory.entries, count, &mut beneath)?;
        }
        let mut ahead = Ahead::new(self.source, beneath.lists.0.keys().copied());
        for (list, count) in beneath.lists.0 {
            self.total.add(&list, count)?;
            ahead.step().await;
            for chunk in read_chunk_list(self.source, &list).await? {
                self.total.add(&chunk.id, count)?;
            }
        }
        Ok(beneath.subtrees)
    }

    fn count_entries(
        &mut self,
        entries: &[Entry],
        count: i64,
        beneath: &mut Beneath,
    ) -> Result<(), TreeError<S::Error>> {
        for entry in entries {
            match &entry.node {
                Node::Directory { tree, .. } => beneath.subtrees.add(tree, count)?,
                Node::File { content: Content::Chunks(chunks), .. } => {
                    for chunk in chunks {
                        self.total.add(&chunk.id, count)?;
                    }
                }
                Node::File { content: Content::Lists(lists), .. } => {
                    for list in lists {
                        beneath.lists.add(list, count)?;
                    }
                }
                Node::File { content: Content::Inline(_), .. } | Node::Symlink { .. } => {}
            }
        }
        Ok(())
    }
}
