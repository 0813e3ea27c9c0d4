//! The simple API: one blob per request.

use protocol::data_plane::PutEvent;
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::id::BlobId;

use crate::support::{Blob, Coordinator, Node, Setup, refusal};

async fn node() -> Node {
    Node::start(&Coordinator::start().await, Setup::default()).await
}

#[tokio::test]
async fn a_stored_blob_is_read_back_and_the_receipt_says_what_was_stored() {
    let node = node().await;
    let blob = Blob::random(1, 70_000);
    let claims = node.coordinator.claims(node.id, Operation::Put, &[blob.stored]);

    let response = node.put_with(&blob, &node.coordinator.issue(&claims)).await;
    assert_eq!(response.status(), 200);
    let PutEvent::Stored { node: id, receipt } = response.json().await.unwrap() else { panic!("not stored") };
    let receipt = node.verify(&receipt);

    assert_eq!(id, node.id);
    assert_eq!((receipt.node, receipt.store), (node.id, node.store_id()));
    assert_eq!((receipt.sub, receipt.grant, receipt.op), (claims.sub, claims.jti, Operation::Put));
    assert_eq!(receipt.blobs, [blob.stored]);
    assert!(node.has(&blob).await);
    node.stop().await;
}

#[tokio::test]
async fn a_blob_that_is_not_here_is_not_found_and_looks_like_one_of_another_list() {
    let node = node().await;
    let (here, absent) = (Blob::random(1, 5000), Blob::random(2, 5000));
    node.put(&here).await;

    assert_eq!(refusal(node.get(&absent).await).await, (404, ErrorCode::NotFound));
    let of_another_list = node.coordinator.grant(node.id, Operation::Get, &[absent.stored]);
    assert_eq!(refusal(node.get_with(&here, &of_another_list).await).await, (404, ErrorCode::NotFound));
    node.stop().await;
}

#[tokio::test]
async fn bytes_with_another_hash_are_refused_and_leave_nothing() {
    let node = node().await;
    let mut blob = Blob::random(1, 5000);
    let mut bytes = blob.bytes.to_vec();
    bytes[4999] ^= 1;
    blob.bytes = bytes.into();

    assert_eq!(refusal(node.put(&blob).await).await, (422, ErrorCode::HashMismatch));
    assert_eq!(refusal(node.get(&blob).await).await, (404, ErrorCode::NotFound));
    assert_eq!(node.ready().await.1["blobs"], 0);
    node.stop().await;
}

#[tokio::test]
async fn a_blob_that_is_already_here_is_read_hashed_and_acknowledged_like_a_new_one() {
    let node = node().await;
    let blob = Blob::random(1, 5000);
    for _ in 0..2 {
        let response = node.put(&blob).await;
        assert_eq!(response.status(), 200);
        assert!(matches!(response.json().await.unwrap(), PutEvent::Stored { .. }));
    }
    let wrong = Blob { bytes: Blob::random(2, 5000).bytes, ..blob.clone() };
    assert_eq!(refusal(node.put(&wrong).await).await, (422, ErrorCode::HashMismatch));

    let ready = node.ready().await.1;
    assert_eq!((ready["blobs"].as_u64(), ready["bytes"].as_u64()), (Some(1), Some(5000)));
    assert!(node.has(&blob).await);
    node.stop().await;
}

#[tokio::test]
async fn the_highest_generation_stands_also_after_a_restart() {
    let coordinator = Coordinator::start().await;
    let node = Node::start(&coordinator, Setup::default()).await;
    let blob = Blob::random(1, 5000);
    for generation in [1, 3, 2] {
        assert_eq!(node.put(&blob.clone().at_generation(generation)).await.status(), 200);
    }
    assert_eq!(node.get(&blob).await.headers()["triplicate-generation"], "3");

    let folder = node.stop().await;
    let node = Node::start(&coordinator, Setup { folder, ..Setup::default() }).await;
    assert_eq!(node.get(&blob).await.headers()["triplicate-generation"], "3");
    assert_eq!(node.ready().await.1["blobs"], 1);
    node.stop().await;
}

#[tokio::test]
async fn head_tells_size_and_generation_without_the_bytes() {
    let node = node().await;
    let blob = Blob::random(1, 5000);
    let grant = node.coordinator.grant(node.id, Operation::Get, &[blob.stored]);
    let head =
        async || node.http.head(node.blob_url(blob.stored.id)).bearer_auth(&grant).send().await.unwrap();

    assert_eq!(head().await.status(), 404);
    node.put(&blob).await;
    let response = head().await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-length"], "5000");
    assert_eq!(response.headers()["triplicate-generation"], "1");
    assert!(response.bytes().await.unwrap().is_empty());
    node.stop().await;
}

#[tokio::test]
async fn every_answer_forbids_a_browser_to_run_or_show_it() {
    let node = node().await;
    let blob = Blob::random(1, 5000);
    let unknown_route = node.http.get(node.at_path("/")).send().await.unwrap();
    let wrong_method = node.http.delete(node.blob_url(blob.stored.id)).send().await.unwrap();
    let not_an_id = node.http.get(node.at_path("/v1/blobs/xyz")).send().await.unwrap();
    let answers = [node.put(&blob).await, node.get(&blob).await, unknown_route, wrong_method, not_an_id];

    let statuses: Vec<_> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses, [200, 200, 404, 405, 400]);
    for answer in answers {
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers()["content-disposition"], "attachment");
        assert_eq!(answer.headers()["content-security-policy"], "default-src 'none'; sandbox");
        if !answer.status().is_success() {
            refusal(answer).await;
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn a_damaged_record_reads_as_absent_stays_in_place_and_is_replaced_by_a_new_put() {
    let coordinator = Coordinator::start().await;
    let node = Node::start(&coordinator, Setup::default()).await;
    let blob = Blob::random(1, 5000);
    node.put(&blob).await;
    let pack = crate::support::packs(&crate::support::data(&node.folder)).remove(0);
    let before = std::fs::read(&pack).unwrap();
    let at = before.windows(16).position(|window| window == &blob.bytes[..16]).unwrap();
    let mut damaged = before.clone();
    damaged[at + 2500] ^= 0x40;
    std::fs::write(&pack, &damaged).unwrap();

    assert_eq!(refusal(node.get(&blob).await).await, (404, ErrorCode::NotFound));
    assert_eq!(node.ready().await.1["damaged_reads"], 1);
    assert_eq!(std::fs::read(&pack).unwrap(), damaged);

    node.put(&blob).await;
    assert!(node.has(&blob).await);
    node.stop().await;
}

#[tokio::test]
async fn an_id_in_another_spelling_is_no_id() {
    let node = node().await;
    let blob = Blob::random(1, 5000);
    node.put(&blob).await;
    let upper = blob.stored.id.to_string().to_uppercase();
    for id in [upper.as_str(), &"00".repeat(32), &blob.stored.id.to_string()[2..]] {
        assert!(id.parse::<BlobId>().is_err());
        let grant = node.coordinator.grant(node.id, Operation::Get, &[blob.stored]);
        let response =
            node.http.get(node.at_path(&format!("/v1/blobs/{id}"))).bearer_auth(grant).send().await.unwrap();
        assert_eq!(refusal(response).await, (400, ErrorCode::InvalidRequest));
    }
    node.stop().await;
}
