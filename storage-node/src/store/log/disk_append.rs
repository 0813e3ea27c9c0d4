//! Appending to packs on a disk: one write and one sync for a group.
//!
//! What is on disk leaves the page cache at once: a backup is seldom read soon, and its pages serve the next group.

use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Instant;

use protocol::id::StoreId;
use rustix::fs::{Advice, fadvise};

use super::super::index::LogPosition;
use super::super::pack::{Marker, PACK_HEADER_LEN, Pack, PackHeader};
use super::super::work::NewRecord;
use super::{AppendError, Appended, lay_out};

/// The end of the log.
#[derive(Debug)]
pub(crate) struct DiskAppender {
    pub(super) packs: PathBuf,
    pub(super) store: StoreId,
    /// A pack gets no more records from here on.
    pub(super) pack_bytes: u64,
    /// The pack to append to, and where.
    pub(super) current: Option<(Pack, u64)>,
    pub(super) next_pack: u32,
    /// Records as they are written; kept between groups.
    pub(super) buffer: Vec<u8>,
}

impl DiskAppender {
    /// On failure the old end stands, and the next group, if there may be one, is written over the remains.
    pub(crate) fn append(&mut self, records: &[NewRecord], reclaims: bool) -> Result<Appended, AppendError> {
        let (pack, offset) = match self.current.take() {
            Some((pack, offset)) if offset < self.pack_bytes => (pack, offset),
            _ => (self.next_pack(reclaims)?, PACK_HEADER_LEN),
        };
        let result = self.append_to(&pack, offset, records);
        let end = result.as_ref().map_or(offset, |appended| appended.end.offset);
        self.current = Some((pack, end));
        result
    }

    /// A new pack. What reclaims room does without a whole pack's room in advance.
    fn next_pack(&mut self, reclaims: bool) -> Result<Pack, AppendError> {
        match self.create_pack(self.pack_bytes) {
            Err(AppendError::Full) if reclaims => self.create_pack(0),
            created => created,
        }
    }

    fn create_pack(&mut self, preallocate: u64) -> Result<Pack, AppendError> {
        let number = self.next_pack;
        let marker = Marker::random().map_err(|error| failed("make a pack", &error))?;
        self.next_pack += 1;
        let header = PackHeader { store: self.store, number, marker };
        Pack::create(&self.packs, header, preallocate).map_err(|error| failed("make a pack", &error))
    }

    fn append_to(&mut self, pack: &Pack, start: u64, records: &[NewRecord]) -> Result<Appended, AppendError> {
        self.buffer.clear();
        let entries = lay_out(records, pack.number, pack.marker, start, &mut self.buffer);
        pack.bytes.write_all_at(&self.buffer, start).map_err(|error| failed("write", &error))?;
        let started = Instant::now();
        pack.bytes.sync_data().map_err(|error| AppendError::Broken(format!("a sync failed: {error}")))?;
        let took = started.elapsed();
        // Of no consequence where it fails. Without it every group fills memory that held something else before.
        let len = NonZeroU64::new(self.buffer.len() as u64);
        let _ = fadvise(&pack.bytes, start, len, Advice::DontNeed);
        let end = LogPosition { pack: pack.number, offset: start + self.buffer.len() as u64 };
        Ok(Appended { entries, end, took })
    }
}

/// A full disk passes; any other failure to write does not.
fn failed(action: &'static str, error: &io::Error) -> AppendError {
    if error.kind() == io::ErrorKind::StorageFull {
        return AppendError::Full;
    }
    AppendError::Broken(format!("cannot {action}: {error}"))
}
