//! Compaction: what stands of a pack moves to the newest one, and the file goes to the trash.
//!
//! A crash at any point leaves records twice, which is no harm, or a pack of which nothing stands, which is found again.
//! The file goes only when everything that stood in it is durable elsewhere.

use std::sync::PoisonError;

use bytes::Bytes;
use protocol::id::BlobId;
use tokio::sync::oneshot;

use super::Store;
use super::contents::{Contents, SealedPack};
use super::error::StoreError;
use super::index::Entry;
use super::pace::Pace;
use super::record::Kind;
use super::work::{Job, Moved, Work};

/// Bytes that move at a time: what waits behind them waits briefly, and memory is bounded.
const BATCH_BYTES: u64 = 2 << 20;

impl Store {
    /// The pack with the most dead bytes, if these are more than so many percent of it.
    ///
    /// # Errors
    /// When index or disk fail.
    pub fn pack_to_compact(&self, dead_percent: u64) -> Result<Option<u32>, StoreError> {
        let is_due = |pack: &SealedPack| pack.dead > pack.len / 100 * dead_percent;
        let mut due: Vec<_> = self.sealed_packs()?.into_iter().filter(is_due).collect();
        due.sort_unstable_by_key(|pack| pack.dead);
        while let Some(SealedPack { number, .. }) = due.pop() {
            if self.is_passed_over(number) {
                continue;
            }
            if self.readable_pack(number)?.is_some() {
                return Ok(Some(number));
            }
            self.pass_over(number);
        }
        Ok(None)
    }

    /// Moves what stands of a pack, verified, and the pack to the trash. Says whether it came to that: not when `pace` is
    /// stopped. `now_ms` in Unix milliseconds.
    ///
    /// # Errors
    /// When index or disk fail, or there is no room; what was moved until then stays moved.
    pub fn compact(&self, number: u32, pace: &Pace, now_ms: u64) -> Result<bool, StoreError> {
        let contents = self.contents(number)?;
        let keep_tombstones = self.may_hide_something(number)?;
        if !self.move_blobs(number, &contents, pace, now_ms)? {
            return Ok(false);
        }
        let tombstones = &contents.tombstones;
        if keep_tombstones {
            for batch in tombstones.chunks(BATCH_BYTES as usize / 64) {
                let moved = batch.iter().map(|(id, from)| moved(*id, *from, Bytes::new()));
                self.wait_for(Work::Move(moved.collect()))?;
            }
        }
        let left = self.index.pack_use(number);
        if left.blobs > 0 || (keep_tombstones && left.tombstones > 0) {
            self.pass_over(number);
            return Err(StoreError::PackInUse(number));
        }
        self.keep_damaged_ranges(number, &contents)?;
        self.index.forget_pack(number, tombstones)?;
        match self.index.checkpoint() {
            // Without it a crash makes the next start read the log instead.
            Ok(()) | Err(StoreError::Full) => {}
            Err(error) => return Err(error),
        }
        self.log.trash_pack(number, now_ms).inspect_err(|error| {
            // The file may come back after a power cut, without the tombstones of what it has.
            self.status.set_read_only(format!("a pack does not go to the trash: {error}"));
        })?;
        tracing::info!(pack = number, blobs = contents.blobs.len(), "compacted");
        Ok(true)
    }

    /// Whether an older pack may have a record that a tombstone of this one hides: those that it hides were written before
    /// it, do not stand, and so are dead. Records that do not stand are never moved.
    fn may_hide_something(&self, number: u32) -> Result<bool, StoreError> {
        Ok(self.sealed_packs()?.iter().any(|pack| pack.number < number && pack.dead > 0))
    }

    fn move_blobs(
        &self,
        number: u32,
        contents: &Contents,
        pace: &Pace,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let whole = if contents.blobs.is_empty() { None } else { self.log.whole(number)? };
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (place, (id, at)) in contents.blobs.iter().enumerate() {
            if let Some(payload) = self.verify_in(whole.as_ref(), id, *at, now_ms)? {
                bytes += at.record_len();
                batch.push(moved(*id, Entry { kind: Kind::Blob, at: *at }, payload));
            }
            let is_last = place + 1 == contents.blobs.len();
            if bytes < BATCH_BYTES && !is_last {
                continue;
            }
            self.wait_for(Work::Move(std::mem::take(&mut batch)))?;
            if !pace.spend(std::mem::take(&mut bytes)) && !is_last {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_passed_over(&self, number: u32) -> bool {
        self.passed_over.lock().unwrap_or_else(PoisonError::into_inner).contains(&number)
    }

    fn pass_over(&self, number: u32) {
        self.passed_over.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
    }

    /// Has the writer do something, and waits until it is durable.
    fn wait_for(&self, work: Work) -> Result<(), StoreError> {
        let (done, answered) = oneshot::channel();
        self.queue()?.send(Job { work, done }).map_err(|_| StoreError::Closing)?;
        answered.blocking_recv().map_err(|_| StoreError::Closing)?
    }

    /// Damaged bytes are never deleted: nobody knows what they were.
    fn keep_damaged_ranges(&self, number: u32, contents: &Contents) -> Result<(), StoreError> {
        for range in &contents.damaged {
            let bytes = self.log.salvage(number, range.start, range.end - range.start)?;
            self.folder.put_aside(&format!("{number:08}.pack.{}", range.start), &bytes)?;
        }
        Ok(())
    }
}

fn moved(id: BlobId, from: Entry, payload: Bytes) -> Moved {
    Moved { id, from, payload }
}
