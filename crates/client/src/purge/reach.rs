//! What of the files that are to go nothing else needs: their blobs are collected, and then those are spared that
//! anything else refers to.

use std::collections::{BTreeMap, HashSet};

use ::backup::{Content, Entry, FilePlan, Name, Node, Piece, plan_file, read_directory};
use futures_util::future::try_join_all;
use protocol::id::BlobId;

use crate::error::Error;
use crate::fetch::Fetcher;

/// Folders that are read at the same time.
const READS_AT_ONCE: usize = 16;

/// The contents of files that are to go.
#[derive(Default)]
pub(super) struct Going {
    /// By their hashes.
    pub(super) files: HashSet<[u8; 32]>,
    pub(super) bytes: u64,
    /// Files that are part of their folders.
    pub(super) embedded: u64,
    /// With the bytes of the file in each.
    pub(super) blobs: BTreeMap<BlobId, u32>,
}

impl Going {
    /// Of entries, with all that is beneath them.
    pub(super) async fn collect(
        fetcher: &Fetcher,
        entries: impl Iterator<Item = &Entry>,
    ) -> Result<Self, Error> {
        let mut going = Self::default();
        let mut walked = HashSet::new();
        let mut trees = Vec::new();
        for entry in entries {
            going.add(fetcher, entry, &mut trees).await?;
        }
        while let Some(entries) = next_directories(fetcher, &mut trees, &mut walked).await? {
            for entry in &entries {
                going.add(fetcher, entry, &mut trees).await?;
            }
        }
        Ok(going)
    }

    async fn add(&mut self, fetcher: &Fetcher, entry: &Entry, trees: &mut Vec<BlobId>) -> Result<(), Error> {
        let (size, hash, content) = match &entry.node {
            Node::Directory { tree, .. } => {
                trees.push(*tree);
                return Ok(());
            }
            Node::Symlink { .. } => return Ok(()),
            Node::File { size, hash, content, .. } => (*size, *hash, content),
        };
        // The same content may be there twice in different blobs, sealed under two keys of the vault.
        let is_new = self.files.insert(hash);
        self.bytes += if is_new { size } else { 0 };
        match plan_file(fetcher, size, content).await? {
            FilePlan::Inline(_) => self.embedded += u64::from(is_new),
            FilePlan::Chunks(pieces) => {
                self.blobs.extend(pieces.iter().map(|Piece { id, raw_len, .. }| (*id, *raw_len)));
            }
        }
        Ok(())
    }
}

/// What stays, and with it all that it needs.
pub(super) struct Staying<'a> {
    fetcher: &'a Fetcher,
    /// Folders and chunk lists whose content has been spared.
    walked: HashSet<BlobId>,
    /// What is left to go.
    blobs: &'a mut BTreeMap<BlobId, u32>,
}

impl<'a> Staying<'a> {
    pub(super) fn new(fetcher: &'a Fetcher, blobs: &'a mut BTreeMap<BlobId, u32>) -> Self {
        Self { fetcher, walked: HashSet::new(), blobs }
    }

    /// Spares what a snapshot needs, but for what is at a path that is left out.
    pub(super) async fn walk_snapshot(
        &mut self,
        root: &BlobId,
        left_out: Option<&[Name]>,
    ) -> Result<(), Error> {
        let Some(names) = left_out else { return self.walk(vec![*root]).await };
        let mut tree = *root;
        for (depth, name) in names.iter().enumerate() {
            let mut trees = Vec::new();
            let mut next = None;
            for entry in read_directory(self.fetcher, &tree).await? {
                match &entry.node {
                    Node::Directory { tree, .. } if entry.name == *name => next = Some(*tree),
                    _ if entry.name == *name => {}
                    _ => self.spare(&entry, &mut trees).await?,
                }
            }
            self.walk(trees).await?;
            match next {
                Some(next) if depth + 1 < names.len() => tree = next,
                _ => break,
            }
        }
        Ok(())
    }

    async fn walk(&mut self, mut trees: Vec<BlobId>) -> Result<(), Error> {
        while let Some(entries) = next_directories(self.fetcher, &mut trees, &mut self.walked).await? {
            for entry in &entries {
                self.spare(entry, &mut trees).await?;
            }
        }
        Ok(())
    }

    async fn spare(&mut self, entry: &Entry, trees: &mut Vec<BlobId>) -> Result<(), Error> {
        match &entry.node {
            Node::Directory { tree, .. } => trees.push(*tree),
            Node::File { content: Content::Chunks(chunks), .. } => {
                for chunk in chunks {
                    self.blobs.remove(&chunk.id);
                }
            }
            Node::File { size, content: content @ Content::Lists(lists), .. } => {
                // Lists are never deleted for good, so whoever cannot read one must not guess what it needs.
                let known = lists.iter().filter(|list| !self.walked.insert(**list)).count();
                if known < lists.len()
                    && let FilePlan::Chunks(pieces) = plan_file(self.fetcher, *size, content).await?
                {
                    for piece in pieces {
                        self.blobs.remove(&piece.id);
                    }
                }
            }
            Node::File { content: Content::Inline(_), .. } | Node::Symlink { .. } => {}
        }
        Ok(())
    }
}

/// The entries of the next folders that were not walked yet; none at the end.
async fn next_directories(
    fetcher: &Fetcher,
    trees: &mut Vec<BlobId>,
    walked: &mut HashSet<BlobId>,
) -> Result<Option<Vec<Entry>>, Error> {
    let mut next = Vec::new();
    while next.len() < READS_AT_ONCE
        && let Some(tree) = trees.pop()
    {
        if walked.insert(tree) {
            next.push(tree);
        }
    }
    if next.is_empty() {
        return Ok(None);
    }
    let read = next.iter().map(|tree| read_directory(fetcher, tree));
    Ok(Some(try_join_all(read).await?.into_iter().flatten().collect()))
}
