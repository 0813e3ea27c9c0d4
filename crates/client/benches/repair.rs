//! How long a cluster of five nodes takes to make the copies again that were on one of them, and what others notice of
//! it: real nodes and a real coordinator, of which one node and its disk are lost while small backups go on.
//!
//! All of them share the machine's cores and its disk. A node counts as lost for good seconds after it fell silent, where
//! by default that takes a quarter of an hour.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]
#![expect(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]

#[path = "../tests/it/native.rs"]
#[expect(dead_code, unused_imports, reason = "shared with the tests")]
mod native;
#[path = "../tests/support/platform.rs"]
mod platform;

use std::time::{Duration, Instant};

use client::{Account, Vault};
use native::{Device, back_up, noise};
use protocol::nodes::{NodeState, NodesResponse};
use testkit::cluster::Cluster;

const NODES: u64 = 5;
const COPIES: u64 = 3;
const FILE_BYTES: usize = 32 << 20;
const PROBE_BYTES: usize = 1 << 20;
/// Between two probes.
const PAUSE: Duration = Duration::from_millis(200);
const PROBES_BEFORE: u64 = 150;
const QUICK: [(&str, &str); 5] = [
    ("TRIPLICATE_HEARTBEAT_MS", "500"),
    ("TRIPLICATE_SUSPECT_AFTER", "6"),
    ("TRIPLICATE_DOWN_AFTER", "8"),
    ("TRIPLICATE_OUT_AFTER", "10"),
    ("TRIPLICATE_HOLD_DOWN", "1"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test` runs benches too, to see that they build.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let gigabytes = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(gigabytes));
}

async fn run(gigabytes: u64) {
    let mut cluster = Cluster::start_with(NODES as usize, &QUICK).await;
    let account = Device::default().sign_up(&cluster).await;
    let vault = account.open_vault().await.unwrap();
    let user_bytes = gigabytes * 1_000_000_000 * NODES / COPIES;
    for number in 0..user_bytes / FILE_BYTES as u64 {
        back_up(&vault, &[(&format!("file-{number}"), noise(number, FILE_BYTES))]).await.unwrap();
    }
    let mut probes = Probes::default();
    while (probes.times.len() as u64) < PROBES_BEFORE {
        probes.one(&vault).await;
    }
    println!("small backups, nothing else: {}", probes.told());

    let url = cluster.node_url(0);
    let used = status(&account).await.nodes.iter().find(|node| node.url == url).unwrap().used_bytes;
    cluster.lose_node(0);
    let lost = Instant::now();
    let mut probes = Probes { number: probes.number, ..Probes::default() };
    let is_out = async || {
        status(&account).await.nodes.iter().any(|node| node.url == url && node.state == NodeState::Out)
    };
    while !is_out().await {
        probes.one(&vault).await;
    }
    let out = Instant::now();
    println!("small backups until the node is out: {}", probes.told());

    let mut probes = Probes { number: probes.number, ..Probes::default() };
    while !is_whole(&account, &vault).await {
        probes.one(&vault).await;
    }
    let took = out.elapsed().as_secs_f64();
    println!("small backups while copies are made: {}", probes.told());
    println!(
        "{:.2} GB again at three copies {:.2} min after the node was out ({:.0} MB/s), {:.2} min after it was lost",
        used as f64 / 1e9,
        took / 60.0,
        used as f64 / 1e6 / took,
        lost.elapsed().as_secs_f64() / 60.0,
    );
}

async fn status(account: &Account) -> NodesResponse {
    account.nodes().await.unwrap()
}

/// Every blob has as many copies as it should have.
async fn is_whole(account: &Account, vault: &Vault) -> bool {
    if status(account).await.cluster.lacking > 0 {
        return false;
    }
    let status = vault.status().await.unwrap();
    status.sources.iter().flat_map(|source| &source.copies).all(|count| u64::from(count.copies) >= COPIES)
}

/// Backups of one small file after the other.
#[derive(Default)]
struct Probes {
    number: u64,
    times: Vec<Duration>,
    failed: usize,
}

impl Probes {
    async fn one(&mut self, vault: &Vault) {
        self.number += 1;
        let content = noise(u64::MAX - self.number, PROBE_BYTES);
        let start = Instant::now();
        match back_up(vault, &[("probe", content)]).await {
            Ok(_) => self.times.push(start.elapsed()),
            Err(_) => self.failed += 1,
        }
        tokio::time::sleep(PAUSE).await;
    }

    fn told(&mut self) -> String {
        self.times.sort_unstable();
        let percent = |percent: usize| self.times[self.times.len() * percent / 100].as_secs_f64() * 1000.0;
        let count = self.times.len();
        if count == 0 {
            return format!("none succeeded, {} failed", self.failed);
        }
        let (p50, p99) = (percent(50), percent(99));
        format!("{count} of 1 MiB, p50 {p50:.0} ms, p99 {p99:.0} ms, {} failed", self.failed)
    }
}
