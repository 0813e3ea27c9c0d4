//! Packs: names, the header of 64 bytes, making new files durably, and what a record holds.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use protocol::id::{BlobId, StoreId};
use rustix::fs::{FallocateFlags, fallocate};

use super::index::Location;
use super::record::{Decoded, HEADER_LEN, Kind, RecordHeader};

/// Bytes of a pack's header; the first record starts here.
pub(crate) const PACK_HEADER_LEN: u64 = 64;
const MAGIC: &[u8; 8] = b"TPLCPACK";
const FORMAT: u32 = 1;
const CRC_AT: usize = 60;

/// Stands in front of every record of one pack; random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker(pub(crate) [u8; 12]);

impl Marker {
    pub(crate) fn random() -> io::Result<Self> {
        let mut bytes = [0; 12];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(bytes))
    }

    /// The one that a record's header begins with, whichever it is.
    pub(crate) fn in_front_of(record: &[u8; HEADER_LEN]) -> Self {
        let mut bytes = [0; 12];
        bytes.copy_from_slice(&record[..12]);
        Self(bytes)
    }
}

/// What a pack file's first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackHeader {
    pub(crate) store: StoreId,
    pub(crate) number: u32,
    pub(crate) marker: Marker,
}

impl PackHeader {
    /// `magic[8] format[4] number[4] store_id[16] marker[12] zeros[16] crc[4]`, integers big-endian.
    pub(crate) fn encode(&self) -> [u8; PACK_HEADER_LEN as usize] {
        let mut out = [0; PACK_HEADER_LEN as usize];
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&FORMAT.to_be_bytes());
        out[12..16].copy_from_slice(&self.number.to_be_bytes());
        out[16..32].copy_from_slice(self.store.as_bytes());
        out[32..44].copy_from_slice(&self.marker.0);
        let crc = crc32c::crc32c(&out[..CRC_AT]);
        out[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// Whether these are a pack header's bytes, of any format, undamaged.
    pub(crate) fn is_whole(bytes: &[u8; PACK_HEADER_LEN as usize]) -> bool {
        bytes[..8] == *MAGIC && bytes[CRC_AT..] == crc32c::crc32c(&bytes[..CRC_AT]).to_be_bytes()
    }

    /// A whole header of this format; none if it is of another.
    pub(crate) fn decode(bytes: &[u8; PACK_HEADER_LEN as usize]) -> Option<Self> {
        let u32_at = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if u32_at(8) != FORMAT {
            return None;
        }
        Some(Self {
            store: StoreId::from_slice(&bytes[16..32]).ok()?,
            number: u32_at(12),
            marker: Marker(bytes[32..44].try_into().ok()?),
        })
    }
}

/// An open pack.
#[derive(Debug)]
pub(crate) struct Pack<S = File> {
    pub(crate) bytes: S,
    pub(crate) number: u32,
    pub(crate) marker: Marker,
}

pub(crate) fn path(packs: &Path, number: u32) -> PathBuf {
    packs.join(file_name(number))
}

/// Numbers of the packs that are there, ascending, and paths of files that are none.
pub(crate) fn list(packs: &Path) -> io::Result<(Vec<u32>, Vec<PathBuf>)> {
    let (mut numbers, mut strangers) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(packs)? {
        let entry = entry?;
        match entry.file_name().to_str().and_then(number_of) {
            Some(number) => numbers.push(number),
            None => strangers.push(entry.path()),
        }
    }
    numbers.sort_unstable();
    Ok((numbers, strangers))
}

pub(crate) fn file_name(number: u32) -> String {
    format!("{number:08}.pack")
}

/// The number in a pack file's name; none for strangers.
pub(crate) fn number_of(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".pack")?.parse().ok()?;
    (name == file_name(number)).then_some(number)
}

impl Pack {
    /// Makes a pack, durable with its name before it is used.
    pub(crate) fn create(packs: &Path, header: PackHeader, preallocate: u64) -> io::Result<Self> {
        let path = path(packs, header.number);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let pack = Self { bytes: file, number: header.number, marker: header.marker };
        match pack.begin(packs, header, preallocate) {
            Ok(()) => Ok(pack),
            Err(error) => {
                // Best effort: a full disk must not fill with empty packs.
                drop(std::fs::remove_file(path));
                Err(error)
            }
        }
    }

    fn begin(&self, packs: &Path, header: PackHeader, preallocate: u64) -> io::Result<()> {
        self.bytes.write_all_at(&header.encode(), 0)?;
        self.preallocate(preallocate)?;
        self.bytes.sync_all()?;
        File::open(packs)?.sync_all()
    }

    /// Reserves space again after the end was cut off, if there is any: without it appending works, more slowly.
    pub(crate) fn preallocate_again(&self, bytes: u64) -> io::Result<()> {
        self.preallocate(bytes).or_else(|error| match error.kind() {
            io::ErrorKind::StorageFull => Ok(()),
            _ => Err(error),
        })
    }

    /// Reserves space, so that appending changes no file size and a sync writes data alone.
    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        let len = self.bytes.metadata()?.len();
        if len >= bytes {
            return Ok(());
        }
        match fallocate(&self.bytes, FallocateFlags::empty(), len, bytes - len) {
            // A file system that cannot reserve works all the same, more slowly.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a pack whose marker is known.
    pub(crate) fn open(packs: &Path, number: u32, marker: Marker) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path(packs, number))?;
        Ok(Self { bytes: file, number, marker })
    }
}

/// The payload of a record as it was read, if it is this blob's and undamaged.
pub(crate) fn payload_of(record: Vec<u8>, id: &BlobId, location: Location) -> Option<Bytes> {
    let (header, payload) = record.split_first_chunk::<HEADER_LEN>()?;
    let Decoded::Record(header) = RecordHeader::decode(header, Marker::in_front_of(header)) else {
        return None;
    };
    let asked_for = header.kind == Kind::Blob && header.id == *id && header.len == location.len;
    let whole = asked_for && header.payload_crc == crc32c::crc32c(payload);
    whole.then(|| Bytes::from(record).slice(HEADER_LEN..))
}
