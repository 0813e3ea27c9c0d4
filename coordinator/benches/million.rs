//! What a million blobs cost the coordinator: planning, locating, committing, comparing inventories, collecting garbage,
//! memory and the size of the database. Rows are made in the database; requests go through the public edge.
//!
//! PostgreSQL, the coordinator and the storage nodes, which only sign and list, share the machine's cores; memory is that
//! of this whole program, with the nodes' lists.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

#[path = "../tests/api/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "shared with the tests")]
mod support;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use coordinator::config::Registration;
use coordinator::garbage::Reclaim;
use coordinator::health::Timings;
use coordinator::jobs::garbage;
use coordinator::upkeep::Upkeep;
use protocol::blob_list::{StoredBlob, pack_stored};
use protocol::digest::sha256;
use protocol::envelope::commit::SnapshotFlags;
use protocol::id::BlobId;
use protocol::maintenance::{INVENTORY_PARTS, inventory_digest};
use protocol::refs::Reference;
use protocol::routes::storage_node as routes;
use reqwest::StatusCode;
use support::{Node, Options, Registered, Server};
use tokio::net::TcpListener;

const BLOBS: u64 = 1_000_000;
const SIZE: u32 = 65_536;
const NODES: usize = 3;
/// One in so many is lacking in the second comparison.
const LACKING: usize = 100;
const NEVER: Duration = Duration::from_hours(48);

/// Cycles without any grace, which nobody has to approve.
const AT_ONCE: Reclaim = Reclaim {
    gc_every: NEVER,
    gc_grace: Duration::ZERO,
    gc_remember: NEVER,
    gc_hold_blobs: 10_000,
    gc_hold_percent: 100,
    gc_batch: 1000,
    gc_retry: Duration::from_mins(1),
    delete_every: NEVER,
    retention_every: NEVER,
};

/// The rows of every table, as they are after a backup of as many blobs.
const FILL: [&str; 6] = [
    "INSERT INTO blobs (sha256, size) SELECT sha256(int8send(i)), 65536 FROM generate_series(1, 1000000) AS i",
    "INSERT INTO replicas (blob_id, node_id, generation, store_epoch)
     SELECT b.id, n.id, b.generation, n.store_epoch FROM blobs b CROSS JOIN nodes n ORDER BY b.id
     ON CONFLICT DO NOTHING",
    "INSERT INTO vault_blobs (vault_id, blob_id) SELECT v.id, b.id FROM vaults v CROSS JOIN blobs b
     ON CONFLICT DO NOTHING",
    "UPDATE vault_usage u SET bytes =
     (SELECT sum(b.size) FROM vault_blobs h JOIN blobs b ON b.id = h.blob_id WHERE h.vault_id = u.vault_id)",
    "INSERT INTO refs (source_id, blob_id, count, since_seq)
     SELECT s.id, b.id, 1, 1 FROM sources s CROSS JOIN blobs b ON CONFLICT DO NOTHING",
    "VACUUM ANALYZE",
];

fn main() {
    // `cargo test` runs benches too, to see that they build.
    if std::env::args().any(|argument| argument == "--bench") {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(run());
    }
}

async fn run() {
    let server = Server::start_with(Options {
        registration: Some(Registration::Open),
        timings: Timings { suspect: NEVER, down: NEVER, out: NEVER, ..Timings::default() },
        upkeep: Upkeep { sweep_period: NEVER, audit_period: NEVER, ..Upkeep::default() },
        reclaim: AT_ONCE,
        replicas: Some(3),
        ..Options::default()
    })
    .await;
    let operator = server.register_operator().await;
    let lists: Vec<_> = (0..NODES).map(|_| Arc::new(List::default())).collect();
    let mut nodes = Vec::new();
    for (number, list) in lists.iter().enumerate() {
        nodes.push(listing(&server, number, list.clone()).await);
    }
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    let filled = time(async {
        for statement in FILL {
            server.sql(statement).await;
        }
    });
    row("rows of a million blobs on three nodes, made", &format!("{:.0} s", filled.await.as_secs_f64()));
    let bytes: i64 =
        server.sql_value("SELECT pg_database_size(current_database())::text").await.parse().unwrap();
    row("the database", &format!("{} MB", bytes / 1_000_000));

    plans_and_commits(&server, &operator, &nodes).await;
    inventories(&server, &lists).await;
    collections(&server).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    row("memory at most, with the nodes' lists", peak.trim_start_matches("VmHWM:").trim());
}

