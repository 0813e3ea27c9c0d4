//! Paths that a backup cannot have beside what is there: a file where a folder is, or a folder where a file is.
//! Found before anything is read or sent. To take the place of something else is for its owner to say, by deleting it.

use backup::{Entry, Node, read_directory};
use protocol::id::{BlobId, SourceId};

use crate::error::Error;
use crate::path::Path;
use crate::vault::Vault;

impl Vault {
    /// Checks files to back up, in ascending order of their paths, against each other and a source's newest tree.
    ///
    /// # Errors
    /// [`Error::Clash`], and those of reading the folders that the paths lead through.
    pub(crate) async fn check_clashes(&self, source: SourceId, paths: &[&Path]) -> Result<(), Error> {
        self.check_folder(self.root(source.into())?, paths, 0).await
    }

    async fn check_folder(&self, tree: Option<BlobId>, paths: &[&Path], depth: usize) -> Result<(), Error> {
        let entries = match &tree {
            Some(tree) => read_directory(self.fetcher(), tree).await?,
            None => Vec::new(),
        };
        for group in paths.chunk_by(|a, b| a.names().get(depth) == b.names().get(depth)) {
            let Some(name) = group[0].names().get(depth) else { continue };
            let here = entries.binary_search_by(|entry| entry.name.cmp(name)).ok().map(|at| &entries[at]);
            // Ascending: the path that ends here stands before those that lead on.
            let is_file = group[0].names().len() == depth + 1;
            let beneath = &group[group.iter().take_while(|path| path.names().len() == depth + 1).count()..];
            let clash = |taken_by| Err(Error::Clash { path: group[0].prefix(depth + 1), taken_by });
            match here.map(|entry: &Entry| &entry.node) {
                Some(Node::Directory { .. }) if is_file => return clash("a folder"),
                Some(Node::File { .. } | Node::Symlink { .. }) if !beneath.is_empty() => {
                    return clash("a file");
                }
                _ if is_file && !beneath.is_empty() => {
                    return clash("a file that is being backed up with it");
                }
                Some(Node::Directory { tree, .. }) => {
                    // Boxed, because a folder's check contains those of the folders in it.
                    Box::pin(self.check_folder(Some(*tree), beneath, depth + 1)).await?;
                }
                None if !beneath.is_empty() => {
                    Box::pin(self.check_folder(None, beneath, depth + 1)).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
