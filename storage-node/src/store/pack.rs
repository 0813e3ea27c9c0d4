//! Pack files: names, the header of 64 bytes, making new ones durably, and reading one record.

use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use protocol::id::{BlobId, StoreId};
use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};

use super::index::Location;
use super::record::{Decoded, HEADER_LEN, Kind, RecordHeader};

/// Bytes of a pack's header; the first record starts here.
pub(crate) const PACK_HEADER_LEN: u64 = 64;
const MAGIC: &[u8; 8] = b"TPLCPACK";
const FORMAT: u32 = 1;
const CRC_AT: usize = 60;
/// Bytes that a disk cannot read without their neighbours.
const SECTOR: usize = 512;

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
pub(crate) struct Pack {
    pub(crate) file: File,
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

fn file_name(number: u32) -> String {
    format!("{number:08}.pack")
}

/// The number in a pack file's name; none for strangers.
fn number_of(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".pack")?.parse().ok()?;
    (name == file_name(number)).then_some(number)
}

impl Pack {
    /// Makes a pack, durable with its name before it is used.
    pub(crate) fn create(packs: &Path, header: PackHeader, preallocate: u64) -> io::Result<Self> {
        let path = path(packs, header.number);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let pack = Self { file, number: header.number, marker: header.marker };
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
        self.file.write_all_at(&header.encode(), 0)?;
        self.preallocate(preallocate)?;
        self.file.sync_all()?;
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
        let len = self.file.metadata()?.len();
        if len >= bytes {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::empty(), len, bytes - len) {
            // A file system that cannot reserve works all the same, more slowly.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a pack whose marker is known.
    pub(crate) fn open(packs: &Path, number: u32, marker: Marker) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path(packs, number))?;
        Ok(Self { file, number, marker })
    }
}

/// Makes the next read of a record ask the disk.
pub(crate) fn drop_cached(packs: &Path, at: Location) -> io::Result<()> {
    match File::open(path(packs, at.pack)) {
        Ok(file) => Ok(fadvise(&file, at.offset, NonZeroU64::new(at.record_len()), Advice::DontNeed)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// What can be read of so many bytes of a pack; zeros for what cannot.
pub(crate) fn salvage(packs: &Path, pack: u32, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let file = match File::open(path(packs, pack)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; usize::try_from(len).expect("a pack's bytes fit in memory")];
    // In small steps: one sector that the disk cannot read must not take the others with it.
    for (step, at) in bytes.chunks_mut(SECTOR).zip((offset..).step_by(SECTOR)) {
        match read_up_to(&file, step, at) {
            Ok(_) => {}
            Err(error) if is_unreadable(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// A sector that the disk cannot read.
fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Reads a blob and checks that it is the one asked for, undamaged. None: it is not, or its pack is gone.
pub(crate) fn read_blob(packs: &Path, id: &BlobId, location: Location) -> io::Result<Option<Bytes>> {
    // Opening a pack for each read costs microseconds, and leaves nothing open: files do not grow with packs.
    let file = match File::open(path(packs, location.pack)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut record = vec![0; HEADER_LEN + location.len as usize];
    match file.read_exact_at(&mut record, location.offset) {
        Ok(()) => {}
        // Past the end, or a sector that the disk cannot read: this copy is lost, the node is not.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) if is_unreadable(&error) => return Ok(None),
        Err(error) => return Err(error),
    }
    let (header, payload) = record.split_first_chunk::<HEADER_LEN>().expect("longer than a header");
    let Decoded::Record(header) = RecordHeader::decode(header, Marker::in_front_of(header)) else {
        return Ok(None);
    };
    let asked_for = header.kind == Kind::Blob && header.id == *id && header.len == location.len;
    let whole = asked_for && header.payload_crc == crc32c::crc32c(payload);
    Ok(whole.then(|| Bytes::from(record).slice(HEADER_LEN..)))
}

/// Fills the buffer as far as the file goes; the rest stays as it was.
pub(crate) fn read_up_to(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut total = 0;
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => break,
            Ok(count) => {
                buffer = &mut buffer[count..];
                offset += count as u64;
                total += count;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}
