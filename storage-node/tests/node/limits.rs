//! Every limit: one less, exactly, one more.

use protocol::blob_list::{StoredBlob, pack_stored};
use protocol::data_plane::{FanOutGrant, PutHeader};
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::id::{BlobId, NodeId};
use protocol::limits::{
    BATCH_HEADER_BYTES_MAX, BLOB_BYTES_MAX, BLOB_BYTES_MIN, GROUP_BLOBS_MAX, GROUP_BYTES_MAX, REPLICAS_MAX,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Blob, Coordinator, Node, Setup, list, refusal};

async fn node_with(options: &[&str]) -> Node {
    Node::start(&Coordinator::start().await, Setup { options, ..Setup::default() }).await
}

/// A plain connection, for clients that behave badly.
async fn connect(node: &Node) -> TcpStream {
    TcpStream::connect(node.url.strip_prefix("http://").unwrap()).await.unwrap()
}

#[tokio::test]
async fn sizes_of_a_blob() {
    let node = node_with(&[]).await;
    let (min, max) = (BLOB_BYTES_MIN as usize, BLOB_BYTES_MAX as usize);
    for size in [min, min + 1, max - 1, max] {
        let blob = Blob::random(size as u64, size);
        assert_eq!(node.put(&blob).await.status(), 200, "{size}");
        assert!(node.has(&blob).await, "{size}");
        assert_eq!(node.put_batch(&[Blob::random(1, size)], &[]).await.len(), 1, "{size}");
    }
    let below = Blob::random(1, min - 1);
    assert_eq!(refusal(node.put(&below).await).await, (400, ErrorCode::InvalidRequest));
    let above = Blob::random(1, max + 1);
    assert_eq!(refusal(node.put(&above).await).await, (413, ErrorCode::TooLarge));
    for blob in [below, above] {
        let response = node.post_batch(node.batch(&[blob], &[])).await;
        assert_eq!(refusal(response).await, (400, ErrorCode::InvalidRequest));
    }
    node.stop().await;
}

#[tokio::test]
async fn blobs_in_a_batch() {
    let node = node_with(&[]).await;
    let blobs: Vec<_> = (0..=GROUP_BLOBS_MAX as u64).map(|seed| Blob::random(seed, 4160)).collect();
    for count in [GROUP_BLOBS_MAX - 1, GROUP_BLOBS_MAX] {
        assert_eq!(node.put_batch(&blobs[..count], &[]).await.len(), 1);
        let wanted: Vec<u32> = (0..u32::try_from(count).unwrap()).collect();
        let bytes = node.read_batch(&blobs[..count], &wanted).await.bytes().await.unwrap();
        assert_eq!(bytes.len(), count * 4160);
    }
    let response = node.post_batch(node.batch(&blobs, &[])).await;
    assert_eq!(refusal(response).await, (400, ErrorCode::InvalidRequest));
    node.stop().await;
}

#[tokio::test]
async fn bytes_in_a_batch() {
    let node = node_with(&[]).await;
    let blobs_of = |total: u64| -> Vec<_> {
        let sizes = [BLOB_BYTES_MAX.into(), BLOB_BYTES_MAX.into(), BLOB_BYTES_MAX.into()];
        let last = total - sizes.iter().sum::<u64>();
        sizes
            .into_iter()
            .chain([last])
            .zip(0..)
            .map(|(size, seed)| Blob::random(seed, size as usize))
            .collect()
    };
    for total in [GROUP_BYTES_MAX - 1, GROUP_BYTES_MAX] {
        assert_eq!(node.put_batch(&blobs_of(total), &[]).await.len(), 1);
    }
    let response = node.post_batch(node.batch(&blobs_of(GROUP_BYTES_MAX + 1), &[])).await;
    assert_eq!(refusal(response).await, (413, ErrorCode::TooLarge));
    node.stop().await;
}

#[tokio::test]
async fn nodes_to_pass_on_to() {
    let node = node_with(&[]).await;
    let blob = [Blob::random(1, 5000)];
    let others: Vec<_> =
        (1..=REPLICAS_MAX as u8).map(|byte| NodeId::from_bytes([byte; 16]).unwrap()).collect();
    for count in [REPLICAS_MAX - 2, REPLICAS_MAX - 1] {
        assert_eq!(node.put_batch(&blob, &others[..count]).await.len(), 1 + count);
    }
    for targets in [&others[..], &[others[0], others[0]], &[node.id]] {
        let response = node.post_batch(node.batch(&blob, targets)).await;
        assert_eq!(refusal(response).await, (400, ErrorCode::InvalidRequest));
    }
    node.stop().await;
}

#[tokio::test]
async fn bytes_of_a_batch_header() {
    let node = node_with(&[]).await;
    let blob = Blob::random(1, 5000);
    let padded = |len: usize| {
        let mut header = PutHeader {
            grant: node.coordinator.grant(node.id, Operation::Put, &[blob.stored]),
            fan_out: vec![FanOutGrant { node: NodeId::from_bytes([1; 16]).unwrap(), grant: String::new() }],
            blobs: pack_stored(&[blob.stored]),
        };
        let without = header.to_bytes().len() - 4;
        header.fan_out[0].grant = "x".repeat(len - without);
        crate::support::batch_body(&header, std::slice::from_ref(&blob))
    };
    for len in [BATCH_HEADER_BYTES_MAX - 1, BATCH_HEADER_BYTES_MAX] {
        assert_eq!(node.post_batch(padded(len)).await.status(), 200);
    }
    let response = node.post_batch(padded(BATCH_HEADER_BYTES_MAX + 1)).await;
    assert_eq!(refusal(response).await, (413, ErrorCode::TooLarge));
    node.stop().await;
}

