//! What the node tells Prometheus.

use std::sync::Arc;

use exposition::{Counter, Gauge, Registry, count, families, flag, timestamp};
use protocol::nodes::NodeState;
use server::metrics::Readers;

use crate::state::Node;

families! { ALL:
    BLOBS = Gauge "triplicate_store_blobs" "Blobs in the store.";
    BYTES = Gauge "triplicate_store_bytes" "Bytes of the blobs in the store.";
    CAPACITY = Gauge "triplicate_store_capacity_bytes" "Size of the store's medium.";
    FREE = Gauge "triplicate_store_free_bytes" "Free bytes above what writes leave alone.";
    READ_ONLY = Gauge "triplicate_store_read_only" "1 while the node takes no writes.";
    IN_FLIGHT = Gauge "triplicate_store_in_flight_bytes" "Bytes of blobs in memory for requests.";
    SYNC = Histogram "triplicate_store_sync_duration_seconds" "How long syncs to disk took.";
    READ_BLOBS = Counter "triplicate_store_read_blobs_total" "Blobs read for clients and other nodes.";
    READ_BYTES = Counter "triplicate_store_read_bytes_total" "Their bytes.";
    WRITTEN_BLOBS = Counter "triplicate_store_written_blobs_total" "Blobs made durable, also such as were there.";
    WRITTEN_BYTES = Counter "triplicate_store_written_bytes_total" "Their bytes.";
    DELETED_BLOBS = Counter "triplicate_store_deleted_blobs_total" "Blobs deleted on the coordinator's order.";
    SCRUB_ERRORS = Counter "triplicate_store_scrub_errors_total" "Damaged blobs found since the store was made.";
    DAMAGED_READS = Counter "triplicate_store_damaged_reads_total" "Reads that found a blob's record damaged or gone.";
    SCRUB_SIZE = Gauge "triplicate_store_scrub_round_bytes" "Bytes that the round of scrubbing began with.";
    SCRUB_DONE = Gauge "triplicate_store_scrub_round_done_bytes" "Bytes that the round has read.";
    SCRUBBED = Gauge "triplicate_store_scrubbed_timestamp_seconds" "When the last whole round of scrubbing ended.";
    REFUSALS = Counter "triplicate_grant_refusals_total" "Requests refused, by the check that refused them.";
    UP = Gauge "triplicate_store_joined" "1 while the coordinator answers heartbeats and counts the node as up.";
    HEARTBEAT = Gauge "triplicate_store_heartbeat_timestamp_seconds" "When the coordinator last answered a heartbeat.";
}

/// What is counted where it happens; the rest is looked up at each scrape.
pub(crate) struct Meters {
    pub(crate) registry: Arc<Registry>,
    pub(crate) readers: Readers,
    pub(crate) read: Blobs,
    pub(crate) written: Blobs,
    pub(crate) deleted: Counter,
    pub(crate) heartbeat: Gauge,
}

/// Blobs that moved.
pub(crate) struct Blobs {
    blobs: Counter,
    bytes: Counter,
}

impl Blobs {
    pub(crate) fn add(&self, blobs: u64, bytes: u64) {
        self.blobs.increment(blobs);
        self.bytes.increment(bytes);
    }
}

impl Meters {
    /// `now_ms` in Unix milliseconds.
    pub(crate) fn new(readers: Readers, now_ms: u64) -> Self {
        let registry = server::metrics::registry(ALL, env!("CARGO_PKG_VERSION"), now_ms);
        let moved =
            |blobs, bytes| Blobs { blobs: registry.counter(blobs, &[]), bytes: registry.counter(bytes, &[]) };
        Self {
            readers,
            read: moved(READ_BLOBS, READ_BYTES),
            written: moved(WRITTEN_BLOBS, WRITTEN_BYTES),
            deleted: registry.counter(DELETED_BLOBS, &[]),
            heartbeat: registry.gauge(HEARTBEAT, &[]),
            registry,
        }
    }

    /// The histogram of syncs to disk.
    pub(crate) fn syncs(&self) -> exposition::Histogram {
        self.registry.histogram(SYNC, &[])
    }

    /// Everything, as it is now.
    pub(crate) fn render(&self, node: &Node) -> String {
        let gauge = |family, value| self.registry.gauge(family, &[]).set(value);
        let absolute = |family, value| self.registry.counter(family, &[]).absolute(value);
        let (status, scrub) = (node.store.status(), node.store.scrub_progress());
        gauge(BLOBS, count(status.totals.blobs));
        gauge(BYTES, count(status.totals.bytes));
        // Of a disk that cannot be measured the last figures would be a false comfort.
        let space = node.store.space().ok();
        gauge(CAPACITY, space.map_or(f64::NAN, |space| count(space.capacity_bytes)));
        gauge(FREE, space.map_or(f64::NAN, |space| count(space.free_bytes)));
        gauge(READ_ONLY, flag(node.read_only().is_some()));
        gauge(IN_FLIGHT, count(node.in_flight_bytes()));
        gauge(SCRUB_SIZE, count(scrub.total_bytes));
        gauge(SCRUB_DONE, count(scrub.done_bytes));
        gauge(SCRUBBED, scrub.finished_ms.map_or(0.0, timestamp));
        gauge(UP, flag(node.state() == Some(NodeState::Up)));
        absolute(SCRUB_ERRORS, node.store.damaged_count());
        absolute(DAMAGED_READS, status.damaged_reads);
        for (check, refused) in node.gate.refusals.iter() {
            self.registry.counter(REFUSALS, &[("check", check)]).absolute(refused);
        }
        self.registry.render()
    }
}
