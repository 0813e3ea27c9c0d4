//! Reading of trees: one directory, one entry by its path, all entries beneath a root.

use std::vec;

use crypto::blob::BlobKind;
use protocol::id::BlobId;

use crate::blobs::{Ahead, BlobSource, TreeError, get_one};
use crate::build::sum_totals;
use crate::directory::{Directory, PageIndex, PageRow};
use crate::entry::{Entry, Node};
use crate::format::{Extensions, FormatError, rule};
use crate::name::{Name, PATH_DEPTH_MAX};
use crate::pages::page_lens;
use crate::totals::Totals;

/// The root of a directory's own blobs.
pub(crate) enum TreeBlob {
    Plain(Directory),
    Paged(PageIndex),
}

/// A directory with all its pages, as it is stored.
#[derive(Default)]
pub(crate) struct StoredDirectory {
    pub(crate) entries: Vec<Entry>,
    pub(crate) extensions: Extensions,
    /// Empty if the directory is one blob.
    rows: Vec<PageRow>,
}

impl StoredDirectory {
    /// The stored page that holds exactly these entries.
    pub(crate) fn find_page(&self, entries: &[Entry]) -> Option<BlobId> {
        let first_name = &entries.first()?.name;
        let row = self.rows.binary_search_by(|row| row.first_name.cmp(first_name)).ok()?;
        let start: usize = self.rows[..row].iter().map(|row| row.entries as usize).sum();
        let row = &self.rows[row];
        (self.entries[start..start + row.entries as usize] == *entries).then_some(row.page)
    }
}

/// All entries of a directory, ascending by name; `tree` is a directory or a page index.
///
/// # Errors
/// [`TreeError::Read`], [`TreeError::Malformed`].
pub async fn read_directory<S: BlobSource>(
    source: &S,
    tree: &BlobId,
) -> Result<Vec<Entry>, TreeError<S::Error>> {
    Ok(read_stored(source, tree).await?.entries)
}

pub(crate) async fn read_stored<S: BlobSource>(
    source: &S,
    tree: &BlobId,
) -> Result<StoredDirectory, TreeError<S::Error>> {
    let index = match read_tree_blob(source, tree).await? {
        TreeBlob::Plain(Directory { entries, extensions }) => {
            return Ok(StoredDirectory { entries, extensions, rows: Vec::new() });
        }
        TreeBlob::Paged(index) => index,
    };
    let mut entries = Vec::new();
    let mut ahead = Ahead::new(source, index.rows.iter().map(|row| row.page));
    for (at, row) in index.rows.iter().enumerate() {
        ahead.step().await;
        let next = index.rows.get(at + 1);
        entries.extend(read_page(source, row, next).await?.entries);
    }
    check_cuts(&index, &entries).map_err(TreeError::malformed(tree))?;
    Ok(StoredDirectory { entries, extensions: index.extensions, rows: index.rows })
}

/// A directory is cut into pages if and where the format says so.
fn check_cuts(index: &PageIndex, entries: &[Entry]) -> Result<(), FormatError> {
    let expected = page_lens(entries).ok_or(FormatError::Rule("a small directory is cut into pages"))?;
    let actual = index.rows.iter().map(|row| row.entries as usize);
    rule(actual.eq(expected), "a directory is not cut into pages where it should be")
}

pub(crate) async fn read_tree_blob<S: BlobSource>(
    source: &S,
    tree: &BlobId,
) -> Result<TreeBlob, TreeError<S::Error>> {
    const EXPECTED: [BlobKind; 2] = [BlobKind::Directory, BlobKind::PageIndex];
    let (kind, raw) =
        source.get(tree, &EXPECTED).await.map_err(|source| TreeError::Read { id: *tree, source })?;
    let blob = match kind {
        BlobKind::PageIndex => PageIndex::decode(&raw).map(TreeBlob::Paged),
        _ => Directory::decode(&raw).map(TreeBlob::Plain),
    };
    blob.map_err(TreeError::malformed(tree))
}

/// The page of `row`, judged by what its index says of it and of the page after it.
pub(crate) async fn read_page<S: BlobSource>(
    source: &S,
    row: &PageRow,
    next: Option<&PageRow>,
) -> Result<Directory, TreeError<S::Error>> {
    let raw = get_one(source, &row.page, BlobKind::Directory).await?;
    let check = |page: Directory| {
        rule(
            page.entries.len() == row.entries as usize,
            "a page does not have as many entries as its index says",
        )?;
        let first = page.entries.first().map(|entry| &entry.name);
        rule(first == Some(&row.first_name), "a page does not begin with the name that its index says")?;
        let before_next =
            next.is_none_or(|next| page.entries.iter().all(|entry| entry.name < next.first_name));
        rule(before_next, "a page reaches into the next")?;
        Ok(page)
    };
    Directory::decode(&raw).and_then(check).map_err(TreeError::malformed(&row.page))
}

