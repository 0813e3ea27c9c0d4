//! What differs between two trees, path by path. Only directories that differ are read.

use std::collections::{HashMap, VecDeque};
use std::vec;

use protocol::id::BlobId;

use crate::blobs::{BlobSource, TreeError};
use crate::build::sum_totals;
use crate::entry::{Entry, Node};
use crate::format::rule;
use crate::name::{Name, PATH_DEPTH_MAX};
use crate::totals::Totals;
use crate::walk::read_directory;

/// Differences that are held back at most, in case a later one shows that something only moved.
const WINDOW: usize = 4096;

/// A difference of two trees. A directory that is in one of them alone is one difference, with all beneath it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// In the newer tree alone.
    Added {
        /// Names of the directories above it, outermost first.
        parents: Vec<Name>,
        /// As it is now.
        entry: Box<Entry>,
    },
    /// In the older tree alone.
    Removed {
        /// Names of the directories above it, outermost first.
        parents: Vec<Name>,
        /// As it was.
        entry: Box<Entry>,
    },
    /// In both, and not the same. Of a directory, what is beneath it is not meant.
    Changed {
        /// Names of the directories above it, outermost first.
        parents: Vec<Name>,
        /// As it was.
        before: Box<Entry>,
        /// As it is now.
        after: Box<Entry>,
        /// Another content, or another target of a link. Else only mode, time or attributes are others.
        content: bool,
    },
    /// The same content at another path: a file by its hash, a directory by all that is beneath it.
    Moved {
        /// Names of the directories that were above it.
        from: Vec<Name>,
        /// As it was.
        before: Box<Entry>,
        /// Names of the directories above it now.
        to: Vec<Name>,
        /// As it is now.
        after: Box<Entry>,
    },
}

/// The differences of two trees, directories before what is in them, in the order of names; what moved stands where
/// the first of its two paths does.
///
/// Holds the entries of one directory per level and tree, and [`WINDOW`] differences: what moved farther than that
/// is seen as removed and added.
pub struct Comparison<'a, S> {
    pairs: Pairs<'a, S>,
    window: VecDeque<Difference>,
    /// The number of the window's first difference.
    first: u64,
    /// Differences in the window that have no counterpart yet, by number.
    unmatched: HashMap<(Side, Identity), VecDeque<u64>>,
}

/// In which tree something is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    Old,
    New,
}

/// What a file or directory is recognised by at another path.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Identity {
    File { hash: [u8; 32], size: u64 },
    Directory(BlobId),
}

impl<'a, S: BlobSource> Comparison<'a, S> {
    /// Compares the trees of two roots; no root is an empty tree.
    pub fn new(source: &'a S, old: Option<BlobId>, new: Option<BlobId>) -> Self {
        let pending = (old != new).then_some(Pending { old, new, claims: None });
        let pairs = Pairs { source, pending, levels: Vec::new(), path: Vec::new() };
        Self { pairs, window: VecDeque::new(), first: 0, unmatched: HashMap::new() }
    }

    /// The next difference.
    ///
    /// # Errors
    /// [`TreeError::Read`], [`TreeError::Malformed`], [`TreeError::TooDeep`]. The comparison cannot go on after one.
    pub async fn next(&mut self) -> Result<Option<Difference>, TreeError<S::Error>> {
        while self.window.len() < WINDOW {
            let Some(difference) = self.pairs.next().await? else { break };
            self.hold(difference);
        }
        let Some(difference) = self.window.pop_front() else { return Ok(None) };
        if let Some(key) = movable(&difference)
            && let Some(numbers) = self.unmatched.get_mut(&key)
        {
            // Numbers ascend, so that the oldest of the window is the first.
            numbers.pop_front_if(|number| *number == self.first);
            if numbers.is_empty() {
                self.unmatched.remove(&key);
            }
        }
        self.first += 1;
        Ok(Some(difference))
    }

    /// Takes a difference into the window, or completes the one there that it is the other half of.
    fn hold(&mut self, difference: Difference) {
        if let Some((side, identity)) = movable(&difference) {
            let other = match side {
                Side::Old => Side::New,
                Side::New => Side::Old,
            };
            if let Some(number) = self.unmatched.get_mut(&(other, identity)).and_then(VecDeque::pop_front) {
                let at = usize::try_from(number - self.first).expect("within the window");
                let half = &mut self.window[at];
                *half = moved(half.clone(), difference);
                return;
            }
            let number = self.first + self.window.len() as u64;
            self.unmatched.entry((side, identity)).or_default().push_back(number);
        }
        self.window.push_back(difference);
    }
}

/// Empty files and directories, and links, are not looked for elsewhere: any of them would do.
fn movable(difference: &Difference) -> Option<(Side, Identity)> {
    let (side, entry) = match difference {
        Difference::Added { entry, .. } => (Side::New, entry),
        Difference::Removed { entry, .. } => (Side::Old, entry),
        Difference::Changed { .. } | Difference::Moved { .. } => return None,
    };
    let identity = match &entry.node {
        Node::File { size: 0, .. } | Node::Symlink { .. } => return None,
        Node::File { size, hash, .. } => Identity::File { hash: *hash, size: *size },
        Node::Directory { totals, .. } if totals.sum().files == 0 => return None,
        Node::Directory { tree, .. } => Identity::Directory(*tree),
    };
    Some((side, identity))
}

