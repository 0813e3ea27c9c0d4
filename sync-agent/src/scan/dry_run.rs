//! What patterns would leave out, with counts and sizes, without changing anything.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::{Item, Kind, Note, Root, TreePath, Walk};

/// Examples that are named for each pattern.
const EXAMPLES_MAX: usize = 10;
/// Notes that are kept.
const NOTES_MAX: usize = 100;

/// What one pattern leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Matched {
    /// Files, those in folders that match included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The largest of what matches by itself, with the bytes in it.
    pub examples: Vec<(TreePath, u64)>,
}

/// What a backup of a folder would take and leave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DryRun {
    /// Files to back up.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is left out, by pattern.
    pub excluded: BTreeMap<String, Matched>,
    /// What would be passed over.
    pub notes: Vec<Note>,
}

/// Walks the folder twice over where patterns match: once as a backup would, and into what it leaves out, to count it.
///
/// # Errors
/// If the folder itself cannot be read.
pub fn dry_run(root: &Root, unfiltered: &Root) -> io::Result<DryRun> {
    let mut out = DryRun::default();
    for item in Walk::new(root, &TreePath::default())? {
        match item {
            Item::Entry(_, meta) if meta.kind == Kind::File => {
                out.files += 1;
                out.bytes += meta.size;
            }
            Item::Entry(..) => {}
            Item::Note(note) => {
                if out.notes.len() < NOTES_MAX {
                    out.notes.push(note);
                }
            }
            Item::Excluded(path, _, pattern) => {
                let matched = out.excluded.entry(pattern).or_default();
                let bytes_before = matched.bytes;
                count(unfiltered, &path, matched)?;
                let bytes = matched.bytes - bytes_before;
                let at = matched.examples.partition_point(|(_, larger)| *larger >= bytes);
                matched.examples.insert(at, (path, bytes));
                matched.examples.truncate(EXAMPLES_MAX);
            }
        }
    }
    Ok(out)
}

fn count(unfiltered: &Root, path: &TreePath, matched: &mut Matched) -> io::Result<()> {
    for item in Walk::new(unfiltered, path)? {
        if let Item::Entry(_, meta) = item
            && meta.kind == Kind::File
        {
            matched.files += 1;
            matched.bytes += meta.size;
        }
    }
    Ok(())
}
