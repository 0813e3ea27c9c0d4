//! Restoring: the bytes of one file, or of many as one archive, in order, verified, from whichever replicas answer.
//! Memory is bounded by a few windows of chunks that are fetched ahead.

use ::backup::{Entry, FilePlan, FileVerifier, Node, Piece, Walk, plan_file};
use async_stream::try_stream;
use crypto::blob::BlobKind;
use futures_util::stream::{LocalBoxStream, Stream, StreamExt as _, TryStreamExt as _};
use protocol::id::BlobId;

use crate::archive::Archive;
use crate::error::Error;
use crate::fetch::Fetcher;
use crate::history::SnapshotRef;
use crate::path::Path;
use crate::vault::Vault;

/// A window of chunks has at most this many bytes, or is one chunk.
const WINDOW_BYTES: u64 = 4 << 20;
/// And at most this many chunks.
const WINDOW_CHUNKS: usize = 256;
/// Windows that are fetched at the same time.
const WINDOWS_AHEAD: usize = 4;

/// A file on its way back.
pub struct FileDownload {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// The bytes in order. The last ones come only after the hash of the whole file was found right.
    pub stream: LocalBoxStream<'static, Result<Vec<u8>, Error>>,
}

/// Files and folders on their way back as one zip archive, not compressed.
pub struct FolderDownload {
    /// The archive's name.
    pub name: String,
    /// The archive's bytes in order. It is complete, with its directory at the end, only if every file was right.
    pub stream: LocalBoxStream<'static, Result<Vec<u8>, Error>>,
}

impl Vault {
    /// Restores one file of a snapshot.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for what is not a file; in the stream, [`Error::Unreadable`] and [`Error::Damaged`].
    pub async fn open_file<N: AsRef<[u8]>>(
        &self,
        snapshot: impl Into<SnapshotRef>,
        path: &[N],
    ) -> Result<FileDownload, Error> {
        let path = Path::parse(path)?;
        let root = self.root(snapshot.into())?.ok_or_else(|| Error::NotFound(path.to_string()))?;
        let entry = self.entry(&root, &path).await?;
        let Node::File { size, .. } = entry.node else { return Err(Error::NotFound(path.to_string())) };
        let name = String::from_utf8_lossy(entry.name.as_bytes()).into_owned();
        let files = futures_util::stream::iter([Ok((path.to_string(), entry))]);
        let mut parts = contents(self.fetcher().clone(), files).boxed_local();
        let stream = try_stream! {
            let mut held_back = Vec::new();
            while let Some(part) = parts.try_next().await? {
                match part {
                    Part::Begin { .. } => {}
                    Part::Data(data) => {
                        let before = std::mem::replace(&mut held_back, data);
                        if !before.is_empty() {
                            yield before;
                        }
                    }
                    Part::End => yield std::mem::take(&mut held_back),
                }
            }
        };
        Ok(FileDownload { name, size, stream: stream.boxed_local() })
    }

    /// Restores files and folders of a snapshot as one zip archive; the root's path stands for all of it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if one of them is not there; in the stream as [`Vault::open_file`].
    pub async fn open_zip<N: AsRef<[u8]>>(
        &self,
        snapshot: impl Into<SnapshotRef>,
        paths: &[Vec<N>],
    ) -> Result<FolderDownload, Error> {
        let snapshot = snapshot.into();
        let mut entries = Vec::new();
        for path in paths {
            let path = Path::parse(path)?;
            if path.is_root() {
                entries.extend(self.directory(snapshot, &path).await?);
            } else {
                let root = self.root(snapshot)?.ok_or_else(|| Error::NotFound(path.to_string()))?;
                entries.push(self.entry(&root, &path).await?);
            }
        }
        let name = match &entries[..] {
            [only] => format!("{}.zip", String::from_utf8_lossy(only.name.as_bytes())),
            _ => "triplicate.zip".to_owned(),
        };
        let mut parts =
            contents(self.fetcher().clone(), beneath(self.fetcher().clone(), entries)).boxed_local();
        let stream = try_stream! {
            let mut archive = Archive::new();
            while let Some(part) = parts.try_next().await? {
                match part {
                    Part::Begin { path, entry } => archive.begin(&path, &entry)?,
                    Part::Data(data) => archive.write(&data)?,
                    Part::End => {}
                }
                let bytes = archive.take();
                if !bytes.is_empty() {
                    yield bytes;
                }
            }
            yield archive.finish()?;
        };
        Ok(FolderDownload { name, stream: stream.boxed_local() })
    }
}

/// A piece of what is being restored.
enum Part {
    /// An entry begins. Directories and links have no data and no end.
    Begin { path: String, entry: Box<Entry> },
    /// The next bytes of the file that began last.
    Data(Vec<u8>),
    /// The file is complete and its hash is right.
    End,
}

/// What has to happen, in order; chunks still to be fetched.
enum Step {
    Begin { path: String, entry: Box<Entry> },
    Inline(Vec<u8>),
    Chunk(Piece),
    End { path: String, size: u64, hash: [u8; 32] },
}

