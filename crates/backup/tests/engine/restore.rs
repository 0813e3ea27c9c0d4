//! Restore plans, and files that are not what they should be.

use backup::{
    ChunkList, ChunkRef, Content, FilePlan, FileVerifier, Node, Piece, TreeError, VerifyError, plan_file,
};
use crypto::blob::BlobKind;
use protocol::id::BlobId;

use crate::store::{Store, blob, chunked, chunks, inline, ready};

fn plan(store: &Store, node: &Node) -> FilePlan {
    let Node::File { size, content, .. } = node else { panic!("not a file") };
    ready(plan_file(store, *size, content)).unwrap()
}

fn list(store: &Store, chunks: Vec<ChunkRef>) -> BlobId {
    store.insert(BlobKind::ChunkList, ChunkList { chunks, extensions: Vec::new() }.encode().unwrap())
}

#[test]
fn chunks_come_in_order_and_without_gaps_wherever_they_are_listed() {
    let store = Store::default();
    for (count, in_lists) in [(1, false), (64, false), (65, true), (65_537, true)] {
        let entry = chunked(&store, "f", chunks(0..count));
        let Node::File { content, .. } = &entry.node else { panic!("not a file") };
        assert_eq!(matches!(content, Content::Lists(_)), in_lists, "{count}");
        let piece = |number| Piece { id: blob(number), raw_len: 1 << 20, offset: number << 20 };
        assert_eq!(plan(&store, &entry.node), FilePlan::Chunks((0..count).map(piece).collect()));
    }
}

#[test]
fn a_small_file_needs_no_chunk() {
    let store = Store::default();
    assert_eq!(plan(&store, &inline("f", b"bytes").node), FilePlan::Inline(b"bytes".to_vec()));
    assert_eq!(store.reads.get(), 0);
}

#[test]
fn chunk_lists_that_do_not_fit_the_file_are_refused() {
    let store = Store::default();
    let refused = |size: u64, lists: Vec<BlobId>, needle: &str| {
        let error = ready(plan_file(&store, size, &Content::Lists(lists))).unwrap_err();
        assert!(
            matches!(&error, TreeError::Malformed { source, .. } if source.to_string().contains(needle)),
            "{error:?}"
        );
    };
    let (long, short) = (list(&store, chunks(0..65)), list(&store, chunks(0..64)));
    refused((65 << 20) + 1, vec![long], "sum to its size");
    refused((65 << 20) - 1, vec![long], "sum to its size");
    refused(65 << 20, vec![long, short], "sum to its size");
    refused(64 << 20, vec![short], "at most 64 chunks");
}

#[test]
fn a_blob_of_another_kind_is_refused() {
    let store = Store::default();
    let directory = store.write(Vec::new()).tree;
    let error = ready(plan_file(&store, 1 << 30, &Content::Lists(vec![directory]))).unwrap_err();
    assert!(matches!(error, TreeError::Read { id, .. } if id == directory));
}

#[test]
fn a_file_is_verified_while_it_comes() {
    let data = b"the quick brown fox".repeat(100);
    let hash = *blake3::hash(&data).as_bytes();
    let verify = |size, slices: &[&[u8]]| {
        let mut verifier = FileVerifier::new(size, hash);
        for slice in slices {
            verifier.update(slice)?;
        }
        verifier.finish()
    };
    let size = data.len() as u64;
    assert_eq!(verify(size, &[&data]), Ok(()));
    assert_eq!(verify(size, &[&data[..7], &data[7..7], &data[7..]]), Ok(()));
    assert_eq!(verify(size, &[&data[1..]]), Err(VerifyError::Size { size, actual: size - 1 }));
    assert_eq!(verify(size, &[&data, b"x"]), Err(VerifyError::Size { size, actual: size + 1 }));
    let mut damaged = data.clone();
    damaged[1000] ^= 1;
    assert_eq!(verify(size, &[&damaged]), Err(VerifyError::Hash));
}
