//! Carrying out a plan: each step becomes a change of the tree and a row of the index, read from what lies on the disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use client::{Error, Path, TreeChange, TreeWriter};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use protocol::id::SourceId;

use super::plan::{Counts, Step};
use super::read::{metadata, read_directory, read_file, read_link, read_metadata};
use crate::index::{Index, Record, RowChange};
use crate::scan::{Kind, Meta, Note, Reason, Root, TreePath};

/// Entries that are read at the same time; how many bytes, the client decides.
const ENTRIES_AT_ONCE: usize = 64;

/// An entry as it goes into the snapshot and into the index.
type Made = (TreeChange, RowChange);

/// Makes entries from what lies on the disk.
pub(super) struct Maker<'a> {
    pub(super) writer: TreeWriter,
    pub(super) root: Arc<Root>,
    pub(super) index: &'a Index,
    pub(super) source: SourceId,
    /// A part of a first backup may end before all steps are made.
    pub(super) may_stop: bool,
    /// Also what only lies elsewhere by now is read.
    pub(super) reads_all: bool,
}

/// What an entry became, or why nothing.
type Outcome = Result<Made, Note>;

pub(super) struct MadeAll {
    pub(super) entries: Vec<Made>,
    pub(super) notes: Vec<Note>,
    /// What was left for the next part.
    pub(super) left: Vec<Counts>,
    /// Where the last step was that was not left.
    pub(super) last: Option<TreePath>,
}

impl Maker<'_> {
    /// In the order of the steps, whatever is read first.
    pub(super) async fn make(&self, steps: Vec<Step>) -> Result<MadeAll, Error> {
        let mut entries = Vec::with_capacity(steps.len());
        let mut notes = Vec::new();
        let mut left: Vec<Counts> = steps.iter().map(Step::counts).collect();
        let mut done = 0;
        let mut last = None;
        let mut made = stream::iter(steps).map(|step| self.step(step)).buffered(ENTRIES_AT_ONCE);
        while let Some(outcome) = made.try_next().await? {
            done += 1;
            match outcome {
                Ok(made) => {
                    last = Some(made.1.path().clone());
                    entries.push(made);
                }
                Err(note) => {
                    last = Some(note.path.clone());
                    notes.push(note);
                }
            }
            if self.may_stop && self.writer.is_part_due() {
                break;
            }
        }
        left.drain(..done);
        Ok(MadeAll { entries, notes, left, last })
    }

    async fn step(&self, step: Step) -> Result<Outcome, Error> {
        match step {
            Step::Remove(path) => {
                Ok(Ok((TreeChange::Removed { path: to_path(&path)? }, RowChange::Remove(path))))
            }
            Step::Put(path, meta, before) => match self.put(&path, meta, before).await? {
                Ok(made) => Ok(Ok(made)),
                Err(reason) => Ok(Err(Note { path, reason: Reason::Unreadable(reason) })),
            },
        }
    }

    async fn put(
        &self,
        path: &TreePath,
        meta: Meta,
        before: Option<Record>,
    ) -> Result<Result<Made, String>, Error> {
        let at = to_path(path)?;
        match meta.kind {
            Kind::Directory => {
                let metadata = match read_directory(&self.root, path, meta).await {
                    Ok(metadata) => metadata,
                    // It can be listed by its parent; that it cannot be entered is noted by the walk.
                    Err(_) => metadata(&meta, BTreeMap::new()),
                };
                let row = RowChange::Put(path.clone(), Record::new(meta, None, i64::MAX));
                Ok(Ok((TreeChange::Directory { path: at, metadata }, row)))
            }
            Kind::Symlink => match read_link(&self.root, path).await {
                Ok(target) => {
                    let metadata = metadata(&meta, BTreeMap::new());
                    let row = RowChange::Put(path.clone(), Record::new(meta, None, i64::MAX));
                    Ok(Ok((TreeChange::Symlink { path: at, metadata, target }, row)))
                }
                Err(error) => Ok(Err(error.to_string())),
            },
            Kind::File => self.put_file(path, at, meta, before).await,
        }
    }

    async fn put_file(
        &self,
        path: &TreePath,
        at: Path,
        meta: Meta,
        before: Option<Record>,
    ) -> Result<Result<Made, String>, Error> {
        // A file that only lies elsewhere now need not be read. One that was here before is another.
        if before.is_none()
            && !self.reads_all
            && let Some(made) = self.moved(path, &at, meta).await
        {
            return Ok(Ok(made));
        }
        let read = match read_file(&self.root, path, &self.writer).await? {
            Ok(read) => read,
            Err(reason) => return Ok(Err(reason)),
        };
        let change = TreeChange::File {
            path: at,
            metadata: read.metadata,
            content: read.content,
            changed: read.changed,
        };
        Ok(Ok((change, RowChange::Put(path.clone(), read.record))))
    }

    async fn moved(&self, path: &TreePath, at: &Path, meta: Meta) -> Option<Made> {
        let record = self.index.moved(&meta).ok()??;
        let stored = record.file.clone()?;
        let content = stored.content.into_content()?;
        let metadata = read_metadata(&self.root, path, meta).await.ok()?;
        tracing::debug!(source = %self.source.short(), %path, "moved here");
        let content = client::StoredContent { size: meta.size, hash: stored.hash, content };
        let change = TreeChange::File { path: at.clone(), metadata, content, changed: false };
        Some((change, RowChange::Put(path.clone(), record)))
    }
}

pub(super) fn to_path(path: &TreePath) -> Result<Path, Error> {
    Path::parse(&path.components().collect::<Vec<_>>())
}
