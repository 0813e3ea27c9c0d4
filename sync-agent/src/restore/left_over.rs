//! What a restore that ended early left of a large file: it is read again, and only the rest is fetched.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;
use std::sync::Arc;

use client::{LeftOver, Path, ReadAt, TreeEntry, TreeNode};
use futures_util::future::LocalBoxFuture;
use tokio::task::spawn_blocking;

use super::file::open_left;
use super::sink::Sink;
use super::writer::BUFFER_BYTES;

struct Reader(Arc<File>);

impl ReadAt for Reader {
    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Vec<u8>, String>> {
        let file = self.0.clone();
        Box::pin(async move {
            let read = spawn_blocking(move || {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, offset).map(|()| bytes)
            });
            read.await.expect("reading a file does not panic").map_err(|error| error.to_string())
        })
    }
}

impl Sink {
    /// What is left over of a file, if anything is. It is as long as what was written without a gap: a run of zeros at
    /// its end is left out.
    pub(super) fn find_left_over(&self, path: &Path, entry: &TreeEntry) -> io::Result<Option<LeftOver>> {
        let TreeNode::File { size, hash, .. } = entry.node else { return Ok(None) };
        let Some((name, parents)) = path.names()[self.strip..].split_last() else { return Ok(None) };
        if self.options.dry_run || size < BUFFER_BYTES as u64 {
            return Ok(None);
        }
        let Some(directory) = self.open_to_look(parents)? else { return Ok(None) };
        let file = open_left(&directory, name, &hash)?;
        let len = file.metadata()?.len();
        Ok(Some(LeftOver { len, reader: Rc::new(Reader(Arc::new(file))) }))
    }
}
