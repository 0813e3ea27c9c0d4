//! What the newest snapshots hold, path by path, in one crash-safe file, so that a scan can tell what changed. It is a
//! cache: without it everything is read again and nothing is lost. It changes only after the commit that it tells of.

mod fingerprint;
mod folder;
mod record;
mod rows;
mod sample;

pub use folder::{Damage, FolderState, Hold, HoldReason};
pub use record::{Record, StoredContent, StoredFile};
pub use rows::RowChange;
pub use sample::{Pick, Picked};

use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase as _, StorageError, TableDefinition};

/// A source's id and a path's key, to a [`Record`].
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// Rows of a snapshot that is being made.
const STAGED: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("staged");
/// Device and inode of files, to the key of their row.
const INODES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("inodes");
/// A source's id, to its [`FolderState`].
const FOLDERS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("folders");
/// A chunk's keyed hash, to the blob that holds it.
const FINGERPRINTS: TableDefinition<'_, [u8; 32], [u8; 32]> = TableDefinition::new("fingerprints");
const FORMAT: TableDefinition<'_, (), u32> = TableDefinition::new("format");
/// Changes with the tables and with the bytes of their rows.
const FORMAT_VERSION: u32 = 1;
/// Memory for database pages; the system's page cache holds the rest.
const CACHE_BYTES: usize = 16 << 20;

/// The index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Another version of the agent made it.
    #[error("{} has format {found}, and this version reads format {FORMAT_VERSION}: use the version that made it, or remove the file, and everything is read again", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
    /// The file cannot be opened.
    #[error("the index {} cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: DatabaseError,
    },
    /// Reading or writing failed.
    #[error("the index cannot be used")]
    Database(#[source] redb::Error),
    /// A row breaks its format.
    #[error("the index is damaged: {0}; another is made, and everything is read again")]
    Damaged(&'static str),
    /// A damaged file cannot be moved.
    #[error("the damaged index {} cannot be moved aside", path.display())]
    Aside {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl IndexError {
    /// Whether the file is no longer an index, rather than that it could not be read.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) | Self::Database(redb::Error::Corrupted(_)) => true,
            Self::Open { source: DatabaseError::Storage(error), .. } => match error {
                StorageError::Corrupted(_) => true,
                StorageError::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
                _ => false,
            },
            _ => false,
        }
    }

    pub(super) fn database(error: impl Into<redb::Error>) -> Self {
        Self::Database(error.into())
    }
}

/// The index. One process has it open at a time.
#[derive(Debug)]
pub struct Index {
    database: Database,
    path: PathBuf,
}

impl Index {
    /// Opens the index, or makes an empty one. A damaged one is moved aside.
    ///
    /// # Errors
    /// [`IndexError::Format`] for another version's, and those of the file.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        match Self::open_file(path) {
            Err(error) if error.is_damage() => {
                tracing::warn!(%error, "everything is read again");
                set_aside(path)?;
                Self::open_file(path)
            }
            opened => opened,
        }
    }

    /// Moves a damaged file out of the way of the next [`Self::open`].
    ///
    /// # Errors
    /// [`IndexError::Aside`].
    pub fn set_aside(&self) -> Result<(), IndexError> {
        set_aside(&self.path)
    }

    fn open_file(path: &Path) -> Result<Self, IndexError> {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(|source| IndexError::Open { path: path.to_owned(), source })?;
        let index = Self { database, path: path.to_owned() };
        match index.format()? {
            Some(FORMAT_VERSION) => {}
            Some(found) => return Err(IndexError::Format { path: path.to_owned(), found }),
            None => index.prepare()?,
        }
        Ok(index)
    }

    fn format(&self) -> Result<Option<u32>, IndexError> {
        let read = self.database.begin_read().map_err(IndexError::database)?;
        match read.open_table(FORMAT) {
            Ok(table) => Ok(table.get(()).map_err(IndexError::database)?.map(|version| version.value())),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(IndexError::database(error)),
        }
    }

    /// Makes the tables, so that reading need not ask whether they are there.
    fn prepare(&self) -> Result<(), IndexError> {
        self.write(|write| {
            write.open_table(ROWS)?;
            write.open_table(STAGED)?;
            write.open_table(INODES)?;
            write.open_table(FOLDERS)?;
            write.open_table(FINGERPRINTS)?;
            write.open_table(FORMAT)?.insert((), FORMAT_VERSION)?;
            Ok(())
        })
    }

    /// One transaction, synced to the disk: all of it or nothing.
    fn write<T>(
        &self,
        change: impl FnOnce(&redb::WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, IndexError> {
        let write = self.database.begin_write().map_err(IndexError::database)?;
        let out = change(&write).map_err(IndexError::Database)?;
        write.commit().map_err(IndexError::database)?;
        Ok(out)
    }
}

fn set_aside(path: &Path) -> Result<(), IndexError> {
    let renamed = std::fs::rename(path, path.with_extension("damaged"));
    renamed.map_err(|source| IndexError::Aside { path: path.to_owned(), source })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_moved_aside_and_another_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.redb");
        std::fs::write(&path, [b'x'; 10_000]).unwrap();
        let index = Index::open(&path).unwrap();
        assert_eq!(index.folders().unwrap(), []);
        assert_eq!(std::fs::read(folder.path().join("index.damaged")).unwrap(), [b'x'; 10_000]);
    }

    #[test]
    fn an_index_that_is_set_aside_while_it_is_open_is_not_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.redb");
        let index = Index::open(&path).unwrap();
        index.set_aside().unwrap();
        drop(index);
        assert!(!path.exists());
        Index::open(&path).unwrap();
    }
}
