//! Bytes of tree blobs: what is accepted, and what is not.

use std::collections::BTreeMap;

use backup::{
    ChunkList, ChunkRef, Content, Directory, Entry, FormatError, Name, NameError, Node, PageIndex, PageRow,
    Tally, Totals,
};
use proptest::prelude::*;
use protocol::cbor::Value;
use protocol::id::BlobId;

use crate::store::{blob, chunks, file, inline, name, symlink};

fn names() -> impl Strategy<Value = Name> {
    prop::collection::vec(any::<u8>(), 1..30).prop_filter_map("not a name", |bytes| Name::new(bytes).ok())
}

fn blob_ids() -> impl Strategy<Value = BlobId> {
    any::<[u8; 32]>().prop_filter_map("not an id", |bytes| BlobId::from_bytes(bytes).ok())
}

fn chunk_refs() -> impl Strategy<Value = ChunkRef> {
    (blob_ids(), 1..=4u32 << 20).prop_map(|(id, raw_len)| ChunkRef { id, raw_len })
}

fn nodes() -> impl Strategy<Value = Node> {
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..=1024).prop_map(Content::Inline),
        prop::collection::vec(chunk_refs(), 1..=64)
            .prop_filter("small", |chunks| chunks.iter().map(|chunk| chunk.raw_len).sum::<u32>() > 1024)
            .prop_map(Content::Chunks),
        prop::collection::vec(blob_ids(), 1..5).prop_map(Content::Lists),
    ];
    let file = (content, 1025..u64::MAX, any::<[u8; 32]>(), any::<bool>());
    let file = file.prop_map(|(content, of_lists, hash, changed)| {
        let size = match &content {
            Content::Inline(bytes) => bytes.len() as u64,
            Content::Chunks(chunks) => chunks.iter().map(|chunk| u64::from(chunk.raw_len)).sum(),
            Content::Lists(_) => of_lists,
        };
        Node::File { size, content, hash, changed }
    });
    let tally = (any::<u32>(), any::<u32>())
        .prop_map(|(files, bytes)| Tally { files: files.into(), bytes: bytes.into() });
    let directory = (prop::array::uniform7(tally), blob_ids())
        .prop_map(|(tallies, tree)| Node::Directory { totals: Totals::from_tallies(tallies).unwrap(), tree });
    let symlink = prop::collection::vec(any::<u8>(), 0..100).prop_map(|target| Node::Symlink { target });
    prop_oneof![file, directory, symlink]
}

fn extensions() -> impl Strategy<Value = Vec<(u64, Value)>> {
    let value =
        prop_oneof![any::<i64>().prop_map(Value::int), Just(Value::True), ".{0,9}".prop_map(Value::Text)];
    prop::collection::btree_map(64u64.., value, 0..3).prop_map(|map| map.into_iter().collect())
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..20);
    let xattrs = prop::collection::btree_map(bytes(), bytes(), 0..4);
    let rest = (0..=0o7777u32, any::<i64>(), nodes(), xattrs, extensions());
    prop::collection::btree_map(names(), rest, 0..8).prop_map(|entries| {
        let entry = |(name, (mode, mtime_ns, node, xattrs, extensions))| Entry {
            name,
            mode,
            mtime_ns,
            node,
            xattrs,
            extensions,
        };
        entries.into_iter().map(entry).collect()
    })
}

fn indexes() -> impl Strategy<Value = PageIndex> {
    let rows = prop::collection::btree_map(names(), (blob_ids(), 1..=1024u32), 1..8);
    (rows, extensions()).prop_map(|(rows, extensions)| {
        let row = |(first_name, (page, entries))| PageRow { first_name, page, entries };
        PageIndex { rows: rows.into_iter().map(row).collect(), extensions }
    })
}

fn lists() -> impl Strategy<Value = ChunkList> {
    (prop::collection::vec(chunk_refs(), 1..50), extensions())
        .prop_map(|(chunks, extensions)| ChunkList { chunks, extensions })
}

/// One edit of a byte string: a flipped, inserted or removed byte, or an end cut off.
fn mutate(bytes: &[u8], at: usize, byte: u8, how: u8) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let at = at % out.len();
    match how % 4 {
        0 => out[at] ^= byte,
        1 => out.insert(at, byte),
        2 => drop(out.remove(at)),
        _ => out.truncate(at),
    }
    out
}

fn accepted_only_as_encoded(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(directory) = Directory::decode(bytes) {
        prop_assert_eq!(directory.encode().unwrap(), bytes);
    }
    if let Ok(index) = PageIndex::decode(bytes) {
        prop_assert_eq!(index.encode().unwrap(), bytes);
    }
    if let Ok(list) = ChunkList::decode(bytes) {
        prop_assert_eq!(list.encode().unwrap(), bytes);
    }
    Ok(())
}

