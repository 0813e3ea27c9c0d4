//! What a node says that it has, all of it and by parts.

use protocol::blob_list::{StoredBlob, pack_stored};
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::maintenance::{INVENTORY_PARTS, inventory_digest};
use protocol::routes::storage_node as routes;

use crate::support::{Blob, Coordinator, Node, Setup, refusal};

/// What [`routes::INVENTORY`] answers for a node with these blobs.
pub fn digests(blobs: &[StoredBlob]) -> Vec<u8> {
    let mut parts = vec![[0; 32]; INVENTORY_PARTS];
    for blob in blobs {
        let part = &mut parts[usize::from(blob.id.as_bytes()[0])];
        let digest = inventory_digest(&blob.id, blob.generation);
        part.iter_mut().zip(digest).for_each(|(sum, byte)| *sum ^= byte);
    }
    parts.concat()
}

async fn assert_inventory(node: &Node, held: &[Blob]) {
    let mut held: Vec<_> = held.iter().map(|blob| blob.stored).collect();
    held.sort();
    assert_eq!(node.inventory(routes::INVENTORY.path).await, digests(&held));
    for part in [0, 1, 0x7f, 0xff].into_iter().chain(held.iter().map(|blob| blob.id.as_bytes()[0])) {
        let path = routes::INVENTORY_PART.fill(&[&format!("{part:02x}")]);
        let of_part: Vec<_> = held.iter().filter(|blob| blob.id.as_bytes()[0] == part).copied().collect();
        assert_eq!(node.inventory(&path).await, pack_stored(&of_part).0, "{path}");
    }
}

#[tokio::test]
async fn the_inventory_is_what_stands_in_memory_and_on_disk() {
    let coordinator = Coordinator::start().await;
    let node = Node::start(&coordinator, Setup::default()).await;
    assert_inventory(&node, &[]).await;
    let blobs: Vec<_> = (0..40).map(|seed| Blob::random(seed, 4160)).collect();
    node.put_batch(&blobs, &[]).await;
    assert_inventory(&node, &blobs).await;

    // From here on half of it is in the database, and changes to it are in memory.
    let folder = node.stop().await;
    let node = Node::start(&coordinator, Setup { folder, ..Setup::default() }).await;
    assert_inventory(&node, &blobs).await;
    let again: Vec<_> = blobs[20..].iter().map(|blob| blob.clone().at_generation(2)).collect();
    node.put_batch(&again, &[]).await;
    node.delete(&blobs[..10]).await;
    assert_inventory(&node, &[&blobs[10..20], &again].concat()).await;
    node.stop().await;
}

#[tokio::test]
async fn a_part_is_named_by_two_small_hexadecimal_digits() {
    let node = Node::start(&Coordinator::start().await, Setup::default()).await;
    for name in ["0", "000", "0g", "AB", "..", "%00%00"] {
        let grant = node.coordinator.grant(node.id, Operation::Inventory, &[]);
        let url = node.at_path(&format!("/v1/inventory/{name}"));
        let response = node.http.get(url).bearer_auth(grant).send().await.unwrap();
        let (status, code) = refusal(response).await;
        assert!(
            matches!((status, code), (400, ErrorCode::InvalidRequest) | (404, ErrorCode::NotFound)),
            "{name}"
        );
    }
    node.stop().await;
}
