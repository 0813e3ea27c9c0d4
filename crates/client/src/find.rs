//! Finding entries of a snapshot by their names.

use ::backup::Walk;
use async_stream::try_stream;
use futures_util::stream::{LocalBoxStream, StreamExt as _};
use globset::{Candidate, GlobBuilder};

use crate::browse::TreeEntry;
use crate::error::Error;
use crate::history::SnapshotRef;
use crate::path::Path;
use crate::vault::Vault;

/// An entry that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: Path,
    /// What it is.
    pub entry: TreeEntry,
}

impl Vault {
    /// Entries of a snapshot whose name matches a glob, or whose path does if the glob has a `/`: `*.jpg`,
    /// `photos/**/2024*`. Folders before what is in them, in the order of names.
    ///
    /// # Errors
    /// [`Error::Pattern`], [`Error::NotFound`]; in the stream those of reading.
    pub fn find(
        &self,
        snapshot: impl Into<SnapshotRef>,
        pattern: &str,
        ignore_case: bool,
    ) -> Result<LocalBoxStream<'static, Result<Found, Error>>, Error> {
        let by_path = pattern.contains('/');
        let glob = GlobBuilder::new(pattern.trim_start_matches('/'))
            .literal_separator(true)
            .case_insensitive(ignore_case)
            .build()?
            .compile_matcher();
        let root = self.root(snapshot.into())?;
        let fetcher = self.fetcher().clone();
        let found = try_stream! {
            let Some(root) = root else { return };
            let mut walk = Walk::new(&fetcher, root);
            while let Some((parents, entry)) = walk.next().await? {
                let path = Path::beneath(parents.to_vec(), entry.name.clone());
                let text = if by_path { path.to_bytes() } else { entry.name.as_bytes().to_vec() };
                if glob.is_match_candidate(&Candidate::from_bytes(&text)) {
                    yield Found { path, entry: (&entry).into() };
                }
            }
        };
        Ok(found.boxed_local())
    }
}