#[tokio::test]
async fn bytes_of_a_read_request() {
    let node = node_with(&[]).await;
    let response = async |len: usize| {
        let request = node.http.post(node.at_path("/v1/blobs/read")).body(" ".repeat(len));
        refusal(request.send().await.unwrap()).await
    };
    assert_eq!(response(BATCH_HEADER_BYTES_MAX).await, (400, ErrorCode::InvalidRequest));
    assert_eq!(response(BATCH_HEADER_BYTES_MAX + 1).await, (413, ErrorCode::TooLarge));
    node.stop().await;
}

/// Sends the front of a batch and keeps the connection: its bytes stay in flight.
pub async fn begin_batch(node: &Node, seed: u64, size: u32) -> TcpStream {
    let id = BlobId::from_bytes(protocol::digest::sha256(&[&seed.to_be_bytes()])).unwrap();
    let blob = StoredBlob { id, size, generation: 1 };
    let grant = node.coordinator.grant(node.id, Operation::Put, &[blob]);
    let header = PutHeader { grant, fan_out: Vec::new(), blobs: pack_stored(&[blob]) }.to_bytes();
    let mut stream = connect(node).await;
    let length = header.len() + size as usize;
    let head = format!("POST /v1/blobs HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), &header, b"first bytes"].concat()).await.unwrap();
    let wanted = u64::from(size);
    let taken = async || node.ready().await.1["in_flight_bytes"].as_u64().unwrap() >= wanted;
    testkit::wait_until("the batch is under way", taken).await;
    stream
}

#[tokio::test]
async fn bytes_in_flight() {
    let node = node_with(&["--in-flight-bytes=20000", "--shed-after-ms=50"]).await;
    let (fits, too_much) = (Blob::random(1, 10_000), Blob::random(2, 10_001));
    let held = begin_batch(&node, 3, 10_000).await;

    assert_eq!(node.put(&fits).await.status(), 200);
    let response = node.put(&too_much).await;
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(refusal(response).await, (503, ErrorCode::Unavailable));
    drop(held);
    let idle = async || node.ready().await.1["in_flight_bytes"] == 0;
    testkit::wait_until("the broken request is over", idle).await;
    assert_eq!(node.put(&too_much).await.status(), 200);
    node.stop().await;
}

#[tokio::test]
async fn requests_at_a_time() {
    let node = node_with(&["--requests-max=2"]).await;
    let blob = Blob::random(1, 5000);
    let _first = begin_batch(&node, 2, 5000).await;
    assert_eq!(node.put(&blob).await.status(), 200);
    let second = begin_batch(&node, 3, 10_000).await;
    let response = node.put(&blob).await;
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(refusal(response).await, (503, ErrorCode::Unavailable));
    drop(second);
    testkit::wait_until("there is room again", async || node.put(&blob).await.status() == 200).await;
    node.stop().await;
}

async fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_head_that_does_not_arrive_ends_the_connection() {
    let node = node_with(&["--header-ms=100"]).await;
    let mut stream = connect(&node).await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost:").await.unwrap();
    let answer = answer(stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    node.stop().await;
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_answered_408() {
    let node = node_with(&["--idle-ms=100"]).await;
    let answer = answer(begin_batch(&node, 1, 5000).await).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("request_timeout"), "{answer}");
    node.stop().await;
}

#[tokio::test]
async fn a_body_that_trickles_is_answered_408() {
    let node = node_with(&["--rate-min=1000000", "--rate-window-ms=200"]).await;
    let mut stream = begin_batch(&node, 1, BLOB_BYTES_MAX).await;
    // Never silent, and far below a megabyte a second.
    let trickle = async {
        while stream.write_all(b"x").await.is_ok() {
            let mut answer = [0; 12];
            let pause = std::time::Duration::from_millis(10);
            match tokio::time::timeout(pause, stream.read_exact(&mut answer)).await {
                Ok(Ok(_)) => return answer,
                Ok(Err(error)) => panic!("{error}"),
                Err(_) => {}
            }
        }
        panic!("closed without an answer")
    };
    assert_eq!(&trickle.await, b"HTTP/1.1 408");
    node.stop().await;
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_cut_off() {
    let node = node_with(&["--idle-ms=100"]).await;
    let blobs: Vec<_> = (0..3).map(|seed| Blob::random(seed, BLOB_BYTES_MAX as usize)).collect();
    node.put_batch(&blobs, &[]).await;
    // More than loopback's socket buffers hold.
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(node.read_batch(&blobs, &[0, 1, 2]).await);
    }
    assert!(node.ready().await.1["in_flight_bytes"].as_u64().unwrap() > 0);
    let idle = async || node.ready().await.1["in_flight_bytes"] == 0;
    testkit::wait_until("the memory of stalled readers is free", idle).await;
    let complete = 3 * u64::from(BLOB_BYTES_MAX);
    for reader in readers {
        assert!(reader.bytes().await.map_or(0, |bytes| bytes.len() as u64) < complete);
    }
    assert_eq!(list(&blobs).len(), 3);
    node.stop().await;
}