/// The entry at `path`, which has at least one name; `None` if there is none. Reads one page per directory.
///
/// # Errors
/// [`TreeError::Read`], [`TreeError::Malformed`].
pub async fn find<S: BlobSource>(
    source: &S,
    root: &BlobId,
    path: &[Name],
) -> Result<Option<Entry>, TreeError<S::Error>> {
    let Some((name, parents)) = path.split_last() else { return Ok(None) };
    let mut tree = *root;
    for parent in parents {
        match find_in_directory(source, &tree, parent).await? {
            Some(Entry { node: Node::Directory { tree: child, .. }, .. }) => tree = child,
            _ => return Ok(None),
        }
    }
    find_in_directory(source, &tree, name).await
}

async fn find_in_directory<S: BlobSource>(
    source: &S,
    tree: &BlobId,
    name: &Name,
) -> Result<Option<Entry>, TreeError<S::Error>> {
    let mut entries = match read_tree_blob(source, tree).await? {
        TreeBlob::Plain(directory) => directory.entries,
        TreeBlob::Paged(index) => {
            let after = index.rows.partition_point(|row| row.first_name <= *name);
            let Some(at) = after.checked_sub(1) else { return Ok(None) };
            read_page(source, &index.rows[at], index.rows.get(after)).await?.entries
        }
    };
    let at = entries.binary_search_by(|entry| entry.name.cmp(name)).ok();
    Ok(at.map(|at| entries.swap_remove(at)))
}

/// All entries beneath a directory, depth first, each directory before what is in it, in the order of names.
///
/// Holds the entries of one directory per level.
pub struct Walk<'a, S> {
    source: &'a S,
    /// The directory that is entered next.
    pending: Option<Pending>,
    /// The directories being walked, outermost first.
    levels: Vec<Level<'a, S>>,
    /// Their names, but for the root.
    path: Vec<Name>,
}

struct Level<'a, S> {
    /// What is left of it.
    entries: vec::IntoIter<Entry>,
    /// Its subdirectories.
    ahead: Ahead<'a, S>,
}

struct Pending {
    tree: BlobId,
    /// What its parent says of it; the root has none.
    claim: Option<(Name, Totals)>,
}

impl<'a, S: BlobSource> Walk<'a, S> {
    /// Begins at `root`.
    pub fn new(source: &'a S, root: BlobId) -> Self {
        let pending = Some(Pending { tree: root, claim: None });
        Self { source, pending, levels: Vec::new(), path: Vec::new() }
    }

    /// The names of the directories above the next entry, outermost first, and the entry.
    ///
    /// # Errors
    /// [`TreeError::Read`], [`TreeError::Malformed`], [`TreeError::TooDeep`]. The walk cannot go on after one.
    pub async fn next(&mut self) -> Result<Option<(&[Name], Entry)>, TreeError<S::Error>> {
        if let Some(pending) = self.pending.take() {
            self.enter(pending).await?;
        }
        while let Some(level) = self.levels.last_mut() {
            let Some(entry) = level.entries.next() else {
                self.levels.pop();
                self.path.pop();
                continue;
            };
            if let Node::Directory { totals, tree } = &entry.node {
                let claim = Some((entry.name.clone(), *totals));
                self.pending = Some(Pending { tree: *tree, claim });
            }
            return Ok(Some((&self.path, entry)));
        }
        Ok(None)
    }

    async fn enter(&mut self, Pending { tree, claim }: Pending) -> Result<(), TreeError<S::Error>> {
        if let Some(parent) = self.levels.last_mut() {
            parent.ahead.step().await;
        }
        let entries = read_directory(self.source, &tree).await?;
        if self.levels.len() == PATH_DEPTH_MAX && !entries.is_empty() {
            return Err(TreeError::TooDeep);
        }
        if let Some((name, totals)) = claim {
            sum_totals(&entries)
                .and_then(|sum| rule(sum == totals, "a directory's totals are not those of its entries"))
                .map_err(TreeError::malformed(&tree))?;
            self.path.push(name);
        }
        let ahead = Ahead::new(self.source, entries.iter().filter_map(Entry::tree));
        self.levels.push(Level { entries: entries.into_iter(), ahead });
        Ok(())
    }
}
