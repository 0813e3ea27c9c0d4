//! Fetching blobs from another node.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use protocol::blob_list::pack_stored;
use protocol::data_plane::ReadRequest;
use protocol::error::ErrorCode;
use protocol::grant::Operation;
use protocol::id::NodeId;
use protocol::limits::{BLOB_BYTES_MAX, GROUP_BYTES_MAX};
use protocol::maintenance::{PullRequest, PullResponse};
use protocol::routes::storage_node as routes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fan_out::pretend;
use crate::support::{Blob, Coordinator, Node, Setup, damage, data, list, refusal};

fn blobs() -> Vec<Blob> {
    vec![Blob::random(1, 5000), Blob::random(2, 1_000_000), Blob::random(3, 4160), Blob::random(4, 70_000)]
}

async fn two_nodes(options: &[&str]) -> (Node, Node) {
    let coordinator = Coordinator::start().await;
    let from = Node::start(&coordinator, Setup::default()).await;
    let to = Node::start(&coordinator, Setup { options, ..Setup::default() }).await;
    (from, to)
}

/// The receipt names the blobs that came, the answer the places of the others, and the node has exactly the former.
async fn assert_pulled(to: &Node, from: NodeId, blobs: &[Blob], failed: &[u32]) {
    let response = to.pull(from, blobs).await;
    assert_eq!(response.status(), 200);
    let answer: PullResponse = response.json().await.unwrap();
    assert_eq!(answer.failed, failed);
    let came = |(_, place): &(&Blob, u32)| !failed.contains(place);
    let expected: Vec<_> = blobs.iter().zip(0..).filter(came).map(|(blob, _)| blob.stored).collect();
    let receipt = answer.receipt.map(|receipt| to.verify(&receipt));
    assert!(receipt.as_ref().is_none_or(|receipt| receipt.op == Operation::Pull));
    assert_eq!(receipt.map(|receipt| receipt.blobs).unwrap_or_default(), expected);
    for (blob, place) in blobs.iter().zip(0..) {
        assert_eq!(to.has(blob).await, !failed.contains(&place), "{place}");
    }
}

#[tokio::test]
async fn blobs_are_fetched_verified_and_stored_with_a_receipt() {
    let (from, to) = two_nodes(&[]).await;
    from.put_batch(&blobs(), &[]).await;
    // The generation is the coordinator's, whatever the other node stores it at.
    let wanted: Vec<_> = blobs().into_iter().map(|blob| blob.at_generation(3)).collect();
    assert_pulled(&to, from.id, &wanted, &[]).await;
    // A lost answer.
    assert_pulled(&to, from.id, &wanted, &[]).await;
    from.stop().await;
    to.stop().await;
}

#[tokio::test]
async fn a_blob_that_is_damaged_or_absent_does_not_fail_the_others() {
    for absent in [None, Some(1)] {
        let (from, to) = two_nodes(&[]).await;
        let blobs = blobs();
        for (blob, place) in blobs.iter().zip(0..) {
            if Some(place) != absent {
                from.put(blob).await;
            }
        }
        damage(&data(&from.folder), &blobs[2]);
        let failed = if absent.is_some() { vec![1, 2] } else { vec![2] };
        assert_pulled(&to, from.id, &blobs, &failed).await;
        assert_pulled(&to, from.id, &blobs[2..3], &[0]).await;
        from.stop().await;
        to.stop().await;
    }
}

#[tokio::test]
async fn a_node_that_is_gone_gives_nothing() {
    let (from, to) = two_nodes(&[]).await;
    let id = from.id;
    from.stop().await;
    assert_pulled(&to, id, &blobs(), &[0, 1, 2, 3]).await;
    to.stop().await;
}

#[tokio::test]
async fn a_node_that_gives_other_bytes_or_stops_giving_them_is_not_believed() {
    let coordinator = Coordinator::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // The first bytes of a blob, then zeros, then silence.
    let answer = || async move {
        count.fetch_add(1, Ordering::Relaxed);
        let front = Blob::random(1, 5000).bytes.slice(..2000);
        let pieces = futures_util::stream::iter([front, vec![0; 4000].into()].map(Ok::<_, std::io::Error>));
        Body::from_stream(futures_util::StreamExt::chain(pieces, futures_util::stream::pending()))
    };
    let router = Router::new().route(routes::READ_BLOBS.path, post(answer));
    let liar = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let id = pretend(&coordinator, url).await;
    let to = Node::start(&coordinator, Setup { options: &["--idle-ms=200"], ..Setup::default() }).await;
    assert_pulled(&to, id, &blobs(), &[0, 1, 2, 3]).await;
    // Silence in the middle of a blob: what waits for one waits no second time.
    asked.store(0, Ordering::Relaxed);
    let large = [Blob::random(8, 100_000), Blob::random(9, 100_000)];
    assert_pulled(&to, id, &large, &[0, 1]).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(to.ready().await.1["in_flight_bytes"], 0);
    to.stop().await;
    liar.abort();
}

