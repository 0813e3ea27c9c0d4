//! Which parts of a folder are looked at for hints.

use std::collections::BTreeSet;

use protocol::id::SourceId;

use crate::index::{Index, IndexError};
use crate::scan::TreePath;

/// What is to be looked at.
pub(super) enum Part {
    /// A directory, without what is in it.
    Itself(TreePath),
    /// An entry and all beneath it.
    Within(TreePath),
}

/// What to look at for hints, in the order of paths: everything beneath each, and the directories above. A directory
/// that the index does not know yet is looked at as a whole.
pub(super) fn parts(
    source: &SourceId,
    paths: &BTreeSet<TreePath>,
    index: &Index,
) -> Result<Vec<Part>, IndexError> {
    let mut whole: BTreeSet<TreePath> = BTreeSet::new();
    let mut above = BTreeSet::new();
    for path in paths {
        let mut top = path.clone();
        for ancestor in path.ancestors() {
            if index.row(source, &ancestor)?.is_none() {
                top = ancestor;
                break;
            }
            above.insert(ancestor);
        }
        whole.insert(top);
    }
    let mut parts: Vec<Part> = Vec::new();
    let mut last: Option<TreePath> = None;
    let mut all: Vec<TreePath> = whole.iter().chain(&above).cloned().collect();
    all.sort_unstable();
    all.dedup();
    for path in all {
        if last.as_ref().is_some_and(|last| path.is_within(last)) {
            continue;
        }
        if whole.contains(&path) {
            last = Some(path.clone());
            parts.push(Part::Within(path));
        } else {
            parts.push(Part::Itself(path));
        }
    }
    Ok(parts)
}
