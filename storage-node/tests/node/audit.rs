//! Proving, by the bytes on disk, that blobs are there.

use protocol::maintenance::audit_digest;

use crate::support::{Blob, Coordinator, Node, Setup, damage, data};

#[tokio::test]
async fn a_proof_is_the_digest_of_nonce_and_bytes_and_there_is_none_of_what_is_damaged_or_absent() {
    let node = Node::start(&Coordinator::start().await, Setup::default()).await;
    let blobs: Vec<_> = (0..4).map(|seed| Blob::random(seed, 5000 + 1000 * seed as usize)).collect();
    node.put_batch(&blobs[..3], &[]).await;
    damage(&data(&node.folder), &blobs[1]);
    for nonce in [[1; 32], [2; 32]] {
        let proof = |blob: &Blob| Some(audit_digest(&nonce, &blob.bytes));
        let expected = [proof(&blobs[0]), None, proof(&blobs[2]), None];
        assert_eq!(node.audit(&blobs, nonce).await, expected);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_damaged_blob_that_an_audit_finds_is_verified_put_aside_and_reported() {
    let options = &["--upkeep-ms=10"];
    let node = Node::start(&Coordinator::start().await, Setup { options, ..Setup::default() }).await;
    let blob = Blob::random(1, 5000);
    node.put(&blob).await;
    damage(&data(&node.folder), &blob);
    assert_eq!(node.audit(std::slice::from_ref(&blob), [0; 32]).await, [None]);
    crate::scrub::wait_until_reported(&node, &blob).await;
    assert_eq!(node.ready().await.1["damaged"], 1);
    node.stop().await;
}