async fn plans_and_commits(server: &Server, operator: &Registered, nodes: &[Node]) {
    let upload = operator.open(server).await;
    let mut plans = Vec::new();
    let mut locates = Vec::new();
    for round in 0..100 {
        // Spread over all, as names by a hash are; a tenth is new.
        let held: Vec<_> = (0..900).map(|number| id_of(1 + (number * 1111 + round) % BLOBS)).collect();
        let new = (0..100).map(|number| id_of(BLOBS + 1 + round * 100 + number));
        let ids: Vec<_> = held.iter().copied().chain(new).collect();
        plans.push(
            time(async { operator.try_plan(server, upload, &ids).await.expect_status(StatusCode::OK) }).await,
        );
        let answer = time(async { operator.locate(server, &held).await });
        locates.push(answer.await);
    }
    percentiles("plan of 1,000 ids, a tenth new", plans);
    percentiles("locate of 900 ids", locates);

    let mut commits = Vec::new();
    for round in 0..100 {
        let mut ids: Vec<_> = (0..100).map(|number| id_of(2 * BLOBS + round * 100 + number)).collect();
        ids.sort_unstable();
        let upload = operator.open(server).await;
        operator.store(server, upload, nodes, &ids).await;
        let references: Vec<_> = ids.into_iter().map(|blob| Reference { blob, delta: 1 }).collect();
        operator.stage(server, upload, 0, &references).await.expect_status(StatusCode::NO_CONTENT);
        let (seq, prev) = operator.next(server).await;
        let envelope = operator.snapshot(seq, prev, SnapshotFlags::default(), &references);
        let commit = async { operator.commit_envelope(server, upload, envelope).await };
        commits.push(time(async { commit.await.expect_status(StatusCode::OK) }).await);
    }
    percentiles("commit of 100 blobs", commits);
}

async fn inventories(server: &Server, lists: &[Arc<List>]) {
    let rows = sqlx::query_as::<_, (Vec<u8>, i32)>(
        "SELECT sha256, size FROM blobs WHERE size IS NOT NULL ORDER BY sha256",
    );
    let rows = rows.fetch_all(&server.state.pool).await.unwrap();
    let blobs = rows.into_iter().map(|(id, size)| StoredBlob {
        id: BlobId::from_slice(&id).unwrap(),
        size: size.try_into().unwrap(),
        generation: 1,
    });
    let blobs: Vec<_> = blobs.collect();
    for list in lists {
        list.set(blobs.clone());
    }
    row("comparison of an inventory, equal", &seconds(compare_one(server).await));
    let lacking = blobs.iter().enumerate().filter(|(at, _)| at % LACKING != 0).map(|(_, blob)| *blob);
    lists[0].set(lacking.collect());
    row("comparison of an inventory, 1 % lacking", &seconds(compare_one(server).await));
}

/// Until the coordinator has compared the first node's inventory.
async fn compare_one(server: &Server) -> Duration {
    let due = "SELECT (inventory_due_at > now() + interval '12 hours')::text FROM nodes ORDER BY id LIMIT 1";
    server.sql("UPDATE nodes SET inventory_due_at = now() WHERE id = (SELECT min(id) FROM nodes)").await;
    time(async {
        while server.sql_value(due).await != "true" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

async fn collections(server: &Server) {
    // What plans made and no commit took is not in the way.
    server.sql("DELETE FROM uploads").await;
    row("cycle of garbage collection, of nothing", &seconds(cycle(server).await));
    server.sql("DELETE FROM refs WHERE blob_id % 5 = 0").await;
    row("cycle that condemns 200,000", &seconds(cycle(server).await));
    row("cycle that gives 200,000 up", &seconds(cycle(server).await));
}

async fn cycle(server: &Server) -> Duration {
    time(async {
        while garbage::collect(&server.state.pool, &AT_ONCE).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn id_of(number: u64) -> BlobId {
    BlobId::from_bytes(sha256(&[&number.to_be_bytes()])).unwrap()
}

/// What a node says that it has, packed as it answers.
#[derive(Default)]
struct List {
    parts: std::sync::RwLock<Vec<Vec<u8>>>,
    digests: std::sync::RwLock<Vec<u8>>,
}

impl List {
    fn set(&self, blobs: Vec<StoredBlob>) {
        let mut parts = vec![Vec::new(); INVENTORY_PARTS];
        for blob in blobs {
            assert!(blob.size <= SIZE);
            parts[usize::from(blob.id.as_bytes()[0])].push(blob);
        }
        let digest = |part: &Vec<StoredBlob>| {
            let mut sum = [0; 32];
            for blob in part {
                let digest = inventory_digest(&blob.id, blob.generation);
                sum.iter_mut().zip(digest).for_each(|(sum, byte)| *sum ^= byte);
            }
            sum
        };
        *self.digests.write().unwrap() = parts.iter().flat_map(digest).collect();
        *self.parts.write().unwrap() = parts.iter().map(|part| pack_stored(part).0).collect();
    }
}

/// A node that joined, and tells its list.
async fn listing(server: &Server, number: usize, list: Arc<List>) -> Node {
    list.set(Vec::new());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut node = Node::new(&format!("zone-{number}"));
    node.url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route(
            routes::INVENTORY.path,
            get(async |State(list): State<Arc<List>>| list.digests.read().unwrap().clone()),
        )
        .route(routes::INVENTORY_PART.path, get(part))
        .with_state(list);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    node.join(server, &node.join_request(server)).await.expect_status(StatusCode::OK);
    node.beat(server).await;
    node
}

async fn part(State(list): State<Arc<List>>, Path(part): Path<String>) -> Vec<u8> {
    list.parts.read().unwrap()[usize::from_str_radix(&part, 16).unwrap()].clone()
}

async fn time<T>(work: impl Future<Output = T>) -> Duration {
    let start = Instant::now();
    work.await;
    start.elapsed()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn percentiles(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let [p50, p99] = [50, 99].map(|percent| times[times.len() * percent / 100].as_secs_f64() * 1000.0);
    row(what, &format!("p50 {p50:.1} ms, p99 {p99:.1} ms"));
}

fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}
