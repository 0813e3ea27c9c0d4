//! Durable puts and gets through a node's whole HTTP edge, on loopback, printed as a table.
//!
//! Client and node share the machine's cores, as they do in a try-out. The folder is on the disk of `TMPDIR`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

#[path = "../tests/node/support/mod.rs"]
#[expect(dead_code, unreachable_pub, unused_imports, reason = "shared with the tests")]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::{Blob, Coordinator, Node, Setup};

struct Row {
    work: &'static str,
    size: u32,
    connections: u32,
    requests: u32,
}

const ROWS: &[Row] = &[
    Row { work: "PUT", size: 64 << 10, connections: 32, requests: 12_000 },
    Row { work: "GET", size: 64 << 10, connections: 32, requests: 24_000 },
    Row { work: "PUT", size: 1 << 20, connections: 16, requests: 1500 },
    Row { work: "GET", size: 1 << 20, connections: 16, requests: 3000 },
];

fn main() {
    // `cargo test` runs benches too, to see that they build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let figures: Vec<_> = ROWS.iter().map(|row| (row, runtime.block_on(measure(row)))).collect();
    for (column, unit) in ["blobs/s", "MB/s", "p50 ms", "p99 ms"].into_iter().enumerate() {
        println!("{:<44}{unit:>12}", "durable, over HTTP");
        for (Row { work, size, connections, .. }, figures) in &figures {
            let name = format!("{work} of {} KiB, {connections} connections", size >> 10);
            println!("{name:<44}{:>12.1}", figures[column]);
        }
    }
}

async fn measure(row: &Row) -> [f64; 4] {
    let coordinator = Coordinator::start().await;
    let options = &["--pack-bytes=268435456", "--heartbeat-ms=5000", "--group-wait-ms=2"];
    let node = Node::start_process(&coordinator, Setup { options, ..Setup::default() }).await;
    // What is sent is prepared before, so that the client's hashing and signing do not count.
    let count = if row.work == "PUT" { row.requests } else { 512 };
    let blobs: Vec<_> = (0..u64::from(count)).map(|seed| Blob::random(seed, row.size as usize)).collect();
    if row.work == "GET" {
        for blob in &blobs {
            assert_eq!(node.put(blob).await.status(), 200);
        }
    }
    let op =
        if row.work == "PUT" { protocol::grant::Operation::Put } else { protocol::grant::Operation::Get };
    let work: Vec<_> = (0..row.requests)
        .map(|at| {
            let blob = blobs[at as usize % blobs.len()].clone();
            let grant = coordinator.grant(node.id, op, &[blob.stored]);
            (blob, grant)
        })
        .collect();

    let (node, work, next) = (Arc::new(node), Arc::new(work), Arc::new(AtomicUsize::new(0)));
    let start = Instant::now();
    let clients: Vec<_> = (0..row.connections)
        .map(|_| {
            tokio::spawn(client(row.work == "PUT", Arc::clone(&node), Arc::clone(&work), Arc::clone(&next)))
        })
        .collect();
    let mut times = Vec::with_capacity(row.requests as usize);
    for client in clients {
        times.extend(client.await.unwrap());
    }
    let took = start.elapsed();
    Arc::into_inner(node).unwrap().stop().await;
    summarize(row, took, times)
}

async fn client(
    put: bool,
    node: Arc<Node>,
    work: Arc<Vec<(Blob, String)>>,
    next: Arc<AtomicUsize>,
) -> Vec<Duration> {
    let mut times = Vec::new();
    while let Some((blob, grant)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
        let start = Instant::now();
        let response = if put { node.put_with(blob, grant).await } else { node.get_with(blob, grant).await };
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap();
        times.push(start.elapsed());
    }
    times
}

/// Per second, MB/s, and the 50th and 99th percentile in milliseconds.
fn summarize(row: &Row, took: Duration, mut times: Vec<Duration>) -> [f64; 4] {
    times.sort_unstable();
    let percentile =
        |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    let per_second = f64::from(row.requests) / took.as_secs_f64();
    [per_second, per_second * f64::from(row.size) / 1e6, percentile(50), percentile(99)]
}
