//! The contents of many entries as one stream of pieces, in order and verified, from whichever replicas answer.
//! Memory is bounded by a few windows of chunks that are fetched ahead: small files share one, a large file has
//! several.

use std::collections::VecDeque;
use std::rc::Rc;

use ::backup::{Entry, FilePlan, FileVerifier, Node, Piece, TreeError, Walk, plan_file};
use async_stream::try_stream;
use crypto::blob::BlobKind;
use futures_util::stream::{Stream, StreamExt as _, TryStreamExt as _};
use protocol::id::BlobId;
use protocol::limits::PLAN_BLOBS_MAX;

use crate::error::Error;
use crate::fetch::{Fetcher, Opened};
use crate::path::Path;
use crate::platform::ReadAt;

/// A window of chunks has at most this many bytes, or is one chunk.
const WINDOW_BYTES: u64 = 4 << 20;
/// And at most this many chunks.
const WINDOW_CHUNKS: usize = 256;
/// Windows that are fetched at the same time.
const WINDOWS_AHEAD: usize = 4;

/// The first bytes of a file that a restore which ended early left at its target. They may be wrong.
pub struct LeftOver {
    /// How many.
    pub len: u64,
    /// Reads them.
    pub reader: Rc<dyn ReadAt>,
}

/// An entry whose content is wanted.
pub(crate) struct Wanted {
    pub(crate) path: Path,
    pub(crate) entry: Entry,
    /// Chunks of a file that lie in this are read here, and not fetched.
    pub(crate) left_over: Option<LeftOver>,
}

impl From<(Path, Entry)> for Wanted {
    fn from((path, entry): (Path, Entry)) -> Self {
        Self { path, entry, left_over: None }
    }
}

/// A piece of what is being restored.
pub(crate) enum Part {
    /// An entry begins. Directories and links have no data and no end.
    Begin { path: Path, entry: Box<Entry> },
    /// The next bytes of the file that began last.
    Data(Vec<u8>),
    /// So many next bytes of it are left over, and need not be written.
    Kept(u64),
    /// The file that began last cannot be had; the next begins after it.
    Failed(Error),
    /// The file is complete and its hash is right.
    End,
}

/// What has to happen, in order; chunks still to be fetched.
enum Step {
    Begin { path: Path, entry: Box<Entry> },
    Inline(Vec<u8>),
    Chunk(Piece),
    Kept { offset: u64, len: u32, reader: Rc<dyn ReadAt> },
    Failed(Error),
    End,
}

/// The entries and all that is beneath them, each with its path from them on.
pub(crate) fn beneath(
    fetcher: Fetcher,
    entries: Vec<Entry>,
) -> impl Stream<Item = Result<(Path, Entry), Error>> {
    try_stream! {
        for entry in entries {
            let name = entry.name.clone();
            let tree = match &entry.node {
                Node::Directory { tree, .. } => Some(*tree),
                _ => None,
            };
            yield (Path::beneath(Vec::new(), name.clone()), entry);
            let Some(tree) = tree else { continue };
            let mut walk = Walk::new(&fetcher, tree);
            while let Some((parents, entry)) = walk.next().await? {
                let above = std::iter::once(&name).chain(parents).cloned().collect();
                yield (Path::beneath(above, entry.name.clone()), entry);
            }
        }
    }
}

/// The contents of entries, in order and verified. What cannot be had of one file stops no other.
pub(crate) fn contents(
    fetcher: Fetcher,
    entries: impl Stream<Item = Result<Wanted, Error>> + 'static,
) -> impl Stream<Item = Result<Part, Error>> {
    let steps = steps(fetcher.clone(), entries);
    let mut windows = windows(steps)
        .map_ok(move |window| fetch_window(fetcher.clone(), window))
        .try_buffered(WINDOWS_AHEAD)
        .boxed_local();
    try_stream! {
        let mut file: Option<(Path, FileVerifier)> = None;
        while let Some(window) = windows.try_next().await? {
            for (step, content) in window {
                let is_kept = matches!(step, Step::Kept { .. });
                let (data, failure) = match (step, content) {
                    (Step::Begin { path, entry }, _) => {
                        if let Node::File { size, hash, .. } = &entry.node {
                            file = Some((path.clone(), FileVerifier::new(*size, *hash)));
                        }
                        yield Part::Begin { path, entry };
                        continue;
                    }
                    (Step::End, _) => {
                        let Some((path, verifier)) = file.take() else { continue };
                        match verifier.finish() {
                            Ok(()) => yield Part::End,
                            Err(source) => {
                                yield Part::Failed(Error::Damaged { path: path.to_string(), source });
                            }
                        }
                        continue;
                    }
                    (Step::Inline(data), _) | (Step::Chunk(_) | Step::Kept { .. }, Ok(data)) => (data, None),
                    (Step::Failed(error), _) | (Step::Chunk(_) | Step::Kept { .. }, Err(error)) => {
                        (Vec::new(), Some(error))
                    }
                };
                // After a failure, nothing more of that file.
                let Some((_, verifier)) = &mut file else { continue };
                if let Some(error) = failure {
                    file = None;
                    yield Part::Failed(error);
                } else {
                    // Too many bytes leave the verifier in a state that its end refuses.
                    let _ = verifier.update(&data);
                    yield if is_kept { Part::Kept(data.len() as u64) } else { Part::Data(data) };
                }
            }
        }
    }
}

