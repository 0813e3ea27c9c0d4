//! Garbage collection's pure rules, how often it runs, and what a cycle came to.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::upkeep::seconds;

/// How space is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Reclaim {
    /// Seconds between two cycles of garbage collection.
    #[arg(long, env = "TRIPLICATE_GC_EVERY", value_name = "SECONDS", value_parser = seconds, default_value = "3600")]
    pub gc_every: Duration,
    /// Seconds for which nothing must need a blob before it is deleted.
    #[arg(long, env = "TRIPLICATE_GC_GRACE", value_name = "SECONDS", value_parser = seconds, default_value = "86400")]
    pub gc_grace: Duration,
    /// Seconds for which the coordinator remembers a deleted blob, so that no late message about it counts.
    #[arg(long, env = "TRIPLICATE_GC_REMEMBER", value_name = "SECONDS", value_parser = seconds, default_value = "2592000")]
    pub gc_remember: Duration,
    /// A cycle that finds more unneeded blobs than this, and also more than the share below, waits for an operator.
    #[arg(long, env = "TRIPLICATE_GC_HOLD_BLOBS", value_name = "BLOBS", default_value_t = 10_000)]
    pub gc_hold_blobs: u64,
    /// The share of all blobs, in percent.
    #[arg(long, env = "TRIPLICATE_GC_HOLD_PERCENT", value_name = "PERCENT", default_value_t = 5)]
    pub gc_hold_percent: u64,
    /// Blobs that one transaction of garbage collection locks at most.
    #[arg(long, env = "TRIPLICATE_GC_BATCH", value_name = "BLOBS", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub gc_batch: u32,
    /// Seconds after which a node that did not delete is asked again; more than one may take to answer.
    #[arg(long, env = "TRIPLICATE_GC_RETRY", value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    pub gc_retry: Duration,
    /// Seconds between two looks for copies that nodes are to delete.
    #[arg(long, env = "TRIPLICATE_DELETE_EVERY", value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    pub delete_every: Duration,
    /// Seconds between two looks for snapshots that their policies keep no longer.
    #[arg(long, env = "TRIPLICATE_RETENTION_EVERY", value_name = "SECONDS", value_parser = seconds, default_value = "600")]
    pub retention_every: Duration,
}

impl Default for Reclaim {
    fn default() -> Self {
        Self {
            gc_every: Duration::from_hours(1),
            gc_grace: Duration::from_hours(24),
            gc_remember: Duration::from_hours(30 * 24),
            gc_hold_blobs: 10_000,
            gc_hold_percent: 5,
            gc_batch: 1000,
            gc_retry: Duration::from_mins(1),
            delete_every: Duration::from_secs(10),
            retention_every: Duration::from_mins(10),
        }
    }
}

impl Reclaim {
    /// Whether a cycle that found `unneeded` of `live` blobs is to wait for an operator, who has approved some.
    ///
    /// What came to be unneeded since the approval is judged like what a cycle finds by itself.
    pub fn holds(&self, unneeded: u64, live: u64, approved: Option<u64>) -> bool {
        let unapproved = unneeded.saturating_sub(approved.unwrap_or(0));
        let percent = u128::from(unapproved) * 100;
        unapproved > self.gc_hold_blobs && percent > u128::from(live) * u128::from(self.gc_hold_percent)
    }
}

/// What a cycle did, in the order in which it does it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cycle {
    /// Upload sessions that had expired.
    pub ended_uploads: u64,
    /// Reference intervals of forgotten snapshots.
    pub removed_intervals: u64,
    /// Blobs that nodes were told to delete.
    pub given_up: u64,
    /// Blobs that nothing needs any more, until something does again or their grace is over.
    pub condemned: u64,
    /// Blobs that were not condemned, because an operator is to look first.
    pub held: u64,
    /// Blobs that all nodes have deleted.
    pub deleted: u64,
    /// Blobs that are not remembered any more.
    pub removed: u64,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        reclaim: Reclaim,
    }

    #[test]
    fn an_empty_command_line_means_the_defaults() {
        assert_eq!(Line::parse_from(["program"]).reclaim, Reclaim::default());
    }

    fn holds(unneeded: u64, live: u64, approved: Option<u64>) -> bool {
        Reclaim::default().holds(unneeded, live, approved)
    }

    #[test]
    fn a_cycle_waits_for_an_operator_only_where_it_finds_both_many_and_a_large_share() {
        assert!(!holds(10_000, 10_000, None), "all of a small cluster");
        assert!(!holds(50_000, 1_000_000, None), "exactly a twentieth");
        assert!(holds(50_001, 1_000_000, None));
        assert!(holds(10_001, 10_001, None));
        assert!(!holds(u64::MAX / 200, u64::MAX, None));
    }

    #[test]
    fn an_approval_is_for_as_many_as_the_operator_saw_and_few_more() {
        assert!(!holds(60_000, 1_000_000, Some(60_000)));
        assert!(
            !holds(100_000, 1_000_000, Some(60_000)),
            "forty thousand more would have gone by themselves"
        );
        assert!(holds(120_000, 1_000_000, Some(60_000)));
    }
}
