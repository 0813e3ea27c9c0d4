//! Looks at the database and the processes all the time, for what must not be seen at any moment.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use testkit::cluster::Cluster;
use testkit::postgres::run_sql;

use crate::checker::Peak;
use crate::history::History;

const PAUSE: Duration = Duration::from_millis(500);

/// What a store consists of.
const STORE: [&str; 10] = [
    "node.json",
    "directory.json",
    "LOCK",
    "CLEAN",
    "packs",
    "index.redb",
    "damaged.jsonl",
    "scrub.json",
    "quarantine",
    "trash",
];

/// Blobs that a kept snapshot needs and that were given up; and orders that would hit a blob as it is now, but for
/// those that take away a copy too many: others are in two zones at least, though a node may have lost its disk since.
const GIVEN_UP: &str = "
    SELECT 'needed by a snapshot and ' || b.state || ': ' || encode(b.sha256, 'hex') FROM blobs b
    WHERE b.state IN ('deleting', 'deleted') AND (
        EXISTS (SELECT FROM refs r WHERE r.blob_id = b.id)
        OR EXISTS (SELECT FROM ref_history h JOIN commits c ON c.source_id = h.source_id
                   WHERE h.blob_id = b.id AND NOT c.forgotten AND c.seq >= h.from_seq AND c.seq < h.to_seq))
    UNION ALL
    SELECT 'an order for generation ' || d.generation || ' of what is live as ' || b.generation || ': '
           || encode(b.sha256, 'hex')
    FROM delete_jobs d JOIN blobs b ON b.id = d.blob_id
    WHERE d.generation >= b.generation AND (b.state NOT IN ('live', 'condemned') OR (
        SELECT count(DISTINCT n.zone) FROM replicas r JOIN nodes n ON n.id = r.node_id AND n.store_epoch = r.store_epoch
        WHERE r.blob_id = b.id AND r.generation = b.generation AND r.node_id <> d.node_id
          AND NOT EXISTS (SELECT FROM delete_jobs o WHERE o.blob_id = b.id AND o.node_id = r.node_id
                          AND o.generation >= r.generation)) < 2)";

/// What each process used at most, by its name.
type Peaks = BTreeMap<String, Peak>;
/// The processes there are; they change when programs are started again.
pub(crate) type Pids = Arc<Mutex<Vec<(String, u32)>>>;

/// A thread that looks.
pub(crate) struct Watch {
    pub(crate) pids: Pids,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Peaks>,
}

impl Watch {
    pub(crate) fn start(cluster: &Cluster, history: History) -> Self {
        let (pids, stop) = (Pids::default(), Arc::new(AtomicBool::new(false)));
        let url = cluster.database().admin_url();
        let (watched, is_over) = (pids.clone(), stop.clone());
        let thread = thread::spawn(move || {
            let mut peaks = Peaks::new();
            while !is_over.load(Ordering::Relaxed) {
                // The database may be away.
                run_sql(&url, GIVEN_UP)
                    .unwrap_or_default()
                    .lines()
                    .for_each(|row| history.see(row.to_owned()));
                for (name, pid) in watched.lock().expect("nobody panics with it").clone() {
                    note_usage(peaks.entry(name).or_default(), pid);
                }
                thread::sleep(PAUSE);
            }
            peaks
        });
        Self { pids, stop, thread }
    }

    /// What was used, and what nodes have left in their folders.
    pub(crate) fn end(self, cluster: &Cluster, nodes: usize) -> Peaks {
        self.stop.store(true, Ordering::Relaxed);
        let mut peaks = self.thread.join().expect("it does not panic");
        for node in 0..nodes {
            let of_node = peaks.entry(format!("node-{}", node + 1)).or_default();
            of_node.stray_files = stray_files(&cluster.node_folder(node));
        }
        peaks
    }
}

/// A process that has ended uses nothing.
fn note_usage(peak: &mut Peak, pid: u32) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    let files = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.count() as u64);
    peak.memory_bytes = peak.memory_bytes.max(kib.unwrap_or(0) << 10);
    peak.open_files = peak.open_files.max(files);
}

/// Files in a node's folder that are no part of its store.
fn stray_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a node has a folder");
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    // What was being replaced when the node was killed is written under the same name the next time.
    names.filter(|name| !STORE.contains(&name.trim_end_matches(".unfinished"))).collect()
}
