//! One entry of a directory and its bytes.

use std::collections::BTreeMap;

use protocol::cbor::{Fields, Value};
use protocol::id::BlobId;

use crate::category::Category;
use crate::content::{Content, check_content};
use crate::format::{Extensions, FormatError, into_blob_id, into_u32, rule};
use crate::name::Name;
use crate::totals::{Tally, Totals};

const XATTR_BYTES_MAX: usize = 64 * 1024;
const MODE_MAX: u32 = 0o7777;

const NAME: u64 = 0;
const KIND: u64 = 1;
const MODE: u64 = 2;
const MTIME: u64 = 3;
const SIZE: u64 = 4;
const CONTENT: u64 = 5;
const TARGET: u64 = 6;
const HASH: u64 = 7;
const XATTRS: u64 = 8;
const CATEGORIES: u64 = 9;
const CHANGED: u64 = 10;

const KIND_FILE: u64 = 0;
const KIND_DIRECTORY: u64 = 1;
const KIND_SYMLINK: u64 = 2;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File {
        /// Bytes of the file.
        size: u64,
        /// Where they are.
        content: Content,
        /// BLAKE3 of all of them.
        hash: [u8; 32],
        /// Whether the file changed while it was read.
        changed: bool,
    },
    /// A directory.
    Directory {
        /// All files beneath; their sum is the directory's size.
        totals: Totals,
        /// The directory, or the page index of a big one.
        tree: BlobId,
    },
    /// A symbolic link.
    Symlink {
        /// What it points to, as stored in the file system.
        target: Vec<u8>,
    },
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Unique in its directory.
    pub name: Name,
    /// Unix permission bits, with set-id and sticky bits: at most 0o7777.
    pub mode: u32,
    /// Last change of the content, in nanoseconds since the Unix epoch.
    pub mtime_ns: i64,
    /// What it is.
    pub node: Node,
    /// Extended attributes; names and values together have at most 64 KiB.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Fields of later versions.
    pub extensions: Extensions,
}

/// What an entry is like apart from its content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Unix permission bits, with set-id and sticky bits: at most 0o7777.
    pub mode: u32,
    /// Last change of the content, in nanoseconds since the Unix epoch.
    pub mtime_ns: i64,
    /// Extended attributes; names and values together have at most 64 KiB.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Metadata {
    /// # Errors
    /// [`FormatError::Rule`] if an entry cannot have it.
    pub fn check(&self) -> Result<(), FormatError> {
        rule(self.mode <= MODE_MAX, "a mode has more than the permission bits")?;
        check_xattrs(&self.xattrs)
    }
}

impl Entry {
    /// Of a directory, the blob with its entries.
    pub(crate) fn tree(&self) -> Option<BlobId> {
        match &self.node {
            Node::Directory { tree, .. } => Some(*tree),
            Node::File { .. } | Node::Symlink { .. } => None,
        }
    }

    /// An entry without extended attributes.
    pub fn new(name: Name, mode: u32, mtime_ns: i64, node: Node) -> Self {
        Self { name, mode, mtime_ns, node, xattrs: BTreeMap::new(), extensions: Vec::new() }
    }

    /// What this entry adds to the totals of its directory. Links count as nothing.
    pub fn totals(&self) -> Totals {
        match &self.node {
            Node::File { size, .. } => Totals::of_file(Category::of_name(self.name.as_bytes()), *size),
            Node::Directory { totals, .. } => *totals,
            Node::Symlink { .. } => Totals::default(),
        }
    }

    /// The rules that the types do not hold by themselves.
    pub(crate) fn check(&self) -> Result<(), FormatError> {
        rule(self.mode <= MODE_MAX, "a mode has more than the permission bits")?;
        check_xattrs(&self.xattrs)?;
        if let Node::File { size, content, .. } = &self.node {
            check_content(*size, content)?;
        }
        Ok(())
    }

