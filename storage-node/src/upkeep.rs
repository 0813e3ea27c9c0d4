//! Work in the background, in two threads: one that verifies what reads found damaged, compacts packs and empties the
//! trash, and one that scrubs. Both at a pace that leaves the disk to requests.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;

use crate::state::Node;
use crate::store::{Pace, Stop, StoreError};

/// The threads, until they are stopped.
pub(crate) struct Upkeep {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
}

impl Upkeep {
    pub(crate) fn start(node: &Arc<Node>) -> anyhow::Result<Self> {
        let stop = Stop::default();
        let spawn = |name: &str, work: fn(&Node, &Stop) -> Result<(), StoreError>| {
            let (node, stop) = (Arc::clone(node), stop.clone());
            let pause = Duration::from_millis(node.config.limits.upkeep_ms);
            let run = move || {
                while stop.sleep(pause) {
                    if let Err(error) = work(&node, &stop) {
                        tracing::warn!("work in the background: {:#}", anyhow::Error::from(error));
                    }
                }
            };
            thread::Builder::new().name(name.into()).spawn(run).context("cannot start a thread")
        };
        let threads = vec![spawn("upkeep", reclaim)?, spawn("scrub", scrub)?];
        Ok(Self { stop, threads })
    }

    /// Ends the threads; what they were at goes on at the next start.
    pub(crate) fn stop(self) {
        self.stop.stop();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread in the background panicked");
            }
        }
    }
}

fn reclaim(node: &Node, stop: &Stop) -> Result<(), StoreError> {
    let (limits, store) = (&node.config.limits, &node.store);
    let speed = Pace { bytes_per_second: limits.compact_rate, stop: stop.clone() };
    while !stop.is_stopped() {
        store.look_again();
        store.verify_suspects(node.clock.now_ms())?;
        // Nobody knows what is on the disk: nothing is moved and nothing removed.
        if store.status().read_only.is_some() {
            break;
        }
        store.empty_trash(node.clock.now_ms(), limits.trash_ms)?;
        let Some(pack) = store.pack_to_compact(limits.dead_percent)? else { break };
        store.compact(pack, &speed, node.clock.now_ms())?;
    }
    Ok(())
}

fn scrub(node: &Node, stop: &Stop) -> Result<(), StoreError> {
    let (limits, store) = (&node.config.limits, &node.store);
    let bytes_per_second =
        scrub_rate(store.status().totals.bytes, limits.scrub_ms).max(limits.scrub_rate_min);
    let pace = Pace { bytes_per_second, stop: stop.clone() };
    while store.scrub(limits.scrub_ms, &pace, node.clock.now_ms())? {}
    Ok(())
}

/// Bytes per second at which everything is read within a period, with a fifth of it to spare for the reading itself.
fn scrub_rate(total_bytes: u64, period_ms: u64) -> u64 {
    total_bytes.saturating_mul(1250) / period_ms.max(1)
}