proptest! {
    #[test]
    fn tree_blobs_read_back_what_was_written(
        entries in entries(), extensions in extensions(), index in indexes(), list in lists(),
    ) {
        let directory = Directory { entries, extensions };
        prop_assert_eq!(Directory::decode(&directory.encode().unwrap()), Ok(directory));
        prop_assert_eq!(PageIndex::decode(&index.encode().unwrap()), Ok(index));
        prop_assert_eq!(ChunkList::decode(&list.encode().unwrap()), Ok(list));
    }

    #[test]
    fn mutated_tree_blobs_are_accepted_only_if_they_encode_to_themselves(
        entries in entries(), index in indexes(), list in lists(),
        edits in prop::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..4),
    ) {
        let directory = Directory { entries, extensions: Vec::new() };
        for bytes in [directory.encode().unwrap(), index.encode().unwrap(), list.encode().unwrap()] {
            let edited = edits.iter().fold(bytes, |bytes, &(at, byte, how)| {
                if bytes.is_empty() { bytes } else { mutate(&bytes, at, byte, how) }
            });
            accepted_only_as_encoded(&edited)?;
        }
    }

    #[test]
    fn any_bytes_are_accepted_only_if_they_encode_to_themselves(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
        accepted_only_as_encoded(&bytes)?;
    }
}

/// The fields of a valid entry, to be broken one by one.
fn fields(entry: Entry) -> BTreeMap<u64, Value> {
    let raw = Directory { entries: vec![entry], extensions: Vec::new() }.encode().unwrap();
    let Value::Map(top) = Value::decode(&raw).unwrap() else { panic!("a directory is a map") };
    let Value::Array(entries) = &top[1].1 else { panic!("entries are an array") };
    let Value::Map(fields) = &entries[0] else { panic!("an entry is a map") };
    fields.iter().cloned().collect()
}

fn decode(entries: Vec<Value>) -> Result<Directory, FormatError> {
    Directory::decode(&Value::Map(vec![(0, Value::Uint(1)), (1, Value::Array(entries))]).encode())
}

fn decode_one(fields: BTreeMap<u64, Value>) -> Result<Directory, FormatError> {
    decode(vec![Value::Map(fields.into_iter().collect())])
}

fn refused(entry: Entry, key: u64, value: Value) {
    let mut fields = fields(entry);
    assert!(decode_one(fields.clone()).is_ok(), "the unbroken entry is refused");
    fields.insert(key, value);
    assert!(decode_one(fields.clone()).is_err(), "{fields:?}");
}

fn directory_entry(bytes: u64) -> Entry {
    let totals = Totals::of_file(backup::Category::Code, bytes);
    Entry::new(name("d"), 0o755, 0, Node::Directory { totals, tree: blob(1) })
}

#[test]
fn hostile_names_are_refused() {
    for (bytes, error) in [
        (b"".to_vec(), NameError::Length(0)),
        (vec![b'a'; 256], NameError::Length(256)),
        (vec![b'a'; 4096], NameError::Length(4096)),
        (b".".to_vec(), NameError::Dots),
        (b"..".to_vec(), NameError::Dots),
        (b"a/b".to_vec(), NameError::Separator),
        (b"/".to_vec(), NameError::Separator),
        (b"a\0b".to_vec(), NameError::Separator),
    ] {
        assert_eq!(Name::new(bytes.clone()), Err(error));
        let mut fields = fields(inline("a", b""));
        fields.insert(0, Value::Bytes(bytes));
        assert_eq!(decode_one(fields), Err(FormatError::Name(error)));
    }
    for accepted in [&b"..."[..], b"\xff\xfe", &[b'a'; 255], b" ", b"CON", b"C:"] {
        assert_eq!(Name::new(accepted).unwrap().as_bytes(), accepted);
    }
}

#[test]
fn entries_out_of_order_or_twice_are_refused() {
    let value = |text: &str| Value::Map(fields(inline(text, b"")).into_iter().collect());
    assert!(decode(vec![value("a"), value("b")]).is_ok());
    assert!(decode(vec![value("b"), value("a")]).is_err());
    assert!(decode(vec![value("a"), value("a")]).is_err());
    let twice = Directory { entries: vec![inline("a", b""), inline("a", b"")], extensions: Vec::new() };
    assert!(twice.encode().is_err());
}

#[test]
fn every_key_stands_where_it_belongs_and_nowhere_else() {
    let examples = [
        (inline("f", b"x"), vec![0, 1, 2, 3, 4, 5, 7]),
        (directory_entry(5), vec![0, 1, 2, 3, 4, 5, 9]),
        (symlink("l", "target"), vec![0, 1, 2, 3, 6]),
    ];
    for (entry, keys) in examples {
        let fields = fields(entry);
        assert_eq!(fields.keys().copied().collect::<Vec<_>>(), keys);
        for key in &keys {
            let mut without = fields.clone();
            without.remove(key);
            assert!(decode_one(without).is_err(), "accepted without key {key}");
        }
        for key in (0..64).filter(|key| !keys.contains(key)) {
            let mut with = fields.clone();
            with.insert(key, Value::Uint(1));
            assert!(decode_one(with).is_err(), "accepted with key {key}");
        }
    }
}

