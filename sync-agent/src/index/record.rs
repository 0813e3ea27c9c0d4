//! One row: what an entry was when it was backed up, in bytes.
//!
//! ```text
//!  0 1 kind: 0 file, 1 directory, 2 link    1 1 flags: 1 settled, 2 changed while read    2 2 mode
//!  4 8 size   12 8 mtime ns   20 8 ctime ns   28 8 inode   36 8 device
//! 44 32 BLAKE3 of a file    76 1 content: 0 in the entry, 1 chunks, 2 lists    77 n (blob id, u32 length)*, or blob id*
//! ```
//! Integers are big-endian; directories and links end at 44.

use backup::{ChunkRef, Content};
use protocol::id::BlobId;

use super::IndexError;
use crate::scan::{Kind, Meta};

const META_LEN: usize = 44;
const SETTLED: u8 = 1;
const CHANGED: u8 = 2;
/// A file that changed so shortly before it was read may have changed again within the clock's resolution.
const RACY_NS: i64 = 2_000_000_000;

/// What was backed up of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What the file system said of it then.
    pub meta: Meta,
    /// Its last change lay far enough back that equal times mean equal content.
    pub settled: bool,
    /// Where a file's bytes are; directories and links have none.
    pub file: Option<StoredFile>,
}

/// A file's content in the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// BLAKE3 of the whole.
    pub hash: [u8; 32],
    /// It changed while it was read.
    pub changed: bool,
    /// Where it is.
    pub content: StoredContent,
}

/// Where a file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredContent {
    /// In its entry. A copy here would make the index as large as the files.
    InEntry,
    /// In chunks.
    Chunks(Vec<ChunkRef>),
    /// In chunks that lists name.
    Lists(Vec<BlobId>),
}

impl StoredContent {
    /// What the index keeps of a content.
    pub fn of(content: &Content) -> Self {
        match content {
            Content::Inline(_) => Self::InEntry,
            Content::Chunks(chunks) => Self::Chunks(chunks.clone()),
            Content::Lists(lists) => Self::Lists(lists.clone()),
        }
    }

    /// The content again, unless it was not kept.
    pub fn into_content(self) -> Option<Content> {
        match self {
            Self::InEntry => None,
            Self::Chunks(chunks) => Some(Content::Chunks(chunks)),
            Self::Lists(lists) => Some(Content::Lists(lists)),
        }
    }
}

impl Record {
    /// Of an entry that was read from `read_ns` on.
    pub fn new(meta: Meta, file: Option<StoredFile>, read_ns: i64) -> Self {
        // Anybody may set a file's own time, even into the future; this one is the system's, and moves with each change.
        let settled = meta.ctime_ns.saturating_add(RACY_NS) < read_ns;
        Self { meta, settled, file }
    }

    /// Whether an entry that looks like `now` is surely what was backed up.
    pub fn is_current(&self, now: &Meta) -> bool {
        let is_settled = self.settled || self.meta.kind != Kind::File;
        is_settled && now.is_same(&self.meta) && !self.file.as_ref().is_some_and(|file| file.changed)
    }

