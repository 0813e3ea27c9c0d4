//! The batch API: many blobs per request.

use protocol::blob_list::pack_stored;
use protocol::data_plane::{PutEvent, PutHeader, ReadRequest};
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::routes::storage_node as routes;

use crate::support::{Blob, Coordinator, Node, Setup, batch_body, list, refusal};

async fn node() -> Node {
    Node::start(&Coordinator::start().await, Setup::default()).await
}

fn blobs() -> Vec<Blob> {
    vec![Blob::random(1, 5000), Blob::random(2, 1_000_000), Blob::random(3, 4160)]
}

#[tokio::test]
async fn a_batch_is_stored_with_one_receipt_for_all_of_it() {
    let node = node().await;
    let blobs = blobs();
    let events = node.put_batch(&blobs, &[]).await;
    let [PutEvent::Stored { node: id, receipt }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(*id, node.id);
    assert_eq!(node.verify(receipt).blobs, list(&blobs));
    for blob in &blobs {
        assert!(node.has(blob).await);
    }
    node.stop().await;
}

#[tokio::test]
async fn wanted_blobs_come_back_in_the_order_asked_for() {
    let node = node().await;
    let blobs = blobs();
    node.put_batch(&blobs, &[]).await;
    let response = node.read_batch(&blobs, &[2, 0]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-length"], "9160");
    assert_eq!(response.bytes().await.unwrap(), [&blobs[2].bytes[..], &blobs[0].bytes[..]].concat());
    node.stop().await;
}

#[tokio::test]
async fn a_read_that_wants_an_absent_blob_is_refused_before_it_begins() {
    let node = node().await;
    let blobs = blobs();
    node.put_batch(&blobs[..2], &[]).await;
    assert_eq!(node.read_batch(&blobs, &[0, 1]).await.status(), 200);
    assert_eq!(refusal(node.read_batch(&blobs, &[0, 2]).await).await, (404, ErrorCode::NotFound));
    node.stop().await;
}

#[tokio::test]
async fn a_read_of_nothing_of_a_place_twice_or_outside_the_list_is_refused() {
    let node = node().await;
    let blobs = blobs();
    node.put_batch(&blobs, &[]).await;
    for wanted in [&[][..], &[1, 1], &[3]] {
        let response = node.read_batch(&blobs, wanted).await;
        assert_eq!(refusal(response).await, (400, ErrorCode::InvalidRequest), "{wanted:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_batch_with_one_wrong_blob_is_refused_and_leaves_nothing() {
    let node = node().await;
    let mut blobs = blobs();
    blobs[1].bytes = Blob::random(9, 1_000_000).bytes;
    let response = node.post_batch(node.batch(&blobs, &[])).await;
    assert_eq!(refusal(response).await, (422, ErrorCode::HashMismatch));
    assert_eq!(node.ready().await.1["blobs"], 0);
    node.stop().await;
}

#[tokio::test]
async fn a_body_of_another_length_than_its_list_is_refused_and_leaves_nothing() {
    let node = node().await;
    let whole = node.batch(&blobs(), &[]);
    let shorter = whole[..whole.len() - 1].to_vec();
    let longer = [&whole[..], b"x"].concat();
    for body in [shorter.clone(), longer.clone()] {
        assert_eq!(refusal(node.post_batch(body).await).await, (400, ErrorCode::InvalidRequest));
    }
    // Without an announced length the lie shows only at the end.
    for body in [shorter, longer] {
        let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(body)]);
        let request = node.http.post(node.at_path(routes::PUT_BLOBS.path));
        let response = request.body(reqwest::Body::wrap_stream(stream)).send().await.unwrap();
        assert_eq!(refusal(response).await, (400, ErrorCode::InvalidRequest));
    }
    assert_eq!(node.ready().await.1["blobs"], 0);
    node.stop().await;
}

#[tokio::test]
async fn garbage_instead_of_a_header_list_or_request_is_refused() {
    let node = node().await;
    let header = |blobs: &[u8]| PutHeader {
        grant: String::new(),
        fan_out: Vec::new(),
        blobs: protocol::bytes::Base64(blobs.to_vec()),
    };
    let blob = pack_stored(&list(&blobs())).0;
    let cases = [
        vec![],
        vec![0, 0, 0],
        vec![0, 0, 0, 2, b'{', b'}'],
        header(&[]).to_bytes(),
        header(&blob[..39]).to_bytes(),
        header(&[&blob[..40], &blob[..40]].concat()).to_bytes(),
    ];
    for body in cases {
        let response = node.post_batch(body.clone()).await;
        assert_eq!(refusal(response).await, (400, ErrorCode::InvalidRequest), "{body:?}");
    }
    for body in ["", "{}", "[1]"] {
        let response = node.http.post(node.at_path(routes::READ_BLOBS.path)).body(body).send().await.unwrap();
        assert_eq!(refusal(response).await, (400, ErrorCode::InvalidRequest), "{body}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_grant_for_one_list_does_not_read_or_store_another() {
    let node = node().await;
    let blobs = blobs();
    node.put_batch(&blobs, &[]).await;
    let others = list(&blobs[1..]);
    let put = PutHeader {
        grant: node.coordinator.grant(node.id, Operation::Put, &others),
        fan_out: Vec::new(),
        blobs: pack_stored(&list(&blobs)),
    };
    let response = node.post_batch(batch_body(&put, &blobs)).await;
    assert_eq!(refusal(response).await, (403, ErrorCode::InvalidGrant));
    let read = ReadRequest {
        grant: node.coordinator.grant(node.id, Operation::Get, &others),
        blobs: pack_stored(&list(&blobs)),
        wanted: vec![0],
    };
    let response = node.http.post(node.at_path(routes::READ_BLOBS.path)).json(&read).send().await.unwrap();
    assert_eq!(refusal(response).await, (403, ErrorCode::InvalidGrant));
    node.stop().await;
}
