//! Writing of new tree blobs: directories from entries, content pointers from chunks.

use crypto::blob::BlobKind;
use protocol::id::BlobId;

use crate::blobs::{BlobSink, TreeError};
use crate::content::{ChunkRef, Content, INLINE_CHUNKS_MAX};
use crate::directory::{ChunkList, Directory, LIST_CHUNKS_MAX, PageIndex, PageRow};
use crate::entry::{Entry, Node};
use crate::format::{Extensions, FormatError};
use crate::name::Name;
use crate::pages::page_lens;
use crate::totals::Totals;
use crate::walk::StoredDirectory;

/// A directory whose blobs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenDirectory {
    /// The directory or its page index; of a snapshot's root, the snapshot's root.
    pub tree: BlobId,
    /// All files beneath.
    pub totals: Totals,
}

impl WrittenDirectory {
    /// This directory as an entry of its parent.
    pub fn into_entry(self, name: Name, mode: u32, mtime_ns: i64) -> Entry {
        Entry::new(name, mode, mtime_ns, Node::Directory { totals: self.totals, tree: self.tree })
    }
}

/// Writes a directory, whose subdirectories and files are written already. The order of `entries` does not matter.
///
/// # Errors
/// [`TreeError::Unwritable`] if two entries have one name or an entry breaks a rule, [`TreeError::Write`].
pub async fn write_directory<S: BlobSink>(
    sink: &mut S,
    mut entries: Vec<Entry>,
) -> Result<WrittenDirectory, TreeError<S::Error>> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    rewrite_directory(sink, entries, &StoredDirectory::default()).await
}

/// Writes a directory that replaces `old`: pages with the same entries are kept, and so are extensions.
pub(crate) async fn rewrite_directory<S: BlobSink>(
    sink: &mut S,
    entries: Vec<Entry>,
    old: &StoredDirectory,
) -> Result<WrittenDirectory, TreeError<S::Error>> {
    let totals = sum_totals(&entries).map_err(TreeError::Unwritable)?;
    let extensions = old.extensions.clone();
    let Some(page_lens) = page_lens(&entries) else {
        let raw = Directory { entries, extensions }.encode().map_err(TreeError::Unwritable)?;
        let tree = put(sink, BlobKind::Directory, raw).await?;
        return Ok(WrittenDirectory { tree, totals });
    };
    let mut rows = Vec::with_capacity(page_lens.len());
    let mut rest = entries.into_iter();
    for len in page_lens {
        let entries: Vec<Entry> = rest.by_ref().take(len).collect();
        let first_name = entries[0].name.clone();
        let page = if let Some(page) = old.find_page(&entries) {
            page
        } else {
            let page = Directory { entries, extensions: Extensions::new() };
            put(sink, BlobKind::Directory, page.encode().map_err(TreeError::Unwritable)?).await?
        };
        rows.push(PageRow { first_name, page, entries: len as u32 });
    }
    let raw = PageIndex { rows, extensions }.encode().map_err(TreeError::Unwritable)?;
    let tree = put(sink, BlobKind::PageIndex, raw).await?;
    Ok(WrittenDirectory { tree, totals })
}

/// The content pointer of a file that has these chunks, which are written already.
///
/// # Errors
/// [`TreeError::Unwritable`] if a chunk has an impossible length, [`TreeError::Write`].
pub async fn write_content<S: BlobSink>(
    sink: &mut S,
    chunks: Vec<ChunkRef>,
) -> Result<Content, TreeError<S::Error>> {
    if chunks.len() <= INLINE_CHUNKS_MAX {
        return Ok(Content::Chunks(chunks));
    }
    let mut lists = Vec::with_capacity(chunks.len().div_ceil(LIST_CHUNKS_MAX));
    for part in chunks.chunks(LIST_CHUNKS_MAX) {
        let list = ChunkList { chunks: part.to_vec(), extensions: Extensions::new() };
        let raw = list.encode().map_err(TreeError::Unwritable)?;
        lists.push(put(sink, BlobKind::ChunkList, raw).await?);
    }
    Ok(Content::Lists(lists))
}

pub(crate) fn sum_totals(entries: &[Entry]) -> Result<Totals, FormatError> {
    entries
        .iter()
        .try_fold(Totals::default(), |sum, entry| sum.checked_add(&entry.totals()))
        .ok_or(FormatError::Rule("totals do not fit into 64 bits"))
}

async fn put<S: BlobSink>(sink: &mut S, kind: BlobKind, raw: Vec<u8>) -> Result<BlobId, TreeError<S::Error>> {
    sink.put(kind, raw).await.map_err(TreeError::Write)
}
