//! Restoring into a file system: what is there already is left, everything else is fetched, verified and handed to a
//! sink. What cannot be had of one file stops no other.

use std::cell::Cell;
use std::rc::Rc;

use ::backup::{Entry, Node};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};

use crate::browse::{TreeEntry, TreeNode};
use crate::contents::{Part, beneath, contents};
use crate::error::Error;
use crate::history::SnapshotRef;
use crate::path::Path;
use crate::vault::Vault;

/// Files that are looked for at the target at the same time.
const LOOKS_AHEAD: usize = 16;

/// Where a restore goes. Paths begin with the name of what is restored. Errors are text for a person, and are the
/// entry's own.
pub trait RestoreSink {
    /// Whether a file is there already, with these very bytes. Then it is not fetched.
    fn has_file<'a>(&'a self, path: &'a Path, entry: &'a TreeEntry) -> LocalBoxFuture<'a, bool>;

    /// Makes a folder. It may be there already.
    fn create_directory<'a>(
        &'a self,
        path: &'a Path,
        entry: &'a TreeEntry,
    ) -> LocalBoxFuture<'a, Result<(), String>>;

    /// Everything beneath a folder is restored: its mode, time and attributes can be set.
    fn finish_directory<'a>(
        &'a self,
        path: &'a Path,
        entry: &'a TreeEntry,
    ) -> LocalBoxFuture<'a, Result<(), String>>;

    /// Makes a symbolic link.
    fn create_symlink<'a>(
        &'a self,
        path: &'a Path,
        entry: &'a TreeEntry,
    ) -> LocalBoxFuture<'a, Result<(), String>>;

    /// Begins a file. It is dropped unfinished if it cannot be restored.
    fn create_file<'a>(
        &'a self,
        path: &'a Path,
        entry: &'a TreeEntry,
    ) -> LocalBoxFuture<'a, Result<Box<dyn WriteAt>, String>>;

    /// Something could not be restored.
    fn failed(&self, path: &Path, reason: &str);
}

/// A file that is being restored.
pub trait WriteAt {
    /// Writes the bytes at an offset.
    fn write_at(&mut self, offset: u64, bytes: Vec<u8>) -> LocalBoxFuture<'_, Result<(), String>>;

    /// The file is complete, and has the hash that it was backed up with: mode, time and attributes can be set.
    fn finish(self: Box<Self>) -> LocalBoxFuture<'static, Result<(), String>>;
}

/// What a restore came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestoreSummary {
    /// Files that were written and verified.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there already.
    pub skipped: u64,
    /// Entries that could not be restored; the sink was told which.
    pub failed: u64,
}

impl Vault {
    /// Restores an entry with all that is beneath it, or for the root everything.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Tree`] if a folder itself cannot be read, and those of the coordinator. After
    /// one, restoring again goes on where it ended.
    pub async fn restore<N: AsRef<[u8]>>(
        &self,
        snapshot: impl Into<SnapshotRef>,
        path: &[N],
        sink: Rc<dyn RestoreSink>,
    ) -> Result<RestoreSummary, Error> {
        let entries = self.selected(snapshot.into(), &Path::parse(path)?).await?;
        let skipped = Rc::new(Cell::new(0));
        let entries = beneath(self.fetcher().clone(), entries);
        let missing = without_present(entries, sink.clone(), skipped.clone());
        let mut parts = contents(self.fetcher().clone(), missing).boxed_local();
        let mut restore =
            Restore { sink, directories: Vec::new(), file: None, summary: RestoreSummary::default() };
        while let Some(part) = parts.try_next().await? {
            restore.take(part).await;
        }
        restore.leave_directories(None).await;
        Ok(RestoreSummary { skipped: skipped.get(), ..restore.summary })
    }
}

/// Leaves out the files that the sink has.
fn without_present(
    entries: impl Stream<Item = Result<(Path, Entry), Error>> + 'static,
    sink: Rc<dyn RestoreSink>,
    skipped: Rc<Cell<u64>>,
) -> impl Stream<Item = Result<(Path, Entry), Error>> {
    let looked_for = entries
        .map_ok(move |(path, entry)| {
            let sink = sink.clone();
            async move {
                let is_file = matches!(entry.node, Node::File { .. });
                let is_there = is_file && sink.has_file(&path, &TreeEntry::from(&entry)).await;
                Ok::<_, Error>((is_there, path, entry))
            }
        })
        .try_buffered(LOOKS_AHEAD);
    looked_for
        .map_ok(move |(is_there, path, entry)| {
            skipped.set(skipped.get() + u64::from(is_there));
            stream::iter((!is_there).then_some(Ok((path, entry))))
        })
        .try_flatten()
}

/// A restore under way.
struct Restore {
    sink: Rc<dyn RestoreSink>,
    /// Those that the next entry may be in, outermost first.
    directories: Vec<(Path, TreeEntry)>,
    file: Option<OpenFile>,
    summary: RestoreSummary,
}

struct OpenFile {
    path: Path,
    offset: u64,
    /// Gone after an error.
    writer: Option<Box<dyn WriteAt>>,
}

impl Restore {
    async fn take(&mut self, part: Part) {
        match part {
            Part::Begin { path, entry } => {
                self.leave_directories(Some(&path)).await;
                self.begin(path, (&*entry).into()).await;
            }
            Part::Data(data) => {
                let Some(file) = &mut self.file else { return };
                let Some(writer) = &mut file.writer else { return };
                let offset = file.offset;
                file.offset += data.len() as u64;
                if let Err(reason) = writer.write_at(offset, data).await {
                    file.writer = None;
                    let path = file.path.clone();
                    self.fail(&path, &reason);
                }
            }
            Part::Failed(error) => {
                if let Some(file) = self.file.take().filter(|file| file.writer.is_some()) {
                    self.fail(&file.path, &error.to_string());
                }
            }
            Part::End => {
                let Some(OpenFile { path, offset, writer: Some(writer) }) = self.file.take() else { return };
                match writer.finish().await {
                    Ok(()) => {
                        self.summary.files += 1;
                        self.summary.bytes += offset;
                    }
                    Err(reason) => self.fail(&path, &reason),
                }
            }
        }
    }

    async fn begin(&mut self, path: Path, entry: TreeEntry) {
        match &entry.node {
            TreeNode::Directory { .. } => match self.sink.create_directory(&path, &entry).await {
                Ok(()) => self.directories.push((path, entry)),
                Err(reason) => self.fail(&path, &reason),
            },
            TreeNode::Symlink { .. } => {
                let created = self.sink.create_symlink(&path, &entry).await;
                created.unwrap_or_else(|reason| self.fail(&path, &reason));
            }
            TreeNode::File { .. } => {
                let created = self.sink.create_file(&path, &entry).await;
                let writer = created.map_err(|reason| self.fail(&path, &reason)).ok();
                self.file = Some(OpenFile { path, offset: 0, writer });
            }
        }
    }

    /// Finishes the directories that `next` is not in.
    async fn leave_directories(&mut self, next: Option<&Path>) {
        let is_left = |(path, _): &mut (Path, TreeEntry)| {
            next.is_none_or(|next| !next.names().starts_with(path.names()))
        };
        while let Some((path, entry)) = self.directories.pop_if(is_left) {
            let finished = self.sink.finish_directory(&path, &entry).await;
            finished.unwrap_or_else(|reason| self.fail(&path, &reason));
        }
    }

    fn fail(&mut self, path: &Path, reason: &str) {
        self.summary.failed += 1;
        self.sink.failed(path, reason);
    }
}
