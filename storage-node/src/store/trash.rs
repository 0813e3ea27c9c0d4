//! The trash: packs that compaction emptied, kept for a while. Deleted blobs cool off in them.

use super::Store;
use super::error::StoreError;

impl Store {
    /// Removes packs that have been in the trash for `keep_ms`, and younger ones, oldest first, while there is no room
    /// for another pack. Times in milliseconds, `now_ms` since 1970. Gives how many went.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn empty_trash(&self, now_ms: u64, keep_ms: u64) -> Result<usize, StoreError> {
        let mut removed = 0;
        for trashed in self.log.trashed()? {
            let kept_long_enough = trashed.since_ms.saturating_add(keep_ms) <= now_ms;
            if !kept_long_enough && self.space()?.free_bytes >= self.pack_bytes {
                break;
            }
            tracing::info!(pack = trashed.name, early = !kept_long_enough, "removed from the trash");
            self.log.remove_trashed(&trashed)?;
            removed += 1;
        }
        Ok(removed)
    }
}
