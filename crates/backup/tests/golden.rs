//! Known answers of the format, reproduced natively and in a browser.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use backup::{ChunkRef, Chunker, Compressor, Content, Directory, Node, decompress};
use crypto::vault::SipKeys;
use protocol::id::BlobId;
use serde_json::Value;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../crypto/tests/golden/v1/vectors.json")).unwrap()
}

fn text<'a>(vectors: &'a Value, pointer: &str) -> &'a str {
    vectors.pointer(pointer).and_then(Value::as_str).unwrap()
}

fn sip_keys(vectors: &Value) -> SipKeys {
    let key = |name: &str| u64::from_str_radix(text(vectors, name), 16).unwrap();
    SipKeys { k0: key("/chunker/sip_k0"), k1: key("/chunker/sip_k1") }
}

fn check_cuts(data: &[u8], name: &str) {
    let vectors = vectors();
    let expected: Vec<usize> = serde_json::from_value(vectors["chunker"][name].clone()).unwrap();
    let mut chunker = Chunker::new(&sip_keys(&vectors));
    let mut lens = Vec::new();
    let mut rest = data;
    while let Some(cut) = chunker.next_cut(rest) {
        lens.push(cut);
        rest = &rest[cut..];
    }
    if !rest.is_empty() {
        lens.push(rest.len());
    }
    assert_eq!(lens, expected);
}

fn stream() -> Vec<u8> {
    let mut data = vec![0; 16 << 20];
    blake3::Hasher::new().update(b"triplicate chunker vector").finalize_xof().fill(&mut data);
    data
}

#[test]
fn cuts_of_random_data() {
    check_cuts(&stream(), "lengths");
}

#[test]
fn cuts_after_one_byte_was_put_in_front() {
    check_cuts(&[vec![0x2a], stream()].concat(), "lengths_after_prepending_0x2a");
}

#[test]
fn cuts_of_zeros() {
    check_cuts(&vec![0; 16 << 20], "lengths_of_16_MiB_of_zeros");
}

#[test]
fn siphash_is_the_one_of_the_format() {
    let vectors = vectors();
    let key: [u8; 16] = hex::decode(text(&vectors, "/siphash/key")).unwrap().try_into().unwrap();
    let message = hex::decode(text(&vectors, "/siphash/message")).unwrap();
    let hash = siphasher::sip::SipHasher24::new_with_key(&key).hash(&message);
    assert_eq!(format!("{hash:016x}"), text(&vectors, "/siphash/out"));
}

#[test]
fn a_directory_reads_and_writes_back() {
    let vectors = vectors();
    let bytes = hex::decode(text(&vectors, "/directory/cbor")).unwrap();
    let chunk: BlobId = text(&vectors, "/blob/id").parse().unwrap();
    let raw = b"hello chunk ".repeat(1000);

    let directory = Directory::decode(&bytes).unwrap();

    let names: Vec<_> = directory.entries.iter().map(|entry| entry.name.as_bytes()).collect();
    assert_eq!(names, [b"inline.txt".as_slice(), b"thesis.pdf"]);
    assert_eq!(directory.entries[0].mode, 0o644);
    let inline = Content::Inline(b"hello".to_vec());
    let hash = *blake3::hash(b"hello").as_bytes();
    assert_eq!(directory.entries[0].node, Node::File { size: 5, content: inline, hash, changed: false });
    assert_eq!(directory.entries[1].mtime_ns, 1_700_000_000_123_456_789);
    let chunks = Content::Chunks(vec![ChunkRef { id: chunk, raw_len: 12_000 }]);
    let hash = *blake3::hash(&raw).as_bytes();
    assert_eq!(directory.entries[1].node, Node::File { size: 12_000, content: chunks, hash, changed: false });
    assert_eq!(directory.encode().unwrap(), bytes);
}

/// Browser and native clients share blobs only while both compress alike. A new zstd may change these bytes, which
/// breaks nothing: content is then stored once more.
#[test]
fn compressed_bytes_are_the_same_everywhere() {
    let lines = (0..40_000).map(|number: u32| format!("{number}: {}\n", number.wrapping_mul(0x9E37_79B9)));
    let raw = lines.collect::<String>().into_bytes();

    let body = Compressor::new().compress(&raw).unwrap();

    assert_eq!((raw.len(), body.len()), (698_532, 317_367));
    assert_eq!(
        blake3::hash(&body).to_hex().as_str(),
        "10046315cc7e2539541b89b8b88959d45805397336c744edd85fe0337983834f"
    );
    assert_eq!(decompress(&body, raw.len()).unwrap(), raw);
}
