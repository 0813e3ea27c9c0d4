//! Restoring into a file system: what is there already is left, everything else is fetched, verified and handed to a
//! sink. What cannot be had of one file stops no other, and what is left over of one is not fetched again.

use std::cell::Cell;
use std::rc::Rc;

use ::backup::{Entry, Node};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};

use crate::browse::{TreeEntry, TreeNode};
use crate::contents::{LeftOver, Part, Wanted, beneath, contents};
use crate::error::Error;
use crate::history::{Reading, SnapshotRef};
use crate::path::Path;
use crate::vault::Vault;

/// Files that are looked for at the target at the same time.
const LOOKS_AHEAD: usize = 16;

/// Where a restore goes. Paths begin with the name of what is restored. Errors are text for a person, and are the
/// entry's own.
pub trait RestoreSink {
    /// Whether a file is there already, with these very bytes. Then it is not fetched.
    fn has_file<'a>(&'a self, path: &'a Path, entry: &'a TreeEntry) -> LocalBoxFuture<'a, bool>;

    /// What a restore that ended early left of a file that is not there.
    fn left_over<'a>(
        &'a self,
        _path: &'a Path,
        _entry: &'a TreeEntry,
    ) -> LocalBoxFuture<'a, Option<LeftOver>> {
        Box::pin(async { None })
    }

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

    /// Begins a file. It is dropped unfinished if it cannot be restored now; what was written may be left over then.
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

    /// The next `len` bytes are those that were left over. They come before all that are written.
    fn keep(&mut self, len: u64) -> LocalBoxFuture<'_, Result<(), String>> {
        Box::pin(async move { Err(format!("{len} bytes are left over, and nobody said so")) })
    }

    /// What was left over is wrong: nothing of the file is to stay.
    fn discard(self: Box<Self>) -> LocalBoxFuture<'static, ()> {
        Box::pin(async {})
    }

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
        let snapshot = snapshot.into();
        let path = Path::parse(path)?;
        let reading = self.reading(snapshot, std::slice::from_ref(&path))?;
        let entries = self.selected(snapshot, &path).await?;
        // Of no snapshot there is nothing to restore.
        let Some(reading) = reading else { return Ok(RestoreSummary::default()) };
        let skipped = Rc::new(Cell::new(0));
        let fetcher = self.fetcher().patient();
        let entries = beneath(fetcher.clone(), entries);
        let missing = without_present(entries, sink.clone(), skipped.clone());
        let mut restore = Restore {
            vault: self.clone(),
            reading: reading.clone(),
            sink,
            directories: Vec::new(),
            file: None,
            summary: RestoreSummary::default(),
        };
        match restore.take_all(contents(fetcher, missing)).await {
            Ok(()) => Ok(RestoreSummary { skipped: skipped.get(), ..restore.summary }),
            Err(error) => Err(self.explain(&reading, None, error).await),
        }
    }
}

/// Leaves out the files that the sink has.
fn without_present(
    entries: impl Stream<Item = Result<(Path, Entry), Error>> + 'static,
    sink: Rc<dyn RestoreSink>,
    skipped: Rc<Cell<u64>>,
) -> impl Stream<Item = Result<Wanted, Error>> {
    let looked_for = entries
        .map_ok(move |(path, entry)| {
            let sink = sink.clone();
            async move {
                if !matches!(entry.node, Node::File { .. }) {
                    return Ok::<_, Error>(Some((path, entry).into()));
                }
                let listed = TreeEntry::from(&entry);
                if sink.has_file(&path, &listed).await {
                    return Ok(None);
                }
                let left_over = sink.left_over(&path, &listed).await;
                Ok(Some(Wanted { path, entry, left_over }))
            }
        })
        .try_buffered(LOOKS_AHEAD);
    looked_for
        .map_ok(move |wanted| {
            skipped.set(skipped.get() + u64::from(wanted.is_none()));
            stream::iter(wanted.map(Ok))
        })
        .try_flatten()
}

