//! The rows of each folder, in the order of a walk.

use std::ops::Bound;

use protocol::id::SourceId;
use redb::{Durability, ReadableDatabase as _, ReadableTable as _, Table};

use super::folder::encode as encode_folder;
use super::{FOLDERS, FolderState, INODES, Index, IndexError, ROWS, Record, STAGED};
use crate::scan::{Kind, Meta, TreePath};

/// Bytes of a source's id, which begins each key.
const ID_LEN: usize = 16;

/// A change of one row.
#[derive(Debug, Clone)]
pub enum RowChange {
    /// It is now so. What is not a directory has nothing beneath it.
    Put(TreePath, Record),
    /// It is gone, with all that was beneath it.
    Remove(TreePath),
}

impl RowChange {
    /// Where the row is.
    pub fn path(&self) -> &TreePath {
        match self {
            Self::Put(path, _) | Self::Remove(path) => path,
        }
    }
}

impl Index {
    /// The rows at a path and beneath it, in order.
    pub fn rows(
        &self,
        source: &SourceId,
        within: &TreePath,
    ) -> Result<impl Iterator<Item = Result<(TreePath, Record), IndexError>> + use<>, IndexError> {
        self.rows_from(source, Bound::Included(within), within)
    }

    /// All rows after a path, in order.
    pub fn rows_after(
        &self,
        source: &SourceId,
        after: &TreePath,
    ) -> Result<impl Iterator<Item = Result<(TreePath, Record), IndexError>> + use<>, IndexError> {
        self.rows_from(source, Bound::Excluded(after), &TreePath::default())
    }

    fn rows_from(
        &self,
        source: &SourceId,
        start: Bound<&TreePath>,
        within: &TreePath,
    ) -> Result<impl Iterator<Item = Result<(TreePath, Record), IndexError>> + use<>, IndexError> {
        let read = self.database.begin_read().map_err(IndexError::database)?;
        let table = read.open_table(ROWS).map_err(IndexError::database)?;
        let start = start.map(|start| key(source, start));
        let start = start.as_ref().map(|start| &start[..]);
        let rows = table.range::<&[u8]>((start, Bound::Unbounded)).map_err(IndexError::database)?;
        let (source, within) = (*source, within.clone());
        // NUL sorts before all that names contain: what is beneath a path stands right after it.
        Ok(rows.map_while(move |row| {
            let row = row.map_err(IndexError::database).and_then(|(key, value)| {
                let Some(path) = path(&source, key.value()) else { return Ok(None) };
                Ok(path.is_within(&within).then_some((path, Record::decode(value.value())?)))
            });
            row.transpose()
        }))
    }

    /// One row.
    pub fn row(&self, source: &SourceId, path: &TreePath) -> Result<Option<Record>, IndexError> {
        let read = self.database.begin_read().map_err(IndexError::database)?;
        let table = read.open_table(ROWS).map_err(IndexError::database)?;
        let row = table.get(&key(source, path)[..]).map_err(IndexError::database)?;
        row.map(|row| Record::decode(row.value())).transpose()
    }

    /// What was backed up of the very same file under another name, in any folder: nothing but its place changed.
    pub fn moved(&self, meta: &Meta) -> Result<Option<Record>, IndexError> {
        let read = self.database.begin_read().map_err(IndexError::database)?;
        let inodes = read.open_table(INODES).map_err(IndexError::database)?;
        let Some(at) = inodes.get((meta.device, meta.inode)).map_err(IndexError::database)? else {
            return Ok(None);
        };
        let rows = read.open_table(ROWS).map_err(IndexError::database)?;
        let Some(row) = rows.get(at.value()).map_err(IndexError::database)? else { return Ok(None) };
        let record = Record::decode(row.value())?;
        Ok(Some(record).filter(|record| record.is_current(meta) && record.meta.device == meta.device))
    }