#[test]
fn sizes_that_do_not_match_are_refused() {
    let chunked = || file("f", Content::Chunks(chunks([1, 2])));
    refused(inline("f", b"four"), 4, Value::Uint(5));
    refused(chunked(), 4, Value::Uint((2 << 20) + 1));
    refused(directory_entry(5), 4, Value::Uint(6));
    refused(inline("f", &[0; 1024]), 5, Value::Bytes(vec![0; 1025]));
    // Chunks of no byte, of more than 4 MiB, and of a file that belongs into its entry.
    for (size, raw_len) in [(2048, 0), (5 << 20, 5 << 20), (1024, 1024)] {
        let mut fields = fields(chunked());
        let chunk = Value::Array(vec![Value::bytes(blob(1).as_bytes()), Value::Uint(raw_len)]);
        fields.extend([(4, Value::Uint(size)), (5, Value::Array(vec![chunk]))]);
        assert!(decode_one(fields).is_err());
    }
}

#[test]
fn more_than_64_chunks_do_not_stand_in_an_entry() {
    let entry = |count| Directory {
        entries: vec![file("f", Content::Chunks(chunks(0..count)))],
        extensions: Vec::new(),
    };
    assert!(Directory::decode(&entry(64).encode().unwrap()).is_ok());
    assert!(entry(65).encode().is_err());
}

#[test]
fn other_values_against_the_rules_are_refused() {
    refused(inline("f", b""), 1, Value::Uint(3));
    refused(inline("f", b""), 2, Value::Uint(0o10000));
    refused(inline("f", b""), 3, Value::Uint(1 << 63));
    refused(inline("f", b""), 7, Value::Bytes(vec![0; 31]));
    refused(inline("f", b""), 8, Value::Map(Vec::new()));
    refused(
        inline("f", b""),
        8,
        Value::BytesMap(vec![(b"user.big".to_vec(), Value::Bytes(vec![0; 65_529]))]),
    );
    refused(inline("f", b""), 10, Value::Uint(1));
    refused(directory_entry(1), 5, Value::Bytes(vec![0; 32]));
    refused(directory_entry(1), 9, Value::Array(Vec::new()));
    refused(directory_entry(1), 10, Value::True);
    let mut overflow = fields(directory_entry(0));
    let tally = |bytes| Value::Array(vec![Value::Uint(0), Value::Uint(bytes)]);
    let tallies = [1, u64::MAX, 0, 0, 0, 0, 0].map(tally).to_vec();
    overflow.insert(9, Value::Array(tallies));
    assert!(decode_one(overflow).is_err());
}

#[test]
fn keys_from_64_up_are_kept_and_others_refused() {
    let mut known = fields(inline("f", b""));
    known.insert(64, Value::Text("later".into()));
    let directory = decode_one(known.clone()).unwrap();
    assert_eq!(directory.entries[0].extensions, [(64, Value::Text("later".into()))]);
    let top = |key| {
        Value::Map(vec![(0, Value::Uint(1)), (1, Value::Array(Vec::new())), (key, Value::True)]).encode()
    };
    assert_eq!(Directory::decode(&top(64)).unwrap().encode().unwrap(), top(64));
    assert!(Directory::decode(&top(63)).is_err());
}

#[test]
fn another_version_is_refused() {
    let empty = |version| Value::Map(vec![(0, Value::Uint(version)), (1, Value::Array(Vec::new()))]).encode();
    assert_eq!(Directory::decode(&empty(1)), Ok(Directory::default()));
    assert!(Directory::decode(&empty(2)).is_err());
}

#[test]
fn a_directory_blob_holds_1024_entries_and_256_kib() {
    let many = |count: usize| Directory {
        entries: (0..count).map(|number| symlink(format!("{number:05}"), "")).collect(),
        extensions: Vec::new(),
    };
    assert!(many(1024).encode().is_ok());
    assert!(many(1025).encode().is_err());
    // An entry of a link has 15 bytes beside its target and the head of that.
    let big = |target_len: usize| Directory {
        entries: vec![symlink("l", &"x".repeat(target_len))],
        extensions: Vec::new(),
    };
    let overhead = big(100_000).encode().unwrap().len() - 100_000;
    let list_overhead = Directory::default().encode().unwrap().len();
    let largest = 256 * 1024 - (overhead - list_overhead);
    assert!(big(largest).encode().is_ok());
    assert!(big(largest + 1).encode().is_err());
}

#[test]
fn page_indexes_and_chunk_lists_keep_their_rules() {
    let row = |text: &str, entries| PageRow { first_name: name(text), page: blob(1), entries };
    let index = |rows| PageIndex { rows, extensions: Vec::new() }.encode();
    assert!(index(vec![row("a", 1), row("b", 1024)]).is_ok());
    assert!(index(vec![row("b", 1), row("a", 1)]).is_err());
    assert!(index(vec![row("a", 1), row("a", 1)]).is_err());
    assert!(index(vec![row("a", 0)]).is_err());
    assert!(index(vec![row("a", 1025)]).is_err());
    assert!(index(vec![]).is_err());
    let list = |count| ChunkList { chunks: chunks(0..count), extensions: Vec::new() }.encode();
    assert!(list(0).is_err());
    assert!(list(65_536).is_ok());
    assert!(list(65_537).is_err());
}