/// A restore under way.
struct Restore {
    vault: Vault,
    reading: Reading,
    sink: Rc<dyn RestoreSink>,
    /// Those that the next entry may be in, outermost first.
    directories: Vec<(Path, TreeEntry)>,
    file: Option<OpenFile>,
    summary: RestoreSummary,
}

struct OpenFile {
    path: Path,
    entry: Box<Entry>,
    offset: u64,
    /// Some of it was left over.
    is_resumed: bool,
    /// Gone after an error.
    writer: Option<Box<dyn WriteAt>>,
}

impl Restore {
    async fn take_all(&mut self, parts: impl Stream<Item = Result<Part, Error>>) -> Result<(), Error> {
        let mut parts = std::pin::pin!(parts);
        while let Some(part) = parts.try_next().await? {
            if let Some(again) = self.take(part).await {
                self.fetch_all(again).await?;
            }
        }
        self.leave_directories(None).await;
        Ok(())
    }

    /// Returns a file of which something wrong was left over: all of it is to be fetched.
    async fn take(&mut self, part: Part) -> Option<Wanted> {
        match part {
            Part::Begin { path, entry } => {
                self.leave_directories(Some(&path)).await;
                self.begin(path, entry).await;
            }
            Part::Data(data) => {
                let file = self.file.as_mut()?;
                let offset = file.offset;
                file.offset += data.len() as u64;
                let written = file.writer.as_mut()?.write_at(offset, data).await;
                self.give_up_if(written);
            }
            Part::Kept(len) => {
                let file = self.file.as_mut()?;
                file.offset += len;
                file.is_resumed = true;
                let kept = file.writer.as_mut()?.keep(len).await;
                self.give_up_if(kept);
            }
            Part::Failed(error) => {
                let OpenFile { path, entry, is_resumed, writer, .. } = self.file.take()?;
                let writer = writer?;
                if let Error::Damaged { .. } = error {
                    writer.discard().await;
                    if is_resumed {
                        return Some((path, *entry).into());
                    }
                }
                let error = self.vault.explain(&self.reading, Some(&path), error).await;
                self.fail(&path, &error.to_string());
            }
            Part::End => {
                let OpenFile { path, offset, writer, .. } = self.file.take()?;
                match writer?.finish().await {
                    Ok(()) => {
                        self.summary.files += 1;
                        self.summary.bytes += offset;
                    }
                    Err(reason) => self.fail(&path, &reason),
                }
            }
        }
        None
    }

    /// Fetches a file in place of what was left over of it.
    async fn fetch_all(&mut self, wanted: Wanted) -> Result<(), Error> {
        let mut parts = contents(self.vault.fetcher().patient(), stream::iter([Ok(wanted)])).boxed_local();
        while let Some(part) = parts.try_next().await? {
            // Nothing is left over any more.
            self.take(part).await;
        }
        Ok(())
    }

    async fn begin(&mut self, path: Path, entry: Box<Entry>) {
        let listed = TreeEntry::from(&*entry);
        match &listed.node {
            TreeNode::Directory { .. } => match self.sink.create_directory(&path, &listed).await {
                Ok(()) => self.directories.push((path, listed)),
                Err(reason) => self.fail(&path, &reason),
            },
            TreeNode::Symlink { .. } => {
                let created = self.sink.create_symlink(&path, &listed).await;
                created.unwrap_or_else(|reason| self.fail(&path, &reason));
            }
            TreeNode::File { .. } => {
                let created = self.sink.create_file(&path, &listed).await;
                let writer = created.map_err(|reason| self.fail(&path, &reason)).ok();
                self.file = Some(OpenFile { path, entry, offset: 0, is_resumed: false, writer });
            }
        }
    }

    /// After an error of the sink, nothing more of that file.
    fn give_up_if(&mut self, result: Result<(), String>) {
        if let (Err(reason), Some(file)) = (result, &mut self.file) {
            file.writer = None;
            let path = file.path.clone();
            self.fail(&path, &reason);
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
