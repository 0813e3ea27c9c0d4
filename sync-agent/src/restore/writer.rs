//! A file on its way to the disk: its bytes are gathered to few large writes, which happen while the next are fetched.

use std::io;
use std::sync::Arc;

use backup::Name;
use client::{Path, TreeEntry, WriteAt};
use futures_util::future::LocalBoxFuture;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};

use super::Options;
use super::attributes::Applied;
use super::batch::Batch;
use super::delete::Deletion;
use super::directory::Directory;
use super::file::{NewFile, discard_left};
use super::report::{Event, Report};
use super::sink::make_way;

/// Bytes are written once there are so many. Of smaller files nothing is left over.
pub(super) const BUFFER_BYTES: usize = 4 << 20;
const MIB: usize = 1 << 20;
/// What a file that is being finished counts at least: of many small ones, threads would only wait for the lock of the
/// directory that they all are in.
const FINISHING_MIB_MIN: u32 = 8;

/// Where a file goes, and what it is to be.
pub(super) struct Place {
    pub(super) directory: Arc<Directory>,
    /// They lead to it from the target.
    pub(super) names: Vec<Name>,
    pub(super) path: Path,
    pub(super) entry: TreeEntry,
    pub(super) size: u64,
    pub(super) hash: [u8; 32],
    pub(super) options: Arc<Options>,
    pub(super) deletion: Option<Arc<Deletion>>,
    pub(super) report: Arc<Report>,
}

/// The bytes of a file, with where they begin.
type Pieces = Vec<(u64, Vec<u8>)>;

pub(super) struct Writer {
    place: Place,
    /// The first bytes, which were left over.
    kept: u64,
    pieces: Pieces,
    buffered: usize,
    /// The write under way.
    written: Option<JoinHandle<io::Result<NewFile>>>,
    /// Bounds the files that are being finished.
    writing: Arc<Semaphore>,
    batch: Arc<Batch>,
}

impl Writer {
    pub(super) fn new(place: Place, writing: Arc<Semaphore>, batch: Arc<Batch>) -> Self {
        Self { place, kept: 0, pieces: Vec::new(), buffered: 0, written: None, writing, batch }
    }

    /// The file with all that was flushed, once that is on its way to the disk; or how it is to begin.
    async fn flushed(&mut self) -> io::Result<Begun> {
        match self.written.take() {
            Some(written) => written.await.expect("writing a file does not panic").map(Begun::Open),
            None => Ok(Begun::Not { kept: self.kept }),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let file = self.flushed().await?;
        let pieces = std::mem::take(&mut self.pieces);
        self.buffered = 0;
        let (directory, name) = (self.place.directory.clone(), self.place.name().clone());
        let hash = self.place.hash;
        self.written = Some(spawn_blocking(move || write(file, directory, &name, &hash, &pieces)));
        Ok(())
    }

    async fn finish(mut self) -> io::Result<()> {
        let file = self.flushed().await?;
        let cost = u32::try_from(self.buffered / MIB).unwrap_or(u32::MAX).clamp(FINISHING_MIB_MIN, 8);
        let permit = self.writing.clone().acquire_many_owned(cost).await.expect("never closed");
        let Self { place, pieces, batch, .. } = self;
        spawn_blocking(move || {
            finish(place, file, &pieces, &batch);
            drop(permit);
        });
        Ok(())
    }
}

/// A file that is open, or is to begin.
enum Begun {
    Open(NewFile),
    Not { kept: u64 },
}

fn write(
    file: Begun,
    directory: Arc<Directory>,
    name: &Name,
    hash: &[u8; 32],
    pieces: &Pieces,
) -> io::Result<NewFile> {
    let file = match file {
        Begun::Open(file) => file,
        Begun::Not { kept: 0 } => NewFile::create(directory, name, hash)?,
        Begun::Not { kept } => NewFile::resume(directory, name, hash, kept)?,
    };
    match pieces.iter().try_for_each(|(offset, bytes)| file.write_at(*offset, bytes)) {
        Ok(()) => Ok(file),
        Err(error) => {
            file.discard();
            Err(error)
        }
    }
}

impl Place {
    fn name(&self) -> &Name {
        self.names.last().expect("files have names")
    }
}

/// Writes what is left to write. A small file then waits for others to be synced with it.
fn finish(place: Place, file: Begun, pieces: &Pieces, batch: &Batch) {
    let is_small = matches!(file, Begun::Not { kept: 0 });
    let completed = write(file, place.directory.clone(), place.name(), &place.hash, pieces)
        .and_then(|file| complete(&place, file));
    match completed {
        Ok((file, applied)) => {
            let written = Written { place, file, applied };
            if is_small { batch.add(written) } else { written.settle() }
        }
        Err(error) => place.report.tell(&Event::Failed(place.path.clone(), error.to_string())),
    }
}

fn complete(place: &Place, file: NewFile) -> io::Result<(NewFile, Applied)> {
    let try_it = || {
        if place.options.rules.verify && !file.verify(place.size, &place.hash)? {
            return Err(io::Error::other("the disk gives back other bytes than were written"));
        }
        file.complete(&place.entry, place.size, place.options.privileges)
    };
    match try_it() {
        Ok(applied) => Ok((file, applied)),
        Err(error) => {
            file.discard();
            Err(error)
        }
    }
}

/// A file with its content and attributes. It may not be on the disk yet, and is not in its place.
pub(super) struct Written {
    place: Place,
    pub(super) file: NewFile,
    applied: Applied,
}

impl Written {
    /// Syncs the file and puts it into its place.
    pub(super) fn settle(self) {
        let synced = self.file.sync();
        self.settle_after(synced);
    }

    /// Puts the file into its place, if it could be synced.
    pub(super) fn settle_after(self, synced: io::Result<()>) {
        let Self { place, file, applied } = self;
        let placed = synced
            .and_then(|()| make_way(&place.directory, &place.names, place.deletion.as_deref()))
            .and_then(|()| file.put_into_place(place.name()));
        match placed {
            Ok(()) => {
                place.report.tell(&Event::Restored(place.path.clone(), place.size));
                for note in applied.refused {
                    place.report.tell(&Event::Note(place.path.clone(), note));
                }
            }
            Err(error) => {
                file.discard();
                place.report.tell(&Event::Failed(place.path.clone(), error.to_string()));
            }
        }
    }
}

impl WriteAt for Writer {
    fn write_at(&mut self, offset: u64, bytes: Vec<u8>) -> LocalBoxFuture<'_, Result<(), String>> {
        self.buffered += bytes.len();
        self.pieces.push((offset, bytes));
        Box::pin(async {
            if self.buffered < BUFFER_BYTES {
                return Ok(());
            }
            self.flush().await.map_err(|error| error.to_string())
        })
    }

    fn keep(&mut self, len: u64) -> LocalBoxFuture<'_, Result<(), String>> {
        self.kept += len;
        Box::pin(async { Ok(()) })
    }

    fn discard(mut self: Box<Self>) -> LocalBoxFuture<'static, ()> {
        Box::pin(async move {
            // Not while it is still being written.
            let _ = self.flushed().await;
            discard_left(&self.place.directory, self.place.name(), &self.place.hash);
        })
    }

    fn finish(self: Box<Self>) -> LocalBoxFuture<'static, Result<(), String>> {
        Box::pin(async { (*self).finish().await.map_err(|error| error.to_string()) })
    }
}