    /// Whether both tell of the same entry in the vault, whatever each knows of the disk.
    pub fn is_same_entry(&self, other: &Self) -> bool {
        let entry = |record: &Self| {
            let Meta { kind, mode, size, mtime_ns, .. } = record.meta;
            (kind, mode, size, mtime_ns, record.file.as_ref().map(|file| (file.hash, file.changed)))
        };
        entry(self) == entry(other)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { meta, settled, file } = self;
        let kind = match meta.kind {
            Kind::File => 0,
            Kind::Directory => 1,
            Kind::Symlink => 2,
        };
        let changed = file.as_ref().is_some_and(|file| file.changed);
        let flags = if *settled { SETTLED } else { 0 } | if changed { CHANGED } else { 0 };
        let mut out = vec![kind, flags];
        out.extend((meta.mode as u16).to_be_bytes());
        out.extend(meta.size.to_be_bytes());
        out.extend(meta.mtime_ns.to_be_bytes());
        out.extend(meta.ctime_ns.to_be_bytes());
        out.extend(meta.inode.to_be_bytes());
        out.extend(meta.device.to_be_bytes());
        if let Some(file) = file {
            out.extend(file.hash);
            match &file.content {
                StoredContent::InEntry => out.push(0),
                StoredContent::Chunks(chunks) => {
                    out.push(1);
                    for chunk in chunks {
                        out.extend(chunk.id.as_bytes());
                        out.extend(chunk.raw_len.to_be_bytes());
                    }
                }
                StoredContent::Lists(lists) => {
                    out.push(2);
                    out.extend(lists.iter().flat_map(|list| *list.as_bytes()));
                }
            }
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, IndexError> {
        let (head, rest) = bytes.split_first_chunk::<META_LEN>().ok_or(IndexError::Damaged("a short row"))?;
        let kind = match head[0] {
            0 => Kind::File,
            1 => Kind::Directory,
            2 => Kind::Symlink,
            _ => return Err(IndexError::Damaged("a row of an unknown kind")),
        };
        let u64_at = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().expect("8 of 44 bytes"));
        let meta = Meta {
            kind,
            mode: u16::from_be_bytes([head[2], head[3]]).into(),
            size: u64_at(4),
            mtime_ns: u64_at(12).cast_signed(),
            ctime_ns: u64_at(20).cast_signed(),
            inode: u64_at(28),
            device: u64_at(36),
        };
        let file = if kind == Kind::File { Some(decode_file(rest, head[1] & CHANGED != 0)?) } else { None };
        Ok(Self { meta, settled: head[1] & SETTLED != 0, file })
    }
}

fn decode_file(bytes: &[u8], changed: bool) -> Result<StoredFile, IndexError> {
    let (hash, rest) = bytes.split_first_chunk().ok_or(IndexError::Damaged("a file without a hash"))?;
    let (tag, rest) = rest.split_first().ok_or(IndexError::Damaged("a file without a content"))?;
    let blob = |bytes: &[u8]| BlobId::from_slice(bytes).map_err(|_| IndexError::Damaged("no blob id"));
    let chunk = |bytes: &[u8]| {
        let (id, len) = bytes.split_last_chunk().ok_or(IndexError::Damaged("half a chunk"))?;
        Ok(ChunkRef { id: blob(id)?, raw_len: u32::from_be_bytes(*len) })
    };
    let content = match tag {
        0 => StoredContent::InEntry,
        1 => StoredContent::Chunks(rest.chunks(36).map(chunk).collect::<Result<_, IndexError>>()?),
        2 => StoredContent::Lists(rest.chunks(32).map(blob).collect::<Result<_, IndexError>>()?),
        _ => return Err(IndexError::Damaged("a content of an unknown kind")),
    };
    Ok(StoredFile { hash: *hash, changed, content })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meta(kind: Kind) -> impl Strategy<Value = Meta> {
        (0..0o10000u32, any::<u64>(), any::<i64>(), any::<i64>(), any::<u64>(), any::<u64>()).prop_map(
            move |(mode, size, mtime_ns, ctime_ns, inode, device)| Meta {
                kind,
                mode,
                size,
                mtime_ns,
                ctime_ns,
                inode,
                device,
            },
        )
    }

    fn content() -> impl Strategy<Value = StoredContent> {
        let id = any::<[u8; 32]>().prop_filter_map("zeros", BlobId::from_field);
        let chunk = (id.clone(), any::<u32>()).prop_map(|(id, raw_len)| ChunkRef { id, raw_len });
        prop_oneof![
            Just(StoredContent::InEntry),
            proptest::collection::vec(chunk, 0..65).prop_map(StoredContent::Chunks),
            proptest::collection::vec(id, 0..5).prop_map(StoredContent::Lists),
        ]
    }

    fn record() -> impl Strategy<Value = Record> {
        let file = (any::<[u8; 32]>(), any::<bool>(), content())
            .prop_map(|(hash, changed, content)| Some(StoredFile { hash, changed, content }));
        let of = |kind, file: BoxedStrategy<Option<StoredFile>>| {
            (meta(kind), any::<bool>(), file).prop_map(|(meta, settled, file)| Record { meta, settled, file })
        };
        prop_oneof![
            of(Kind::File, file.boxed()),
            of(Kind::Directory, Just(None).boxed()),
            of(Kind::Symlink, Just(None).boxed()),
        ]
    }

    proptest! {
        #[test]
        fn records_come_back_as_they_were(record in record()) {
            prop_assert_eq!(Record::decode(&record.encode()).unwrap(), record);
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::decode(&bytes);
        }
    }

    /// What an installed agent has on its disk. Another layout needs another format version.
    #[test]
    fn the_layout_is_that_of_format_1() {
        let meta =
            Meta { kind: Kind::File, mode: 0o4755, size: 1, mtime_ns: -1, ctime_ns: 2, inode: 3, device: 4 };
        let chunk = ChunkRef { id: BlobId::from_bytes([0xaa; 32]).unwrap(), raw_len: 5 };
        let content = StoredContent::Chunks(vec![chunk]);
        let file = Some(StoredFile { hash: [0xbb; 32], changed: true, content });
        let bytes = Record { meta, settled: true, file }.encode();
        let expected = [
            "0003",
            "09ed",
            "0000000000000001",
            "ffffffffffffffff",
            "0000000000000002",
            "0000000000000003",
            "0000000000000004",
            &"bb".repeat(32),
            "01",
            &"aa".repeat(32),
            "00000005",
        ];
        assert_eq!(hex::encode(bytes), expected.concat());
    }

    #[test]
    fn what_changed_within_two_seconds_of_reading_is_not_trusted() {
        let read_ns = 100_000_000_000;
        let is_trusted = |ctime_ns| {
            let meta = file(0, ctime_ns);
            Record::new(meta, None, read_ns).is_current(&meta)
        };
        assert!(is_trusted(read_ns - RACY_NS - 1));
        assert!(!is_trusted(read_ns - RACY_NS));
        assert!(!is_trusted(read_ns + 1), "the clock went back");
    }

    #[test]
    fn a_file_whose_own_time_lies_in_the_future_is_trusted_all_the_same() {
        let meta = file(i64::MAX, 0);
        assert!(Record::new(meta, None, 100_000_000_000).is_current(&meta));
    }

    fn file(mtime_ns: i64, ctime_ns: i64) -> Meta {
        Meta { kind: Kind::File, mode: 0o644, size: 1, mtime_ns, ctime_ns, inode: 1, device: 1 }
    }
}