    pub(crate) fn to_value(&self) -> Value {
        let mut fields = vec![
            (NAME, Value::bytes(self.name.as_bytes())),
            (KIND, Value::Uint(self.node.kind())),
            (MODE, Value::Uint(self.mode.into())),
            (MTIME, Value::int(self.mtime_ns)),
        ];
        match &self.node {
            Node::File { size, content, hash, .. } => fields.extend([
                (SIZE, Value::Uint(*size)),
                (CONTENT, content.to_value()),
                (HASH, Value::bytes(hash)),
            ]),
            Node::Directory { totals, tree } => fields
                .extend([(SIZE, Value::Uint(totals.sum().bytes)), (CONTENT, Value::bytes(tree.as_bytes()))]),
            Node::Symlink { target } => fields.push((TARGET, Value::bytes(target))),
        }
        if !self.xattrs.is_empty() {
            fields.push((XATTRS, xattrs_to_value(&self.xattrs)));
        }
        if let Node::Directory { totals, .. } = &self.node {
            fields.push((CATEGORIES, totals_to_value(totals)));
        }
        if let Node::File { changed: true, .. } = &self.node {
            fields.push((CHANGED, Value::True));
        }
        fields.extend(self.extensions.iter().cloned());
        Value::Map(fields)
    }

    pub(crate) fn from_value(value: Value) -> Result<Self, FormatError> {
        let mut fields = value.into_fields()?;
        let name = Name::new(fields.need(NAME)?.into_bytes()?)?;
        let kind = fields.need(KIND)?.into_u64()?;
        let mode = into_u32(fields.need(MODE)?)?;
        let mtime_ns = fields.need(MTIME)?.into_i64()?;
        let node = match kind {
            KIND_FILE => take_file(&mut fields)?,
            KIND_DIRECTORY => take_directory(&mut fields)?,
            KIND_SYMLINK => Node::Symlink { target: fields.need(TARGET)?.into_bytes()? },
            _ => return Err(FormatError::Rule("an entry of an unknown kind")),
        };
        let xattrs = fields.take(XATTRS).map(xattrs_from_value).transpose()?.unwrap_or_default();
        let entry = Self { name, mode, mtime_ns, node, xattrs, extensions: fields.finish()? };
        entry.check()?;
        Ok(entry)
    }
}

impl Node {
    fn kind(&self) -> u64 {
        match self {
            Self::File { .. } => KIND_FILE,
            Self::Directory { .. } => KIND_DIRECTORY,
            Self::Symlink { .. } => KIND_SYMLINK,
        }
    }
}

fn take_file(fields: &mut Fields) -> Result<Node, FormatError> {
    Ok(Node::File {
        size: fields.need(SIZE)?.into_u64()?,
        content: Content::from_value(fields.need(CONTENT)?)?,
        hash: fields.need(HASH)?.into_byte_array()?,
        changed: fields.flag(CHANGED)?,
    })
}

fn take_directory(fields: &mut Fields) -> Result<Node, FormatError> {
    let size = fields.need(SIZE)?.into_u64()?;
    let tree = into_blob_id(fields.need(CONTENT)?)?;
    let totals = totals_from_value(fields.need(CATEGORIES)?)?;
    rule(totals.sum().bytes == size, "the categories of a directory do not sum to its size")?;
    Ok(Node::Directory { totals, tree })
}

fn check_xattrs(xattrs: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(), FormatError> {
    let bytes: usize = xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
    rule(bytes <= XATTR_BYTES_MAX, "extended attributes have more than 64 KiB")
}

fn xattrs_to_value(xattrs: &BTreeMap<Vec<u8>, Vec<u8>>) -> Value {
    let mut pairs: Vec<_> = xattrs.iter().map(|(name, value)| (name.clone(), Value::bytes(value))).collect();
    // Deterministic CBOR sorts keys by their encodings, which begin with the length.
    pairs.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
    Value::BytesMap(pairs)
}

fn xattrs_from_value(value: Value) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, FormatError> {
    match value {
        Value::BytesMap(pairs) => {
            pairs.into_iter().map(|(name, value)| Ok((name, value.into_bytes()?))).collect()
        }
        _ => Err(FormatError::Rule("extended attributes are not a map of byte strings, or empty")),
    }
}

fn totals_to_value(totals: &Totals) -> Value {
    let pair = |tally: &Tally| Value::Array(vec![Value::Uint(tally.files), Value::Uint(tally.bytes)]);
    Value::Array(totals.tallies().iter().map(pair).collect())
}

fn totals_from_value(value: Value) -> Result<Totals, FormatError> {
    let mut tallies = [Tally::default(); Category::ALL.len()];
    let pairs: [Value; Category::ALL.len()] = value.into_tuple()?;
    for (tally, pair) in tallies.iter_mut().zip(pairs) {
        let [files, bytes] = pair.into_tuple()?;
        *tally = Tally { files: files.into_u64()?, bytes: bytes.into_u64()? };
    }
    Totals::from_tallies(tallies).ok_or(FormatError::Rule("totals do not fit into 64 bits"))
}
