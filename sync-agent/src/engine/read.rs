//! Reading of entries for a snapshot, on threads that may wait for a disk. A file is read through the descriptor that
//! its state was asked of, so that what is recorded belongs to what was read.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use client::{Error, Metadata, ReadAt, StoredContent, TreeWriter};
use futures_util::future::LocalBoxFuture;
use rustix::fs::{OFlags, fstat};

use crate::index::{Record, StoredFile};
use crate::platform::now_ns;
use crate::scan::{Kind, Meta, Root, TreePath, read_xattrs};

/// Files up to this size are read whole when they are opened.
const HEAD_BYTES: usize = 1 << 20;
/// How often a file is read that changes meanwhile.
const ATTEMPTS: usize = 3;

/// A file that was read.
pub(super) struct ReadFile {
    pub(super) metadata: Metadata,
    pub(super) content: StoredContent,
    /// It changed each time that it was read.
    pub(super) changed: bool,
    pub(super) record: Record,
}

/// An open file; of a small one, its content.
struct Opened {
    file: Arc<File>,
    meta: Meta,
    metadata: Metadata,
    read_ns: i64,
    /// All of it, if it is small and did not change while it was read.
    whole: Option<Vec<u8>>,
}

/// Reads a file and stores its content. The inner error is the file's own.
pub(super) async fn read_file(
    root: &Arc<Root>,
    path: &TreePath,
    writer: &TreeWriter,
) -> Result<Result<ReadFile, String>, Error> {
    for attempt in 1..=ATTEMPTS {
        let opened = match blocking(root, path, open).await {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let Opened { file, meta, metadata, read_ns, whole } = opened;
        let is_whole = whole.is_some();
        let reader = Reader { file: file.clone(), whole: RefCell::new(whole) };
        let content = match writer.store(&reader, meta.size).await? {
            Ok(content) => content,
            Err(reason) => return Ok(Err(reason)),
        };
        let changed = !is_whole && !is_unchanged(file, meta).await || content.size != meta.size;
        if changed && attempt < ATTEMPTS {
            continue;
        }
        let stored = crate::index::StoredContent::of(&content.content);
        let file = StoredFile { hash: content.hash, changed, content: stored };
        let record = Record::new(meta, Some(file), read_ns);
        return Ok(Ok(ReadFile { metadata, content, changed, record }));
    }
    unreachable!("the last attempt returns")
}

/// What a directory is like.
pub(super) async fn read_directory(root: &Arc<Root>, path: &TreePath, meta: Meta) -> io::Result<Metadata> {
    blocking(root, path, move |root, path| {
        let directory = root.open_beneath(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(metadata(&meta, read_xattrs(&directory)?.kept))
    })
    .await
}

/// Where a link points.
pub(super) async fn read_link(root: &Arc<Root>, path: &TreePath) -> io::Result<Vec<u8>> {
    blocking(root, path, Root::read_link).await
}

/// What an entry is like that is not opened for it.
pub(super) fn metadata(meta: &Meta, xattrs: std::collections::BTreeMap<Vec<u8>, Vec<u8>>) -> Metadata {
    Metadata { mode: meta.mode, mtime_ns: meta.mtime_ns, xattrs }
}

/// Extended attributes of a file whose content is known already.
pub(super) async fn read_metadata(root: &Arc<Root>, path: &TreePath, meta: Meta) -> io::Result<Metadata> {
    blocking(root, path, move |root, path| {
        let file = root.open_beneath(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        Ok(metadata(&meta, read_xattrs(&file)?.kept))
    })
    .await
}

fn open(root: &Root, path: &TreePath) -> io::Result<Opened> {
    let read_ns = now_ns();
    // A pipe that took the file's place must not keep the agent waiting for a writer.
    let file = File::from(root.open_beneath(path, OFlags::RDONLY | OFlags::NONBLOCK)?);
    let meta = Meta::from_stat(&fstat(&file)?).filter(|meta| meta.kind == Kind::File);
    let meta = meta.ok_or_else(|| io::Error::other("it is no longer a file"))?;
    let metadata = metadata(&meta, read_xattrs(&file)?.kept);
    let mut whole = None;
    if meta.size <= HEAD_BYTES as u64 {
        let mut content = vec![0; meta.size as usize + 1];
        let len = read_at(&file, 0, &mut content)?;
        content.truncate(len);
        let after = Meta::from_stat(&fstat(&file)?);
        if len as u64 == meta.size && after == Some(meta) {
            whole = Some(content);
        }
    }
    Ok(Opened { file: Arc::new(file), meta, metadata, read_ns, whole })
}

async fn is_unchanged(file: Arc<File>, before: Meta) -> bool {
    let stat = tokio::task::spawn_blocking(move || fstat(&*file)).await.expect("asking does not panic");
    stat.is_ok_and(|stat| Meta::from_stat(&stat) == Some(before))
}

async fn blocking<T: Send + 'static>(
    root: &Arc<Root>,
    path: &TreePath,
    work: impl FnOnce(&Root, &TreePath) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (root, path) = (root.clone(), path.clone());
    tokio::task::spawn_blocking(move || work(&root, &path)).await.expect("reading does not panic")
}

/// Reads on until the buffer is full or the file ends.
fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match file.read_at(&mut buffer[len..], offset + len as u64) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

struct Reader {
    file: Arc<File>,
    whole: RefCell<Option<Vec<u8>>>,
}

impl ReadAt for Reader {
    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Vec<u8>, String>> {
        if let Some(whole) = self.whole.take()
            && offset == 0
            && whole.len() <= len
        {
            return Box::pin(async { Ok(whole) });
        }
        let file = self.file.clone();
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || {
                let mut slice = vec![0; len];
                let len = read_at(&file, offset, &mut slice)?;
                slice.truncate(len);
                Ok::<_, io::Error>(slice)
            });
            read.await.expect("reading does not panic").map_err(|error| error.to_string())
        })
    }
}
