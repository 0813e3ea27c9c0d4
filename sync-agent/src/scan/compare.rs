//! Merges a walk with what the index says of the same part of the folder. Both come in the order of paths, so neither
//! is held in memory.

use std::iter::Peekable;

use crate::index::{IndexError, Record};

use super::{Item, Kind, Meta, Note, TreePath, Walk};

/// How an entry stands to what the index says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// As it was.
    Same(TreePath, Record),
    /// Not in the index.
    New(TreePath, Meta),
    /// Not as it was, or too fresh to be sure.
    Changed(TreePath, Meta, Record),
    /// In the index, and not in the folder.
    Removed(TreePath, Record),
    /// In the index and left out by now.
    LeftOut(TreePath, Record),
    /// Passed over. What the index knows of an entry that cannot be read, and of what lies beneath it, follows as
    /// [`Self::Kept`].
    Note(Note),
    /// Cannot be looked at, and so stays as it was last seen.
    Kept(TreePath, Record),
}

/// What a walk met in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Files that are backed up.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that patterns leave out, each counted without what is beneath it.
    pub excluded: u64,
}

/// The differences of a folder, or of a part of it, in the order of paths.
pub struct Compare<'a, I: Iterator> {
    walk: Peekable<Walk<'a>>,
    rows: Peekable<I>,
    /// An unreadable entry: rows within it are kept.
    unreadable: Option<TreePath>,
    /// An entry that a pattern leaves out, with the rows within it.
    left_out: Option<TreePath>,
    seen: Seen,
}

impl<'a, I> Compare<'a, I>
where
    I: Iterator<Item = Result<(TreePath, Record), IndexError>>,
{
    /// `rows` are those of what the walk covers.
    pub fn new(walk: Walk<'a>, rows: I) -> Self {
        Self {
            walk: walk.peekable(),
            rows: rows.peekable(),
            unreadable: None,
            left_out: None,
            seen: Seen::default(),
        }
    }

    /// What was met so far.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    fn walked(&mut self, item: Item, row: Option<Record>) -> Option<Difference> {
        let (path, meta) = match item {
            Item::Entry(path, meta) => (path, meta),
            Item::Note(note) => {
                if note.reason.is_failure() {
                    self.unreadable = Some(note.path.clone());
                }
                return Some(Difference::Note(note));
            }
            Item::Excluded(path, ..) => {
                self.seen.excluded += 1;
                self.left_out = Some(path.clone());
                return row.map(|row| Difference::LeftOut(path, row));
            }
        };
        if meta.kind == Kind::File {
            self.seen.files += 1;
            self.seen.bytes += meta.size;
        }
        Some(match row {
            Some(row) if row.is_current(&meta) => Difference::Same(path, row),
            Some(row) => Difference::Changed(path, meta, row),
            None => Difference::New(path, meta),
        })
    }

    fn unwalked(&self, path: TreePath, row: Record) -> Difference {
        let is_within = |place: &Option<TreePath>| place.as_ref().is_some_and(|place| path.is_within(place));
        if is_within(&self.unreadable) {
            Difference::Kept(path, row)
        } else if is_within(&self.left_out) {
            Difference::LeftOut(path, row)
        } else {
            Difference::Removed(path, row)
        }
    }
}

impl<I> Iterator for Compare<'_, I>
where
    I: Iterator<Item = Result<(TreePath, Record), IndexError>>,
{
    type Item = Result<Difference, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let walked = self.walk.peek().map(Item::path);
            let row = match self.rows.peek() {
                Some(Ok((path, _))) => Some(path),
                Some(Err(_)) => return self.rows.next().map(|row| Err(row.expect_err("it was just seen"))),
                None => None,
            };
            let (take_walk, take_row) = match (walked, row) {
                (None, None) => return None,
                (Some(_), None) => (true, false),
                (None, Some(_)) => (false, true),
                // A note stands before the row of the same path, which is then kept, or removed.
                (Some(walked), Some(row)) if walked == row => {
                    let is_note = matches!(self.walk.peek(), Some(Item::Note(_)));
                    (true, !is_note)
                }
                (Some(walked), Some(row)) => (walked < row, row < walked),
            };
            let row = if take_row { self.rows.next().and_then(Result::ok) } else { None };
            let difference = if take_walk {
                let item = self.walk.next().expect("it was just seen");
                self.walked(item, row.map(|(_, record)| record))
            } else {
                row.map(|(path, record)| self.unwalked(path, record))
            };
            if let Some(difference) = difference {
                return Some(Ok(difference));
            }
        }
    }
}