    /// Takes in what a commit made durable, all at once.
    pub fn apply(
        &self,
        source: &SourceId,
        changes: &[RowChange],
        state: &FolderState,
    ) -> Result<(), IndexError> {
        self.write(|write| {
            let mut rows = write.open_table(ROWS)?;
            let mut inodes = write.open_table(INODES)?;
            for change in changes {
                match change {
                    RowChange::Put(path, record) => {
                        let key = key(source, path);
                        // Most rows are new, and a range costs more than a look.
                        if record.meta.kind != Kind::Directory && rows.get(&key[..])?.is_some() {
                            remove(&mut rows, &mut inodes, &key)?;
                        }
                        rows.insert(&key[..], &record.encode()[..])?;
                        if record.meta.kind == Kind::File {
                            inodes.insert((record.meta.device, record.meta.inode), &key[..])?;
                        }
                    }
                    RowChange::Remove(path) => remove(&mut rows, &mut inodes, &key(source, path))?,
                }
            }
            write.open_table(FOLDERS)?.insert(*source.as_bytes(), &encode_folder(state)[..])?;
            Ok(())
        })
    }

    /// Puts rows of a snapshot that is being made aside. They need not survive a crash.
    pub fn stage(&self, source: &SourceId, rows: &[(TreePath, Record)]) -> Result<(), IndexError> {
        let mut write = self.database.begin_write().map_err(IndexError::database)?;
        write.set_durability(Durability::None).map_err(IndexError::database)?;
        {
            let mut staged = write.open_table(STAGED).map_err(IndexError::database)?;
            for (path, record) in rows {
                let (key, record) = (key(source, path), record.encode());
                staged.insert(&key[..], &record[..]).map_err(IndexError::database)?;
            }
        }
        write.commit().map_err(IndexError::database)
    }

    /// Drops what was put aside: the snapshot begins anew.
    pub fn unstage(&self) -> Result<(), IndexError> {
        self.write(|write| {
            write.delete_table(STAGED)?;
            write.open_table(STAGED)?;
            Ok(())
        })
    }

    /// The rows that were put aside become the folder's, instead of those that it had, all at once.
    pub fn replace_by_staged(&self, source: &SourceId, state: &FolderState) -> Result<(), IndexError> {
        self.write(|write| {
            {
                let mut rows = write.open_table(ROWS)?;
                let mut inodes = write.open_table(INODES)?;
                rows.retain(|key, _| !key.starts_with(source.as_bytes()))?;
                inodes.retain(|_, key| !key.starts_with(source.as_bytes()))?;
                let staged = write.open_table(STAGED)?;
                for row in staged.iter()? {
                    let (key, value) = row?;
                    let Ok(record) = Record::decode(value.value()) else { continue };
                    rows.insert(key.value(), value.value())?;
                    if record.meta.kind == Kind::File {
                        inodes.insert((record.meta.device, record.meta.inode), key.value())?;
                    }
                }
            }
            write.delete_table(STAGED)?;
            write.open_table(STAGED)?;
            write.open_table(FOLDERS)?.insert(*source.as_bytes(), &encode_folder(state)[..])?;
            Ok(())
        })
    }

    /// Forgets a folder that is no longer backed up.
    pub fn forget(&self, source: &SourceId) -> Result<(), IndexError> {
        self.write(|write| {
            write.open_table(ROWS)?.retain(|key, _| !key.starts_with(source.as_bytes()))?;
            write.open_table(INODES)?.retain(|_, key| !key.starts_with(source.as_bytes()))?;
            write.open_table(FOLDERS)?.remove(*source.as_bytes())?;
            Ok(())
        })
    }
}

/// Removes the row of a key and those beneath it.
fn remove(
    rows: &mut Table<'_, &[u8], &[u8]>,
    inodes: &mut Table<'_, (u64, u64), &[u8]>,
    key: &[u8],
) -> Result<(), redb::Error> {
    // What is beneath has a NUL where the key ends.
    let end = [key, &[1]].concat();
    for row in rows.extract_from_if(key..&end[..], |_, _| true)? {
        let (key, value) = row?;
        let Ok(Record { meta, .. }) = Record::decode(value.value()) else { continue };
        let inode = (meta.device, meta.inode);
        // Another link to the same file may have taken its place.
        if inodes.get(inode)?.is_some_and(|at| at.value() == key.value()) {
            inodes.remove(inode)?;
        }
    }
    Ok(())
}

pub(super) fn key(source: &SourceId, path: &TreePath) -> Vec<u8> {
    [source.as_bytes(), path.as_key()].concat()
}

fn path(source: &SourceId, key: &[u8]) -> Option<TreePath> {
    let (id, key) = key.split_at_checked(ID_LEN)?;
    (id == source.as_bytes()).then(|| TreePath::from_key(key))
}
