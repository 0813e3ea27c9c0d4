//! Which chunks the vault holds already, by their keyed hash: what is read again need not be sealed and sent again.

use std::collections::{HashMap, HashSet};

use protocol::id::BlobId;
use redb::ReadableDatabase as _;

use super::{FINGERPRINTS, Index, IndexError};

impl Index {
    /// The blob that holds a chunk.
    pub fn chunk(&self, fingerprint: &[u8; 32]) -> Result<Option<BlobId>, IndexError> {
        let read = self.database.begin_read().map_err(IndexError::database)?;
        let table = read.open_table(FINGERPRINTS).map_err(IndexError::database)?;
        let row = table.get(*fingerprint).map_err(IndexError::database)?;
        Ok(row.and_then(|row| BlobId::from_field(row.value())))
    }

    /// Remembers chunks that a commit made durable.
    pub fn add_chunks(&self, chunks: &HashMap<[u8; 32], BlobId>) -> Result<(), IndexError> {
        if chunks.is_empty() {
            return Ok(());
        }
        self.write(|write| {
            let mut table = write.open_table(FINGERPRINTS)?;
            for (fingerprint, blob) in chunks {
                table.insert(*fingerprint, *blob.as_bytes())?;
            }
            Ok(())
        })
    }

    /// Forgets chunks that are not where they should be.
    pub fn forget_chunks(&self, gone: &HashSet<BlobId>) -> Result<(), IndexError> {
        self.write(|write| {
            let mut table = write.open_table(FINGERPRINTS)?;
            table.retain(|_, blob| BlobId::from_field(blob).is_some_and(|blob| !gone.contains(&blob)))?;
            Ok(())
        })
    }
}
