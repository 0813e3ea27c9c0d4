//! `trash/<day>/<number>.<Unix ms>.pack`: packs that compaction emptied, kept for a while. Deleted blobs cool off in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::error::StoreError;
use super::folder::sync_folder;
use super::{Store, pack};

/// A pack in the trash.
struct Trashed {
    /// Since when, in Unix milliseconds.
    since_ms: u64,
    path: PathBuf,
}

impl Store {
    /// Moves a pack to the trash.
    pub(crate) fn trash_pack(&self, number: u32, now_ms: u64) -> Result<(), StoreError> {
        let (packs, trash) = (self.folder.packs(), self.folder.trash());
        let day = trash.join(day_of(now_ms));
        fs::create_dir_all(&day).map_err(StoreError::file("make the folder", &day))?;
        sync_folder(&trash)?;
        let path = pack::path(&packs, number);
        let target = day.join(format!("{number:08}.{now_ms}.pack"));
        fs::rename(&path, target).map_err(StoreError::file("move to the trash", path))?;
        sync_folder(&day)?;
        sync_folder(&packs)
    }

    /// Removes packs that have been in the trash for `keep_ms`, and younger ones, oldest first, while the disk has no room
    /// for another pack. Times in milliseconds, `now_ms` since 1970. Gives how many went.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn empty_trash(&self, now_ms: u64, keep_ms: u64) -> Result<usize, StoreError> {
        let mut removed = 0;
        for Trashed { since_ms, path } in self.trashed()? {
            let kept_long_enough = since_ms.saturating_add(keep_ms) <= now_ms;
            if !kept_long_enough && self.space()?.free_bytes >= self.pack_bytes {
                break;
            }
            tracing::info!(path = %path.display(), early = !kept_long_enough, "removed from the trash");
            fs::remove_file(&path).map_err(StoreError::file("remove", &path))?;
            // The day's folder goes with its last pack.
            drop(path.parent().map(fs::remove_dir));
            removed += 1;
        }
        Ok(removed)
    }

    /// Oldest first.
    fn trashed(&self) -> Result<Vec<Trashed>, StoreError> {
        let mut trashed = Vec::new();
        for day in entries(&self.folder.trash())?.into_iter().filter(|path| path.is_dir()) {
            for path in entries(&day)? {
                let since_ms = path.file_name().and_then(|name| since(name.to_str()?));
                trashed.extend(since_ms.map(|since_ms| Trashed { since_ms, path }));
            }
        }
        trashed.sort_unstable_by_key(|trashed| trashed.since_ms);
        Ok(trashed)
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let list = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>();
    list().map_err(StoreError::file("list", folder))
}

/// The time in a file's name; none for strangers.
fn since(name: &str) -> Option<u64> {
    name.strip_suffix(".pack")?.split_once('.')?.1.parse().ok()
}

/// `YYYY-MM-DD`, UTC.
fn day_of(now_ms: u64) -> String {
    let seconds = i64::try_from(now_ms / 1000).unwrap_or(i64::MAX);
    let moment = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.date().to_string()
}
