//! The tree blobs and their bytes: directories and pages of directories, page indexes, chunk lists.
//!
//! Every decoder accepts bytes if and only if encoding what was read gives them again, and no rule is broken.

use minicbor::Encoder;
use protocol::cbor::Value;
use protocol::id::BlobId;

use crate::content::{ChunkRef, chunks_from_value, chunks_to_value, sum_of_chunks};
use crate::entry::Entry;
use crate::format::{Extensions, FormatError, into_blob_id, into_u32, rule};
use crate::name::Name;
use crate::pages::{PAGE_ENTRIES_MAX, fit_one_page};

/// Chunks in one chunk list at most.
pub(crate) const LIST_CHUNKS_MAX: usize = 65_536;

const VERSION: u64 = 1;
const VERSION_KEY: u64 = 0;
const ITEMS_KEY: u64 = 1;

/// A directory, or one page of a big one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    /// Strictly ascending by name.
    pub entries: Vec<Entry>,
    /// Fields of later versions.
    pub extensions: Extensions,
}

impl Directory {
    /// # Errors
    /// [`FormatError`] if the entries break a rule, or are more than one page holds.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        self.check_order()?;
        let mut encoded = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            entry.check()?;
            encoded.push(entry.to_value().encode());
        }
        check_page_size(encoded.len(), encoded.iter().map(Vec::len).sum())?;
        Ok(encode_map(&encoded, &self.extensions))
    }

    /// # Errors
    /// [`FormatError`] if any rule is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let (items, extensions) = decode_map(bytes)?;
        check_page_size(items.len(), items.iter().map(|item| item.encode().len()).sum())?;
        let entries = items.into_iter().map(Entry::from_value).collect::<Result<_, _>>()?;
        let directory = Self { entries, extensions };
        directory.check_order()?;
        Ok(directory)
    }

    fn check_order(&self) -> Result<(), FormatError> {
        let ascending = self.entries.is_sorted_by(|a, b| a.name < b.name);
        rule(ascending, "the entries of a directory are not strictly ascending by name")
    }
}

fn check_page_size(count: usize, bytes: usize) -> Result<(), FormatError> {
    rule(fit_one_page(count, bytes), "a directory blob has more than 1,024 entries or 256 KiB of them")
}

/// One page of a big directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRow {
    /// Name of the page's first entry.
    pub first_name: Name,
    /// The page, a directory blob.
    pub page: BlobId,
    /// Entries in it.
    pub entries: u32,
}

/// A directory that is too big for one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageIndex {
    /// Strictly ascending by name, at least one.
    pub rows: Vec<PageRow>,
    /// Fields of later versions.
    pub extensions: Extensions,
}

impl PageIndex {
    /// # Errors
    /// [`FormatError`] if the rows break a rule.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        self.check()?;
        let row = |row: &PageRow| {
            Value::Array(vec![
                Value::bytes(row.first_name.as_bytes()),
                Value::bytes(row.page.as_bytes()),
                Value::Uint(row.entries.into()),
            ])
        };
        let encoded: Vec<_> = self.rows.iter().map(|r| row(r).encode()).collect();
        Ok(encode_map(&encoded, &self.extensions))
    }

    /// # Errors
    /// [`FormatError`] if any rule is broken that shows without the pages.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let (items, extensions) = decode_map(bytes)?;
        let row = |item: Value| {
            let [first_name, page, entries] = item.into_tuple()?;
            Ok::<_, FormatError>(PageRow {
                first_name: Name::new(first_name.into_bytes()?)?,
                page: into_blob_id(page)?,
                entries: into_u32(entries)?,
            })
        };
        let index = Self { rows: items.into_iter().map(row).collect::<Result<_, _>>()?, extensions };
        index.check()?;
        Ok(index)
    }

    fn check(&self) -> Result<(), FormatError> {
        rule(!self.rows.is_empty(), "a page index without pages")?;
        let ascending = self.rows.is_sorted_by(|a, b| a.first_name < b.first_name);
        rule(ascending, "the rows of a page index are not strictly ascending by name")?;
        let possible = self.rows.iter().all(|row| (1..=PAGE_ENTRIES_MAX as u32).contains(&row.entries));
        rule(possible, "a page does not have 1 to 1,024 entries")
    }
}

/// The chunks of a big file, or a part of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkList {
    /// In the order of the file; 1 to 65,536.
    pub chunks: Vec<ChunkRef>,
    /// Fields of later versions.
    pub extensions: Extensions,
}

impl ChunkList {
    /// # Errors
    /// [`FormatError`] if the chunks break a rule.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        self.check()?;
        Ok(encode_value(chunks_to_value(&self.chunks), &self.extensions))
    }

    /// # Errors
    /// [`FormatError`] if any rule is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let (items, extensions) = decode_map(bytes)?;
        let list = Self { chunks: chunks_from_value(Value::Array(items))?, extensions };
        list.check()?;
        Ok(list)
    }

    fn check(&self) -> Result<(), FormatError> {
        let possible = (1..=LIST_CHUNKS_MAX).contains(&self.chunks.len());
        rule(possible, "a chunk list does not have 1 to 65,536 chunks")?;
        sum_of_chunks(&self.chunks).map(drop)
    }
}

/// `{0: 1, 1: [item, ...], extensions}` from encoded items.
fn encode_map(items: &[Vec<u8>], extensions: &[(u64, Value)]) -> Vec<u8> {
    const INFALLIBLE: &str = "writing to a Vec does not fail";
    let mut out = Vec::with_capacity(items.iter().map(Vec::len).sum::<usize>() + 16);
    Encoder::new(&mut out)
        .map(2 + extensions.len() as u64)
        .and_then(|encoder| encoder.u64(VERSION_KEY)?.u64(VERSION)?.u64(ITEMS_KEY)?.array(items.len() as u64))
        .expect(INFALLIBLE);
    out.extend(items.iter().flatten());
    for (key, value) in extensions {
        Encoder::new(&mut out).u64(*key).expect(INFALLIBLE);
        out.extend(value.encode());
    }
    out
}

fn encode_value(items: Value, extensions: &[(u64, Value)]) -> Vec<u8> {
    let mut fields = vec![(VERSION_KEY, Value::Uint(VERSION)), (ITEMS_KEY, items)];
    fields.extend(extensions.iter().cloned());
    Value::Map(fields).encode()
}

/// The items and extensions of `{0: 1, 1: [item, ...], extensions}`.
fn decode_map(bytes: &[u8]) -> Result<(Vec<Value>, Extensions), FormatError> {
    let mut fields = Value::decode(bytes)?.into_fields()?;
    rule(fields.need(VERSION_KEY)? == Value::Uint(VERSION), "an unknown version of a tree blob")?;
    let items = fields.need(ITEMS_KEY)?.into_array()?;
    Ok((items, fields.finish()?))
}
