//! One run: a cluster, clients, a nemesis, and the verdict.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use client::Ticket;
use testkit::cluster::Cluster;
use testkit::postgres::crashable_database;
use testkit::proxy::Proxy;
use testkit::{TempDir, tempdir};

use crate::canary;
use crate::checker::{End, Reading, check};
use crate::dice::Dice;
use crate::history::{Answer, Attempt, History, Record};
use crate::nemesis::{Counts, Nemesis};
use crate::platform::Device;
use crate::reading::read;
use crate::rest;
use crate::schedule::Shape;
use crate::watch::Watch;
use crate::workload::{self, Seat};

/// How long the chaos of one run lasts; set by `cargo xtask chaos`.
const SECONDS_VARIABLE: &str = "TRIPLICATE_CHAOS_SECONDS";
const SECONDS: u64 = 45;
const SHAPE: Shape = Shape { coordinators: 2, nodes: 5 };
/// The account of each client: two of them write to the same vault.
const ACCOUNTS_OF_CLIENTS: [usize; 3] = [0, 0, 1];

/// What takes minutes, hours and days takes seconds.
const QUICK: [(&str, &str); 29] = [
    ("TRIPLICATE_REGISTRATION", "open"),
    ("TRIPLICATE_HEARTBEAT_MS", "300"),
    ("TRIPLICATE_SUSPECT_AFTER", "3"),
    ("TRIPLICATE_DOWN_AFTER", "4"),
    ("TRIPLICATE_OUT_AFTER", "6"),
    ("TRIPLICATE_HOLD_DOWN", "1"),
    ("TRIPLICATE_FLAP_WITHIN", "5"),
    ("TRIPLICATE_NODE_ANSWER", "4"),
    ("TRIPLICATE_REPAIR_PERIOD", "0.3"),
    ("TRIPLICATE_REPAIR_LEASE", "8"),
    ("TRIPLICATE_REPAIR_RETRY", "1"),
    ("TRIPLICATE_SWEEP_PERIOD", "3"),
    ("TRIPLICATE_INVENTORY_PERIOD", "2"),
    ("TRIPLICATE_AUDIT_PERIOD", "2"),
    ("TRIPLICATE_AUDIT_FAILURES", "1000000"),
    ("TRIPLICATE_GC_EVERY", "1"),
    ("TRIPLICATE_GC_GRACE", "1"),
    ("TRIPLICATE_GC_RETRY", "5"),
    ("TRIPLICATE_DELETE_EVERY", "1"),
    ("TRIPLICATE_UPKEEP_MS", "300"),
    ("TRIPLICATE_SCRUB_MS", "1000"),
    ("TRIPLICATE_DAMAGED_MAX", "1000000"),
    ("TRIPLICATE_PACK_BYTES", "1048576"),
    ("TRIPLICATE_TRASH_MS", "3000"),
    ("TRIPLICATE_CHECKPOINT_MS", "1000"),
    ("TRIPLICATE_RESERVE_BYTES", "67108864"),
    ("TRIPLICATE_RESERVE_PERCENT", "0"),
    ("TRIPLICATE_FAN_OUT_MS", "4000"),
    ("TRIPLICATE_IDLE_MS", "5000"),
];

/// One run of a seed.
pub(crate) async fn run(seed: u64) {
    let length = length();
    println!("seed {seed}: chaos for {} s", length.as_secs());
    let folder = Arc::new(tempdir().expect("a folder for the cluster's data"));
    let on_failure = Replay { seed, seconds: length.as_secs(), folder: folder.clone() };
    let cluster =
        Cluster::start_linked(folder, crashable_database().await, SHAPE.coordinators, SHAPE.nodes, &QUICK)
            .await;
    let seats = seats(&cluster, seed);
    sign_up(&cluster, &seats).await;

    let (history, stop) = (History::default(), Arc::new(AtomicBool::new(false)));
    let clients = start_clients(&seats, &history, &stop);
    let watch = Watch::start(&cluster, history.clone());
    let mut nemesis = Nemesis::new(cluster, SHAPE, history.clone(), watch.pids.clone());
    nemesis.rage(seed, length).await;
    println!("          no more faults");
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let joined = tokio::task::spawn_blocking(|| client.join()).await.expect("waiting does not panic");
        joined.expect("a client does not panic");
    }

    let end = finish(&mut nemesis, &seats, watch, seed).await;
    let end = End { seen: history.seen(), ..end };
    let records = history.records();
    let answers = nemesis.cluster.links().all().map(Proxy::answers).sum();
    println!("{}", summary(seed, &records, &end, nemesis.counts, answers));
    let violations: Vec<String> = check(&records, &end).iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{} promises were broken:\n{}", violations.len(), violations.join("\n"));
    drop(on_failure);
}

