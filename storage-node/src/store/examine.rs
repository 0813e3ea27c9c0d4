//! Tells what a pack is, also when its header is damaged: then the records that prove themselves give the marker.

use std::io;

use protocol::id::StoreId;

use super::log::Source;
use super::pack::{Marker, PACK_HEADER_LEN, PackHeader};
use super::record::{ALIGNMENT, Decoded, HEADER_LEN, RecordHeader};
use super::scan::{WINDOW, proves_itself, used_bytes};

/// What a pack turned out to be.
#[derive(Debug)]
pub(crate) enum Examined {
    /// A pack of this store.
    Pack(KnownPack),
    /// Nothing was ever written behind its header: a crash while it was made.
    Unused,
    /// Another store's, another number's, or another format's.
    Foreign,
}

/// A pack of this store, not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownPack {
    pub(crate) number: u32,
    /// None: the header is damaged, and no records or contradictory ones tell it. The index may still know some.
    pub(crate) marker: Option<Marker>,
    /// Bytes at the front that damage took, the header among them; 0 if the header is whole.
    pub(crate) damaged: u64,
}

impl KnownPack {
    /// Where the first record may stand.
    pub(crate) fn first_record(&self) -> u64 {
        self.damaged.max(PACK_HEADER_LEN)
    }
}

/// Reads a pack's header, and its records if that is damaged.
pub(crate) fn examine<S: Source>(source: &S, number: u32, store: StoreId) -> io::Result<Examined> {
    let mut header = [0; PACK_HEADER_LEN as usize];
    source.read_up_to(&mut header, 0)?;
    if PackHeader::is_whole(&header) {
        return Ok(match PackHeader::decode(&header) {
            Some(header) if header.store == store && header.number == number => {
                Examined::Pack(KnownPack { number, marker: Some(header.marker), damaged: 0 })
            }
            _ => Examined::Foreign,
        });
    }
    if used_bytes(source, PACK_HEADER_LEN)? == 0 {
        return Ok(Examined::Unused);
    }
    let known = match find_first_record(source)? {
        Some((marker, first)) => KnownPack { number, marker: Some(marker), damaged: first },
        None => KnownPack { number, marker: None, damaged: source.len()? },
    };
    Ok(Examined::Pack(known))
}

/// The marker that all good records agree on, and where the first of them is.
///
/// One that disagrees lies inside a blob whose own header is damaged too, put there by a client. Which of the two is
/// the pack's cannot be told, and a client must not choose it.
fn find_first_record<S: Source>(source: &S) -> io::Result<Option<(Marker, u64)>> {
    let mut first: Option<(Marker, u64)> = None;
    let mut next = Some(PACK_HEADER_LEN);
    while let Some(offset) = next {
        let Some((marker, header)) = record_at(source, offset)? else {
            next = find_header(source, offset + ALIGNMENT)?;
            continue;
        };
        if first.is_some_and(|(agreed, _)| agreed != marker) {
            return Ok(None);
        }
        first = first.or(Some((marker, offset)));
        next = Some(offset + header.record_len());
    }
    Ok(first)
}

/// The record at this place, whatever its marker, if it is good.
fn record_at<S: Source>(source: &S, offset: u64) -> io::Result<Option<(Marker, RecordHeader)>> {
    let mut bytes = [0; HEADER_LEN];
    source.read_up_to(&mut bytes, offset)?;
    match decode(&bytes) {
        Some(record) if proves_itself(source, offset, &record.1)? => Ok(Some(record)),
        _ => Ok(None),
    }
}

fn decode(bytes: &[u8; HEADER_LEN]) -> Option<(Marker, RecordHeader)> {
    let marker = Marker::in_front_of(bytes);
    match RecordHeader::decode(bytes, marker) {
        Decoded::Record(header) => Some((marker, header)),
        Decoded::OtherKind(_) | Decoded::Nothing => None,
    }
}

/// The next place from `from` on where a record's header stands, whatever its marker.
fn find_header<S: Source>(source: &S, mut from: u64) -> io::Result<Option<u64>> {
    let mut window = vec![0; WINDOW + HEADER_LEN];
    loop {
        let count = source.read_up_to(&mut window, from)?;
        let starts = (0..count.min(WINDOW)).step_by(ALIGNMENT as usize);
        let is_header =
            |at: &usize| window[*at..count].first_chunk().is_some_and(|bytes| decode(bytes).is_some());
        if let Some(at) = starts.into_iter().find(is_header) {
            return Ok(Some(from + at as u64));
        }
        if count < window.len() {
            return Ok(None);
        }
        from += WINDOW as u64;
    }
}