/// Answers one request for blobs, unless it asks for the third: then the connection ends before any answer.
async fn answer_but_for_the_third(mut stream: TcpStream) {
    let mut request = Vec::new();
    let wanted = loop {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&request);
        let body = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
        if let Some(ReadRequest { wanted, .. }) = body {
            break wanted;
        }
    };
    if !wanted.contains(&2) {
        let bytes: Vec<u8> = wanted.iter().flat_map(|place| blobs()[*place as usize].bytes.clone()).collect();
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", bytes.len());
        stream.write_all(&[head.into_bytes(), bytes].concat()).await.unwrap();
    }
}

/// A node that meets a damaged record at once may close the connection before it has sent the head of its answer.
#[tokio::test]
async fn a_connection_that_ends_before_the_answer_does_not_fail_the_others() {
    let coordinator = Coordinator::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let source = tokio::spawn(async move {
        loop {
            answer_but_for_the_third(listener.accept().await.unwrap().0).await;
        }
    });
    let id = pretend(&coordinator, url).await;
    let to = Node::start(&coordinator, Setup::default()).await;
    assert_pulled(&to, id, &blobs(), &[2]).await;
    to.stop().await;
    source.abort();
}

#[tokio::test]
async fn only_other_nodes_of_the_directory_are_asked() {
    let node = Node::start(&Coordinator::start().await, Setup::default()).await;
    for from in [node.id, NodeId::from_bytes([0x77; 16]).unwrap()] {
        let response = node.pull(from, &blobs()).await;
        assert_eq!(refusal(response).await, (400, ErrorCode::InvalidRequest));
    }
    node.stop().await;
}

#[tokio::test]
async fn a_pull_is_no_larger_than_a_batch_and_waits_for_memory() {
    let (from, to) = two_nodes(&["--in-flight-bytes=20000", "--shed-after-ms=50"]).await;
    let large: Vec<_> = (0..4).map(|seed| Blob::random(seed, BLOB_BYTES_MAX as usize)).collect();
    assert!(4 * u64::from(BLOB_BYTES_MAX) > GROUP_BYTES_MAX);
    assert_eq!(refusal(to.pull(from.id, &large).await).await, (413, ErrorCode::TooLarge));

    let held = crate::limits::begin_batch(&to, 9, 16_000).await;
    assert_eq!(refusal(to.pull(from.id, &blobs()[..1]).await).await, (503, ErrorCode::Unavailable));
    drop(held);
    from.put(&blobs()[0]).await;
    let pulled = async || to.pull(from.id, &blobs()[..1]).await.status() == 200;
    testkit::wait_until("there is memory again", pulled).await;
    from.stop().await;
    to.stop().await;
}

#[tokio::test]
async fn a_full_disk_takes_no_pull() {
    let (from, to) = two_nodes(&["--reserve-percent=100"]).await;
    from.put_batch(&blobs(), &[]).await;
    assert_eq!(refusal(to.pull(from.id, &blobs()).await).await, (507, ErrorCode::InsufficientStorage));
    from.stop().await;
    to.stop().await;
}

#[tokio::test]
async fn the_other_nodes_grant_is_the_other_nodes_to_judge() {
    let (from, to) = two_nodes(&[]).await;
    from.put_batch(&blobs(), &[]).await;
    let list = list(&blobs());
    let request = PullRequest {
        grant: to.coordinator.grant(to.id, Operation::Pull, &list),
        from: from.id,
        from_grant: to.coordinator.grant(from.id, Operation::Put, &list),
        blobs: pack_stored(&list),
    };
    let answer: PullResponse = to.post(routes::PULL, &request).await.json().await.unwrap();
    assert_eq!((answer.receipt, answer.failed), (None, vec![0, 1, 2, 3]));
    assert_eq!(from.refusals("operation").await, 1, "it is asked once");
    from.stop().await;
    to.stop().await;
}