/// Waits until all is at rest, and looks at everything.
async fn finish(nemesis: &mut Nemesis, seats: &[Seat], watch: Watch, seed: u64) -> End {
    nemesis.heal().await;
    let lacks = rest::reach(&nemesis.cluster).await;
    let cluster = &mut nemesis.cluster;
    println!("          at rest");
    let mut readings = vec![read_all(seats, Vec::new()).await];
    // One copy of three is left of some blobs, and of each.
    let mut nodes: Vec<usize> = (0..SHAPE.nodes).collect();
    nodes.rotate_left(Dice::new(seed).roll(SHAPE.nodes as u64) as usize);
    for away in [[nodes[0], nodes[1]], [nodes[2], nodes[3]]] {
        for node in away {
            cluster.kill_node(node);
        }
        readings.push(read_all(seats, away.to_vec()).await);
        for node in away {
            cluster.start_node(node).await;
        }
    }
    let failures = cluster.links().all().flat_map(Proxy::failures).collect();
    let commits = accounts(seats).map(|seat| commits(cluster, seat)).collect();
    let peaks = watch.end(cluster, SHAPE.nodes);
    let mut leaks = canary::places(cluster.folder(), &seats[0].mark);
    leaks.extend(canary::places(cluster.database_mut().server().data(), &seats[0].mark));
    End { readings, commits, lacks, failures, peaks, leaks, seen: Vec::new() }
}

/// One client of each account.
fn accounts(seats: &[Seat]) -> impl Iterator<Item = &Seat> {
    seats.chunk_by(|one, next| one.account == next.account).map(|of_account| &of_account[0])
}

async fn read_all(seats: &[Seat], without: Vec<usize>) -> Reading {
    let mut all = Vec::new();
    for seat in accounts(seats) {
        all.push(read(seat).await);
    }
    Reading { without, accounts: all }
}

/// The numbers and kinds of an account's commits.
fn commits(cluster: &Cluster, seat: &Seat) -> Vec<(u64, u8)> {
    let rows = cluster.database().query(&format!(
        "SELECT c.seq, c.kind FROM commits c JOIN vaults v ON v.id = c.vault_id
         JOIN accounts a ON a.id = v.account_id WHERE a.login = '{}' ORDER BY c.seq",
        seat.login
    ));
    let commit = |row: &str| {
        let (seq, kind) = row.split_once('|').expect("two columns");
        (seq.parse().expect("a number"), kind.parse().expect("a number"))
    };
    rows.lines().map(commit).collect()
}

fn seats(cluster: &Cluster, seed: u64) -> Vec<Seat> {
    let mark = format!("canary-{:016x}", Dice::new(seed).roll(u64::MAX));
    let seat = |(client, account): (usize, &usize)| Seat {
        origin: cluster.origin.clone(),
        account: *account,
        client,
        login: format!("account-{account}@example.com"),
        passphrase: format!("{mark} and a passphrase"),
        mark: mark.clone(),
        seed: seed.wrapping_mul(1_000_003) + 1_000_000 + client as u64,
    };
    ACCOUNTS_OF_CLIENTS.iter().enumerate().map(seat).collect()
}

/// The first account is the operator's.
async fn sign_up(cluster: &Cluster, seats: &[Seat]) {
    let mut ticket = Some(Ticket::Setup(cluster.setup_token()));
    for seat in accounts(seats) {
        let pending =
            Device::default().client(&seat.origin).prepare_account(&seat.login, &seat.passphrase).await;
        pending.expect("good names").register(ticket.take()).await.expect("registers");
    }
}

fn start_clients(seats: &[Seat], history: &History, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<()>> {
    let (ready, is_ready) = mpsc::channel();
    let start = |seat: &Seat| workload::start(seat.clone(), history.clone(), stop.clone(), ready.clone());
    let clients: Vec<_> = seats.iter().map(start).collect();
    for _ in &clients {
        is_ready.recv().expect("a client signs in");
    }
    clients
}

fn summary(seed: u64, records: &[Record], end: &End, counts: Counts, answers: u64) -> String {
    let count = |of: fn(&Record) -> bool| records.iter().filter(|record| of(record)).count();
    let done = count(|it| matches!(it.answer, Some(Answer::Done { .. })));
    let restored = count(|it| matches!(it.answer, Some(Answer::Restored(_))));
    let refused = count(|it| matches!(it.answer, Some(Answer::Refused(_))));
    let forgotten =
        count(|it| matches!((&it.attempt, &it.answer), (Attempt::Forget(_), Some(Answer::Done { .. }))));
    let unknown = records.len() - done - restored - refused;
    let snapshots: usize = end.readings[0].accounts.iter().flatten().map(BTreeMap::len).sum();
    let Counts { rounds, kills, stops, crashes, link_faults, damages } = counts;
    format!(
        "seed {seed}: {rounds} rounds: {kills} kills, {stops} stops, {crashes} crashes of PostgreSQL, {link_faults} \
         faults of links, {damages} damaged stores; {} attempts over {answers} answers: {done} acknowledged, {forgotten} \
         of them to forget, {restored} restored, {refused} refused, {unknown} unknown; {snapshots} snapshots verified, {} \
         times each",
        records.len(),
        end.readings.len(),
    )
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads how long chaos lasts")]
fn length() -> Duration {
    let seconds =
        env::var(SECONDS_VARIABLE).map_or(SECONDS, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

/// Tells how to see a run again when a panic drops it, and keeps what the programs wrote of it.
struct Replay {
    seed: u64,
    seconds: u64,
    folder: Arc<TempDir>,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let logs = env::temp_dir().join(format!("triplicate-chaos-{}", self.seed));
        drop(fs::create_dir_all(&logs));
        for entry in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                drop(fs::copy(entry.path(), logs.join(entry.file_name())));
            }
        }
        let minutes = self.seconds.div_ceil(60);
        eprintln!("the programs' logs are in {}", logs.display());
        eprintln!("to see this again: cargo xtask chaos --minutes {minutes} --seed {}", self.seed);
    }
}