/// Both halves of a move, in whichever order they came.
fn moved(a: Difference, b: Difference) -> Difference {
    match (a, b) {
        (
            Difference::Removed { parents: from, entry: before },
            Difference::Added { parents: to, entry: after },
        )
        | (
            Difference::Added { parents: to, entry: after },
            Difference::Removed { parents: from, entry: before },
        ) => Difference::Moved { from, before, to, after },
        (a, _) => a,
    }
}

/// Walks both trees at once, without looking for what moved.
struct Pairs<'a, S> {
    source: &'a S,
    /// The directories that are entered next.
    pending: Option<Pending>,
    /// What is left of the directories being compared, outermost first.
    levels: Vec<vec::IntoIter<Pair>>,
    /// Their names, but for the root.
    path: Vec<Name>,
}

struct Pending {
    old: Option<BlobId>,
    new: Option<BlobId>,
    /// Their name, and what their parents say of them; roots have none.
    claims: Option<(Name, Totals, Totals)>,
}

/// What both trees have under one name: two entries of one kind that differ, or one that is in one tree alone.
type Pair = (Option<Entry>, Option<Entry>);

impl<S: BlobSource> Pairs<'_, S> {
    async fn next(&mut self) -> Result<Option<Difference>, TreeError<S::Error>> {
        loop {
            if let Some(pending) = self.pending.take() {
                self.enter(pending).await?;
            }
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let Some(pair) = level.next() else {
                self.levels.pop();
                self.path.pop();
                continue;
            };
            if let Some(difference) = self.judge(pair) {
                return Ok(Some(difference));
            }
        }
    }

    /// What a pair is reported as, if not only what is beneath it differs.
    fn judge(&mut self, pair: Pair) -> Option<Difference> {
        let parents = self.path.clone();
        let (before, after) = match pair {
            (Some(before), Some(after)) => (before, after),
            (Some(entry), None) => return Some(Difference::Removed { parents, entry: Box::new(entry) }),
            (None, Some(entry)) => return Some(Difference::Added { parents, entry: Box::new(entry) }),
            (None, None) => return None,
        };
        let content = match (&before.node, &after.node) {
            (
                Node::Directory { tree: old, totals: old_totals },
                Node::Directory { tree: new, totals: new_totals },
            ) => {
                if old != new {
                    let claims = Some((after.name.clone(), *old_totals, *new_totals));
                    self.pending = Some(Pending { old: Some(*old), new: Some(*new), claims });
                }
                false
            }
            (Node::File { size: old_size, hash: old, .. }, Node::File { size: new_size, hash: new, .. }) => {
                (old_size, old) != (new_size, new)
            }
            (before, after) => before != after,
        };
        (content || !has_same_metadata(&before, &after)).then(|| Difference::Changed {
            parents,
            before: Box::new(before),
            after: Box::new(after),
            content,
        })
    }

    async fn enter(&mut self, pending: Pending) -> Result<(), TreeError<S::Error>> {
        let old = self.read(pending.old, pending.claims.as_ref().map(|claims| &claims.1)).await?;
        let new = self.read(pending.new, pending.claims.as_ref().map(|claims| &claims.2)).await?;
        if let Some((name, ..)) = pending.claims {
            self.path.push(name);
        }
        self.levels.push(merge(old, new).into_iter());
        Ok(())
    }

    async fn read(
        &self,
        tree: Option<BlobId>,
        claim: Option<&Totals>,
    ) -> Result<Vec<Entry>, TreeError<S::Error>> {
        let Some(tree) = tree else { return Ok(Vec::new()) };
        let entries = read_directory(self.source, &tree).await?;
        if self.levels.len() == PATH_DEPTH_MAX && !entries.is_empty() {
            return Err(TreeError::TooDeep);
        }
        let sum = sum_totals(&entries).map_err(TreeError::malformed(&tree))?;
        rule(claim.is_none_or(|claim| *claim == sum), "a directory's totals are not those of its entries")
            .map_err(TreeError::malformed(&tree))?;
        Ok(entries)
    }
}

fn has_same_metadata(before: &Entry, after: &Entry) -> bool {
    let changed = |entry: &Entry| matches!(entry.node, Node::File { changed: true, .. });
    before.mode == after.mode
        && before.mtime_ns == after.mtime_ns
        && before.xattrs == after.xattrs
        && before.extensions == after.extensions
        && changed(before) == changed(after)
}

/// By name, without what is equal. What became something of another kind is in each tree alone.
fn merge(old: Vec<Entry>, new: Vec<Entry>) -> Vec<Pair> {
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let before = old.next_if(|before| new.peek().is_none_or(|after| before.name <= after.name));
        let after = match &before {
            Some(before) => new.next_if(|after| after.name == before.name),
            None => new.next(),
        };
        match (before, after) {
            (None, None) => return pairs,
            (Some(before), Some(after)) if before == after => {}
            (Some(before), Some(after)) if !is_same_kind(&before, &after) => {
                pairs.extend([(Some(before), None), (None, Some(after))]);
            }
            pair => pairs.push(pair),
        }
    }
}

fn is_same_kind(before: &Entry, after: &Entry) -> bool {
    std::mem::discriminant(&before.node) == std::mem::discriminant(&after.node)
}
