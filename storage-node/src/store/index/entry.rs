//! What the index says of one id, and which of two records of it stands.

use super::super::record::{Kind, record_len};

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) pack: u32,
    pub(crate) offset: u64,
    /// Bytes of the payload.
    pub(crate) len: u32,
    pub(crate) generation: u32,
}

impl Location {
    /// Its place in the log.
    pub(crate) fn place(&self) -> (u32, u64) {
        (self.pack, self.offset)
    }

    /// Bytes of the whole record.
    pub(crate) fn record_len(&self) -> u64 {
        record_len(self.len)
    }
}

/// Bytes of an encoded [`Entry`].
pub(crate) const ENTRY_LEN: usize = 21;

/// The record that stands for an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) at: Location,
}

impl Entry {
    /// Of two records of an id the higher generation stands, then the later record. A maximum, so the order in which
    /// records are met does not matter.
    pub(crate) fn rank(&self) -> (u32, (u32, u64)) {
        (self.at.generation, self.at.place())
    }

    pub(crate) fn blob(self) -> Option<Location> {
        (self.kind == Kind::Blob).then_some(self.at)
    }

    pub(crate) fn encode(self) -> [u8; ENTRY_LEN] {
        let mut out = [0; ENTRY_LEN];
        out[0] = self.kind as u8;
        out[1..5].copy_from_slice(&self.at.pack.to_be_bytes());
        out[5..13].copy_from_slice(&self.at.offset.to_be_bytes());
        out[13..17].copy_from_slice(&self.at.len.to_be_bytes());
        out[17..].copy_from_slice(&self.at.generation.to_be_bytes());
        out
    }

    pub(crate) fn decode(bytes: [u8; ENTRY_LEN]) -> Self {
        let u32_at = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let kind = if bytes[0] == Kind::Tombstone as u8 { Kind::Tombstone } else { Kind::Blob };
        let offset = u64::from(u32_at(5)) << 32 | u64::from(u32_at(9));
        Self { kind, at: Location { pack: u32_at(1), offset, len: u32_at(13), generation: u32_at(17) } }
    }
}
