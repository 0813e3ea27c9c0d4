//! When a cluster has made itself whole: every blob has all its copies, nothing else is left, and nodes have what the
//! database says.

use std::collections::BTreeMap;
use std::time::Duration;

use testkit::cluster::Cluster;
use testkit::postgres::Database;
use tokio::time::{Instant, sleep};

use crate::history::History;
use crate::inventory;

/// Copies of each blob.
const COPIES: u64 = 3;
const PAUSE: Duration = Duration::from_millis(300);
/// Whoever is not whole by then never will be, however slow the machine.
const LIMIT: Duration = Duration::from_mins(4);
/// Rounds of reading everything that end after damage was done: the first may have passed the place before.
const SCRUBS: u32 = 2;
/// Changes of when a node is compared next. A comparison makes two, and one may have begun before the damage.
const COMPARISONS: u32 = 4;

/// Waits until what nodes have is known again.
pub(crate) struct Settling {
    nodes: BTreeMap<String, Known>,
}

/// What was seen of a node since.
#[derive(Default)]
struct Known {
    scrub: String,
    scrubs: u32,
    comparison: String,
    comparisons: u32,
}

/// What must not be found, and how it is counted.
type Lack = (&'static str, String);

impl Settling {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let mut settling = Self { nodes: BTreeMap::new() };
        settling.look(cluster.database());
        settling
    }

    /// Returns once everything was looked at, and all blobs have all copies. Others may go on writing.
    pub(crate) async fn wait(&mut self, cluster: &Cluster, history: &History) {
        let since = Instant::now();
        loop {
            let mut lacks = self.look(cluster.database());
            lacks.extend(count(cluster.database(), &copies()));
            if lacks.is_empty() {
                return;
            }
            assert!(
                since.elapsed() < LIMIT,
                "I2: after {} s without faults: {lacks:?}; {:?}",
                LIMIT.as_secs(),
                history.seen(),
            );
            sleep(PAUSE).await;
        }
    }

    /// Notes how far the nodes are, and says what is missing.
    fn look(&mut self, database: &Database) -> Vec<String> {
        let rows = database.try_query(
            "SELECT zone, state, coalesce(scrub_finished_ms, 0), inventory_due_at FROM nodes ORDER BY zone",
        );
        let Some(rows) = rows else { return vec!["no database".to_owned()] };
        let mut missing = Vec::new();
        for row in rows.lines() {
            let columns: Vec<&str> = row.split('|').collect();
            let [zone, state, scrub, comparison] = columns[..] else { panic!("another row: {row}") };
            let known = self.nodes.entry(zone.to_owned()).or_default();
            known.scrubs += u32::from(known.scrub != scrub);
            known.comparisons += u32::from(known.comparison != comparison);
            (known.scrub, known.comparison) = (scrub.to_owned(), comparison.to_owned());
            // The first look differs from nothing.
            if state != "up" || known.scrubs <= SCRUBS || known.comparisons <= COMPARISONS {
                let Known { scrubs, comparisons, .. } = known;
                missing.push(format!("{zone} is {state}, {scrubs} scrubs, {comparisons} comparisons"));
            }
        }
        missing
    }
}

/// Waits until nothing is left to be done. Nobody may write. Returns what is still lacking after a long time.
pub(crate) async fn reach(cluster: &Cluster) -> Vec<String> {
    // A day passes: uploads that nobody finished are over.
    let mut settling = Settling::new(cluster);
    let since = Instant::now();
    loop {
        drop(cluster.database().try_query("UPDATE uploads SET expires_at = now()"));
        let mut lacks = settling.look(cluster.database());
        lacks.extend(count(cluster.database(), &[copies(), leftovers()].concat()));
        if lacks.is_empty() {
            lacks = inventory::differences(cluster).await;
        }
        if lacks.is_empty() || since.elapsed() > LIMIT {
            return lacks;
        }
        sleep(PAUSE).await;
    }
}

fn count(database: &Database, lacks: &[Lack]) -> Vec<String> {
    let counted = lacks.iter().filter_map(|(what, query)| {
        match database.try_query(&format!("SELECT count(*) FROM {query}")).as_deref() {
            Some("0") => None,
            Some(count) => Some(format!("{count} {what}")),
            None => Some("no database".to_owned()),
        }
    });
    counted.collect()
}

fn copies() -> Vec<Lack> {
    vec![
        ("blobs with fewer live copies than there should be", format!("blob_copies WHERE live < {COPIES}")),
        ("blobs with fewer copies that stay", format!("blob_copies WHERE kept < {COPIES}")),
    ]
}

fn leftovers() -> Vec<Lack> {
    let of = |what, query: &str| (what, query.to_owned());
    vec![
        ("blobs with more copies than there should be", format!("blob_copies WHERE serving > {COPIES}")),
        of("repairs", "repairs"),
        of("orders to delete", "delete_jobs"),
        of("uploads", "uploads"),
        of("blobs on their way out", "blobs WHERE state IN ('condemned', 'deleting')"),
        of(
            "copies of blobs that are gone",
            "replicas JOIN blobs b ON b.id = blob_id WHERE b.state = 'deleted'",
        ),
        of(
            "blobs that nothing needs",
            "blobs b WHERE b.state = 'live' AND NOT EXISTS (SELECT FROM refs WHERE blob_id = b.id)
             AND NOT EXISTS (SELECT FROM ref_history WHERE blob_id = b.id)",
        ),
    ]
}
