//! A random sample of a folder's files, and what becomes of rows whose content turned out to be lost.

use std::collections::HashSet;

use protocol::id::{BlobId, SourceId};

use super::rows::key;
use super::{FINGERPRINTS, Index, IndexError, ROWS, Record, StoredContent};
use crate::scan::{Kind, TreePath};

/// Where to look for files to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pick {
    /// The file with this number, counted from 0.
    File(u64),
    /// The file that has this byte, if all were one after the other.
    Byte(u64),
}

/// A file that was picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    /// Where it is.
    pub path: TreePath,
    /// What was backed up of it.
    pub record: Record,
    /// The byte of it that was picked; its first, if it was picked by its number.
    pub at: u64,
}

impl Index {
    /// The files that picks mean, in the order of paths. One that lies behind the last file means none.
    pub fn pick(&self, source: &SourceId, picks: &[Pick]) -> Result<Vec<Picked>, IndexError> {
        let (mut files, mut bytes) = (0, 0);
        let mut out = Vec::new();
        for row in self.rows(source, &TreePath::default())? {
            let (path, record) = row?;
            if record.meta.kind != Kind::File {
                continue;
            }
            let size = record.meta.size;
            for pick in picks {
                let at = match *pick {
                    Pick::File(number) => (number == files).then_some(0),
                    Pick::Byte(byte) => byte.checked_sub(bytes).filter(|at| *at < size),
                };
                out.extend(at.map(|at| Picked { path: path.clone(), record: record.clone(), at }));
            }
            files += 1;
            bytes += size;
        }
        Ok(out)
    }

    /// Some blobs are lost, and some files could not be restored. These files, and all others of the folder with such
    /// a blob, are read again; chunks in the blobs are sealed again.
    pub fn distrust(
        &self,
        source: &SourceId,
        blobs: &HashSet<BlobId>,
        files: &HashSet<TreePath>,
    ) -> Result<(), IndexError> {
        let names_lost = |content: &StoredContent| match content {
            StoredContent::InEntry => false,
            StoredContent::Chunks(chunks) => chunks.iter().any(|chunk| blobs.contains(&chunk.id)),
            StoredContent::Lists(lists) => lists.iter().any(|list| blobs.contains(list)),
        };
        let mut distrusted: Vec<(TreePath, Record)> = Vec::new();
        for row in self.rows(source, &TreePath::default())? {
            let (path, mut record) = row?;
            let Some(file) = &mut record.file else { continue };
            if names_lost(&file.content) || files.contains(&path) {
                // As one that changed while it was read: the next scan takes it, whatever its times say.
                file.changed = true;
                distrusted.push((path, record));
            }
        }
        self.write(|write| {
            let mut rows = write.open_table(ROWS)?;
            for (path, record) in &distrusted {
                rows.insert(&key(source, path)[..], &record.encode()[..])?;
            }
            let mut fingerprints = write.open_table(FINGERPRINTS)?;
            fingerprints.retain(|_, blob| !BlobId::from_field(blob).is_some_and(|id| blobs.contains(&id)))?;
            Ok(())
        })
    }
}
