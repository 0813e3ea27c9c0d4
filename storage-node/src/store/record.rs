//! One record of a pack: a header of 64 bytes, the payload, and zeros up to a multiple of 8.
//!
//! Each pack has a random marker that stands in front of every record and never leaves the node. After damage the
//! scanner looks for the marker, so bytes that a client chose, inside a payload, cannot pass for a record.

use protocol::id::BlobId;
use protocol::limits::BLOB_BYTES_MAX;

use super::pack::Marker;

/// Bytes of a record's header.
pub(crate) const HEADER_LEN: usize = 64;
/// Records start at multiples of this.
pub(crate) const ALIGNMENT: u64 = 8;

/// What a record says. 3 (root record) is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A blob: its payload.
    Blob = 1,
    /// A deletion of what stood under the id before, at this generation or a lower one; no payload.
    Tombstone = 2,
}

const CRC_AT: usize = HEADER_LEN - 4;

/// What a record's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: Kind,
    pub(crate) id: BlobId,
    pub(crate) generation: u32,
    /// Bytes of the payload.
    pub(crate) len: u32,
    /// CRC-32C of the payload: finds damage on every read at next to no cost.
    pub(crate) payload_crc: u32,
}

/// What stands where a record could start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoded {
    Record(RecordHeader),
    /// A whole header of a kind that this version does not know.
    OtherKind(u8),
    /// Not a header of this pack.
    Nothing,
}

impl RecordHeader {
    pub(crate) fn tombstone(id: BlobId, generation: u32) -> Self {
        Self { kind: Kind::Tombstone, id, generation, len: 0, payload_crc: 0 }
    }

    /// `marker[12] kind[1] zeros[3] len[4] generation[4] payload_crc[4] id[32] crc[4]`, integers big-endian.
    pub(crate) fn encode(&self, marker: Marker) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..12].copy_from_slice(&marker.0);
        out[12] = self.kind as u8;
        out[16..20].copy_from_slice(&self.len.to_be_bytes());
        out[20..24].copy_from_slice(&self.generation.to_be_bytes());
        out[24..28].copy_from_slice(&self.payload_crc.to_be_bytes());
        out[28..60].copy_from_slice(self.id.as_bytes());
        let crc = crc32c::crc32c(&out[..CRC_AT]);
        out[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_LEN], marker: Marker) -> Decoded {
        if bytes[..12] != marker.0 || u32_at(bytes, CRC_AT) != crc32c::crc32c(&bytes[..CRC_AT]) {
            return Decoded::Nothing;
        }
        let kind = match bytes[12] {
            1 => Kind::Blob,
            2 => Kind::Tombstone,
            other => return Decoded::OtherKind(other),
        };
        let Some(id) = bytes[28..60].try_into().ok().and_then(BlobId::from_field) else {
            return Decoded::Nothing;
        };
        let (len, generation, payload_crc) = (u32_at(bytes, 16), u32_at(bytes, 20), u32_at(bytes, 24));
        let well_formed = match kind {
            Kind::Blob => len <= BLOB_BYTES_MAX,
            Kind::Tombstone => bytes[13..20] == [0; 7] && payload_crc == 0,
        };
        if well_formed {
            Decoded::Record(Self { kind, id, generation, len, payload_crc })
        } else {
            Decoded::Nothing
        }
    }

    /// Bytes from this record's start to the next one's.
    pub(crate) fn record_len(&self) -> u64 {
        record_len(self.len)
    }
}

/// Bytes that a record with such a payload takes in a pack.
pub(crate) fn record_len(payload_len: u32) -> u64 {
    (HEADER_LEN as u64 + u64::from(payload_len)).next_multiple_of(ALIGNMENT)
}

fn u32_at(bytes: &[u8; HEADER_LEN], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