fn steps(
    fetcher: Fetcher,
    entries: impl Stream<Item = Result<Wanted, Error>>,
) -> impl Stream<Item = Result<Step, Error>> {
    try_stream! {
        for await item in entries {
            let Wanted { path, entry, left_over } = item?;
            let file = match &entry.node {
                Node::File { size, content, .. } => Some((*size, content.clone())),
                Node::Directory { .. } | Node::Symlink { .. } => None,
            };
            yield Step::Begin { path, entry: Box::new(entry) };
            let Some((size, content)) = file else { continue };
            match plan_file(&fetcher, size, &content).await {
                Ok(FilePlan::Inline(data)) => yield Step::Inline(data),
                Ok(FilePlan::Chunks(pieces)) => {
                    let kept = left_over.as_ref().map_or(0, |left| left.len);
                    let is_kept = |piece: &Piece| piece.offset + u64::from(piece.raw_len) <= kept;
                    for pieces in pieces.chunks(PLAN_BLOBS_MAX) {
                        // What fits into a window is located with all else that is in it.
                        if size > WINDOW_BYTES {
                            let missing = pieces.iter().filter(|piece| !is_kept(piece));
                            fetcher.locate_ahead(missing.map(|piece| piece.id).collect()).await?;
                        }
                        for piece in pieces {
                            yield match &left_over {
                                Some(LeftOver { reader, .. }) if is_kept(piece) => Step::Kept {
                                    offset: piece.offset,
                                    len: piece.raw_len,
                                    reader: reader.clone(),
                                },
                                _ => Step::Chunk(*piece),
                            };
                        }
                    }
                }
                // Whoever cannot ask learns nothing of the file: that is no fault of it.
                Err(TreeError::Read { source, .. }) if !matches!(source, Error::Unreadable(_)) => Err(source)?,
                Err(error) => yield Step::Failed(error.into()),
            }
            yield Step::End;
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
            let len = match &step {
                Step::Chunk(Piece { raw_len: len, .. }) | Step::Kept { len, .. } => Some(u64::from(*len)),
                _ => None,
            };
            if let Some(len) = len {
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

/// Fetches the chunks of a window, or reads what is left over of them; each step comes back with its content, which is
/// empty for all others.
async fn fetch_window(
    fetcher: Fetcher,
    window: Vec<Step>,
) -> Result<Vec<(Step, Result<Vec<u8>, Error>)>, Error> {
    let id = |step: &Step| match step {
        Step::Chunk(piece) => Some(piece.id),
        _ => None,
    };
    let ids: Vec<BlobId> = window.iter().filter_map(id).collect();
    let mut chunks = fetch_chunks(&fetcher, &ids).await?.into_iter();
    let mut kept = VecDeque::new();
    for step in &window {
        if let Step::Kept { offset, len, reader } = step {
            // What cannot be read makes the file's hash wrong, and then all of it is fetched.
            kept.push_back(reader.read_at(*offset, *len as usize).await.unwrap_or_default());
        }
    }
    let mut with_content = |step: Step| {
        if let Step::Kept { .. } = &step {
            let content = kept.pop_front().unwrap_or_default();
            return (step, Ok(content));
        }
        let Step::Chunk(piece) = &step else { return (step, Ok(Vec::new())) };
        let content = chunks.next().unwrap_or(Err(Error::Unreadable(piece.id)));
        let content = content.and_then(|content| {
            let fits = content.len() == piece.raw_len as usize;
            let wrong = || Error::untrusted("a chunk of another length than its file says");
            if fits { Ok(content) } else { Err(wrong()) }
        });
        (step, content)
    };
    Ok(window.into_iter().map(&mut with_content).collect())
}

/// Chunks in their order; those that are on no node do not keep from the others.
pub(crate) async fn fetch_chunks(
    fetcher: &Fetcher,
    ids: &[BlobId],
) -> Result<Vec<Result<Vec<u8>, Error>>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let blobs = fetcher.fetch_each(ids, &[BlobKind::Chunk]).await?;
    // Each has one owner, unless a chunk was asked for twice: it is moved, not copied.
    let content = |(blob, id): (Option<Rc<Opened>>, &BlobId)| match blob {
        Some(blob) => Ok(Rc::unwrap_or_clone(blob).1),
        None => Err(Error::Unreadable(*id)),
    };
    Ok(blobs.into_iter().zip(ids).map(content).collect())
}
