//! Appending to the log in a cloud: each group becomes an object of its own, which is acknowledged when the provider says
//! that it has it.
//!
//! An upload whose answer is lost may still arrive. So the next group is made under the same number, which succeeds only
//! if nothing is there; if something is, the group that arrived counts, and the next one is chosen anew behind it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use protocol::id::{BlobId, StoreId};

use super::super::examine::Examined;
use super::super::index::{Entry, LogPosition};
use super::super::log::{AppendError, Appended, lay_out};
use super::super::pack::{Marker, PackHeader};
use super::super::recovery::records_of;
use super::super::scan::Check;
use super::super::work::NewRecord;
use super::error::CloudError;
use super::objects::Made;
use super::{CloudLog, lock, path};

/// Uploads of unknown fate under one number that are remembered.
const UNSURE_MAX: usize = 256;

/// The end of the log.
#[derive(Debug)]
pub(crate) struct CloudAppender {
    log: Arc<CloudLog>,
    store: StoreId,
    /// The number of the next pack.
    next: u32,
    /// Uploads under that number that may still arrive.
    unsure: Vec<Marker>,
    /// Nothing was made since the start: an upload of the time before may still arrive.
    is_first: bool,
}

impl CloudAppender {
    pub(super) fn new(log: Arc<CloudLog>, store: StoreId, next: u32) -> Self {
        Self { log, store, next, unsure: Vec::new(), is_first: true }
    }

    pub(crate) fn append(&mut self, records: &[NewRecord]) -> Result<Appended, AppendError> {
        let number = self.next;
        let marker = Marker::random().map_err(|error| AppendError::Broken(error.to_string()))?;
        let mut bytes = PackHeader { store: self.store, number, marker }.encode().to_vec();
        let entries = lay_out(records, number, marker, bytes.len() as u64, &mut bytes);
        let bytes = Bytes::from(bytes);
        let (len, started) = (bytes.len() as u64, Instant::now());
        let made = self.log.objects.make(path(number), bytes);
        match made {
            Ok(Made::New { hash }) => Ok(self.made(entries, len, hash, started)),
            Ok(Made::Exists) => {
                // One of a repetition's first attempts may be what is there.
                self.unsure.push(marker);
                match self.who_is_there(number, started) {
                    Ok((found, there)) if found == marker => Ok(there),
                    Ok((_, there)) => Err(AppendError::Behind(there)),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(self.failed(&error, marker)),
        }
    }

    fn made(
        &mut self,
        entries: Vec<(BlobId, Entry)>,
        len: u64,
        hash: Option<String>,
        started: Instant,
    ) -> Appended {
        let number = self.next;
        lock(&self.log.packs).insert(number, len);
        if let Some(hash) = hash {
            self.log.hashes.note(number, hash);
        }
        self.next = number.saturating_add(1);
        self.unsure.clear();
        self.is_first = false;
        self.log.room.clear_full();
        if self.log.trouble().is_some() {
            self.log.set_trouble(None);
        }
        Appended { entries, end: LogPosition { pack: number, offset: len }, took: started.elapsed() }
    }

    /// The pack that is there under a number where one should be made, and its marker.
    fn who_is_there(&mut self, number: u32, started: Instant) -> Result<(Marker, Appended), AppendError> {
        let unreachable = |error: &dyn std::error::Error| AppendError::Unreachable(error.to_string());
        let there = self.log.objects.stat(path(number)).map_err(|error| unreachable(&error))?;
        let len = there.as_ref().map(|there| there.len).unwrap_or_default();
        lock(&self.log.packs).insert(number, len);
        let examined = self.log.examine(number, self.store).map_err(|error| unreachable(&error))?;
        let Examined::Pack(known) = examined else { return Err(self.not_ours(number)) };
        let Some(marker) = known.marker.filter(|marker| self.is_first || self.unsure.contains(marker)) else {
            return Err(self.not_ours(number));
        };
        let pack = self.log.open_pack(&known);
        let (_, entries) =
            records_of(&pack, known.first_record(), Check::Headers).map_err(|error| unreachable(&error))?;
        let hash = there.and_then(|there| there.hash);
        drop(pack);
        tracing::info!(pack = number, "an upload of unknown fate had arrived");
        Ok((marker, self.made(entries, len, hash, started)))
    }

    fn not_ours(&self, number: u32) -> AppendError {
        lock(&self.log.packs).remove(&number);
        AppendError::Broken(format!("another program writes to {}", self.log.objects.place()))
    }

    fn failed(&mut self, error: &CloudError, marker: Marker) -> AppendError {
        if *error == CloudError::Full {
            self.log.room.set_full();
            return AppendError::Full;
        }
        let reason = error.to_string();
        if !error.is_refusal() {
            if !self.log.makes_only_new || self.unsure.len() == UNSURE_MAX {
                return AppendError::Broken(format!("an upload of unknown fate: {reason}"));
            }
            self.unsure.push(marker);
        }
        self.log.set_trouble(Some(reason.clone()));
        AppendError::Unreachable(reason)
    }
}