/// The entries and all that is beneath them, each with its path in the archive.
fn beneath(fetcher: Fetcher, entries: Vec<Entry>) -> impl Stream<Item = Result<(String, Entry), Error>> {
    try_stream! {
        for entry in entries {
            let name = String::from_utf8_lossy(entry.name.as_bytes()).into_owned();
            let tree = match &entry.node {
                Node::Directory { tree, .. } => Some(*tree),
                _ => None,
            };
            yield (name.clone(), entry);
            let Some(tree) = tree else { continue };
            let mut walk = Walk::new(&fetcher, tree);
            while let Some((parents, entry)) = walk.next().await? {
                let names = parents.iter().chain([&entry.name]);
                let names: Vec<_> = names.map(|name| String::from_utf8_lossy(name.as_bytes())).collect();
                let path = format!("{name}/{}", names.join("/"));
                yield (path, entry);
            }
        }
    }
}

/// The contents of entries, in order and verified.
fn contents(
    fetcher: Fetcher,
    entries: impl Stream<Item = Result<(String, Entry), Error>> + 'static,
) -> impl Stream<Item = Result<Part, Error>> {
    let steps = steps(fetcher.clone(), entries);
    let mut windows = windows(steps)
        .map_ok(move |window| fetch_window(fetcher.clone(), window))
        .try_buffered(WINDOWS_AHEAD)
        .boxed_local();
    try_stream! {
        let mut verifier: Option<FileVerifier> = None;
        while let Some(window) = windows.try_next().await? {
            for (step, content) in window {
                match step {
                    Step::Begin { path, entry } => {
                        if let Node::File { size, hash, .. } = &entry.node {
                            verifier = Some(FileVerifier::new(*size, *hash));
                        }
                        yield Part::Begin { path, entry };
                    }
                    Step::Inline(data) => {
                        verify(&mut verifier, &data);
                        yield Part::Data(data);
                    }
                    Step::Chunk(_) => {
                        verify(&mut verifier, &content);
                        yield Part::Data(content);
                    }
                    Step::End { path, size, hash } => {
                        let verifier = verifier.take().unwrap_or_else(|| FileVerifier::new(size, hash));
                        verifier.finish().map_err(|source| Error::Damaged { path, source })?;
                        yield Part::End;
                    }
                }
            }
        }
    }
}

/// Too many bytes leave the verifier in a state that its end refuses.
fn verify(verifier: &mut Option<FileVerifier>, data: &[u8]) {
    if let Some(verifier) = verifier {
        let _ = verifier.update(data);
    }
}

fn steps(
    fetcher: Fetcher,
    entries: impl Stream<Item = Result<(String, Entry), Error>>,
) -> impl Stream<Item = Result<Step, Error>> {
    try_stream! {
        for await item in entries {
            let (path, entry) = item?;
            let file = match &entry.node {
                Node::File { size, content, hash, .. } => Some((*size, content.clone(), *hash)),
                Node::Directory { .. } | Node::Symlink { .. } => None,
            };
            yield Step::Begin { path: path.clone(), entry: Box::new(entry) };
            let Some((size, content, hash)) = file else { continue };
            match plan_file(&fetcher, size, &content).await? {
                FilePlan::Inline(data) => yield Step::Inline(data),
                FilePlan::Chunks(pieces) => {
                    for piece in pieces {
                        yield Step::Chunk(piece);
                    }
                }
            }
            yield Step::End { path, size, hash };
        }
    }
}

/// Steps in groups whose chunks are fetched together.
fn windows(steps: impl Stream<Item = Result<Step, Error>>) -> impl Stream<Item = Result<Vec<Step>, Error>> {
    try_stream! {
        let mut window = Vec::new();
        let (mut bytes, mut chunks) = (0, 0);
        for await step in steps {
            let step = step?;
            if let Step::Chunk(piece) = &step {
                let len = u64::from(piece.raw_len);
                if chunks == WINDOW_CHUNKS || chunks > 0 && bytes + len > WINDOW_BYTES {
                    yield std::mem::take(&mut window);
                    (bytes, chunks) = (0, 0);
                }
                bytes += len;
                chunks += 1;
            } else if window.len() >= 4 * WINDOW_CHUNKS {
                yield std::mem::take(&mut window);
                (bytes, chunks) = (0, 0);
            }
            window.push(step);
        }
        if !window.is_empty() {
            yield window;
        }
    }
}

/// Fetches the chunks of a window; each step comes back with its content, which is empty for all but chunks.
async fn fetch_window(fetcher: Fetcher, window: Vec<Step>) -> Result<Vec<(Step, Vec<u8>)>, Error> {
    let id = |step: &Step| match step {
        Step::Chunk(piece) => Some(piece.id),
        _ => None,
    };
    let ids: Vec<BlobId> = window.iter().filter_map(id).collect();
    let opened = if ids.is_empty() { Vec::new() } else { fetcher.fetch(&ids, &[BlobKind::Chunk]).await? };
    let mut opened = opened.into_iter();
    let with_content = |step: Step| match &step {
        Step::Chunk(piece) => {
            let content = opened.next().filter(|blob| blob.1.len() == piece.raw_len as usize);
            let content =
                content.ok_or_else(|| Error::untrusted("a chunk of another length than its file says"))?;
            Ok((step, content.1.clone()))
        }
        _ => Ok((step, Vec::new())),
    };
    window.into_iter().map(with_content).collect()
}
