//! Finds the records of a pack after a crash or without an index.
//!
//! A crash leaves any part of the last, unacknowledged group on disk, in any order; rot damages any record. The two
//! look alike, so the scanner never takes damage for the end: it goes on at the next record that proves itself by
//! marker, checksum and SHA-256. Only what lies behind the last good record may be cut off.

use std::io;
use std::ops::Range;

use protocol::digest::sha256;

use super::error::StoreError;
use super::log::Source;
use super::pack::{PACK_HEADER_LEN, Pack};
use super::record::{ALIGNMENT, Decoded, HEADER_LEN, Kind, RecordHeader};

/// How much of each record is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Headers, one jump each: for packs that were whole and synced before a newer one was made.
    Headers,
    /// Headers and the SHA-256 of every payload: for the pack that was being written.
    Payloads,
}

/// What a scan found beside the records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// The end of the last good record.
    pub(crate) end: u64,
    /// Ranges before the end that hold no record.
    pub(crate) damaged: Vec<Range<u64>>,
    /// Bytes behind the end that are not all zero: a torn group.
    pub(crate) torn_bytes: u64,
}

/// Bytes that are searched for the marker at a time.
pub(crate) const WINDOW: usize = 1 << 20;

/// Visits every good record from `from` on, in order: its offset and header.
pub(crate) fn scan<S: Source>(
    pack: &Pack<S>,
    from: u64,
    check: Check,
    mut visit: impl FnMut(u64, RecordHeader),
) -> Result<Scanned, StoreError> {
    let failed = |source| StoreError::ReadPack { pack: pack.number, source };
    let file_len = pack.bytes.len().map_err(failed)?;
    let mut found = Scanned { end: from.max(PACK_HEADER_LEN), ..Scanned::default() };
    let mut next = Some(found.end);
    let mut trusted = check == Check::Headers;
    while let Some(offset) = next {
        let Some(header) = good_record(pack, offset, file_len, trusted)? else {
            next = find_marker(pack, offset + ALIGNMENT, file_len).map_err(failed)?;
            trusted = false;
            continue;
        };
        if offset > found.end {
            found.damaged.push(found.end..offset);
        }
        visit(offset, header);
        found.end = offset + header.record_len();
        next = Some(found.end);
        trusted = check == Check::Headers;
    }
    found.torn_bytes = used_bytes(&pack.bytes, found.end).map_err(failed)?;
    Ok(found)
}

fn good_record<S: Source>(
    pack: &Pack<S>,
    offset: u64,
    file_len: u64,
    trusted: bool,
) -> Result<Option<RecordHeader>, StoreError> {
    let failed = |source| StoreError::ReadPack { pack: pack.number, source };
    let mut bytes = [0; HEADER_LEN];
    if pack.bytes.read_up_to(&mut bytes, offset).map_err(failed)? < HEADER_LEN {
        return Ok(None);
    }
    let header = match RecordHeader::decode(&bytes, pack.marker) {
        Decoded::Record(header) => header,
        Decoded::OtherKind(kind) => return Err(StoreError::NewerFormat { pack: pack.number, kind }),
        Decoded::Nothing => return Ok(None),
    };
    if offset + HEADER_LEN as u64 + u64::from(header.len) > file_len {
        return Ok(None);
    }
    let good = trusted || proves_itself(&pack.bytes, offset, &header).map_err(failed)?;
    Ok(good.then_some(header))
}

/// Whether the payload behind a record's header is the blob that it names. A tombstone is all header.
pub(crate) fn proves_itself<S: Source>(source: &S, offset: u64, header: &RecordHeader) -> io::Result<bool> {
    if header.kind == Kind::Tombstone {
        return Ok(true);
    }
    let mut payload = vec![0; header.len as usize];
    let count = source.read_up_to(&mut payload, offset + HEADER_LEN as u64)?;
    let whole = count == payload.len() && header.payload_crc == crc32c::crc32c(&payload);
    Ok(whole && sha256(&[&payload]) == *header.id.as_bytes())
}

/// The next place from `from` on where the pack's marker stands.
fn find_marker<S: Source>(pack: &Pack<S>, mut from: u64, file_len: u64) -> io::Result<Option<u64>> {
    let mut window = vec![0; WINDOW + pack.marker.0.len()];
    while from < file_len {
        let count = pack.bytes.read_up_to(&mut window, from)?;
        let starts = (0..count.min(WINDOW)).step_by(ALIGNMENT as usize);
        if let Some(at) = starts.into_iter().find(|at| window[*at..count].starts_with(&pack.marker.0)) {
            return Ok(Some(from + at as u64));
        }
        from += WINDOW as u64;
    }
    Ok(None)
}

/// Bytes from `start` to the last one that is not zero.
pub(crate) fn used_bytes<S: Source>(source: &S, start: u64) -> io::Result<u64> {
    let mut window = vec![0; WINDOW];
    let (mut from, mut used) = (start, 0);
    loop {
        let count = source.read_up_to(&mut window, from)?;
        if count == 0 {
            return Ok(used);
        }
        if let Some(last) = window[..count].iter().rposition(|byte| *byte != 0) {
            used = from + last as u64 + 1 - start;
        }
        from += count as u64;
    }
}
