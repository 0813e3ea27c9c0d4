//! How often and how much the coordinator does to keep every blob's copies: options of the command line, so that
//! tests and small clusters can scale them.

use std::time::Duration;

use clap::Args;

use crate::db::repairs::Backoff;

/// Options of repair, trimming, audits and comparisons of inventories.
#[derive(Debug, Clone, Copy, PartialEq, Args)]
pub struct Upkeep {
    /// Seconds that a storage node may take to answer, beside the time for the bytes themselves.
    #[arg(long, env = "TRIPLICATE_NODE_ANSWER", value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub node_answer: Duration,
    /// Seconds between two looks for blobs to be repaired, while there are none.
    #[arg(long, env = "TRIPLICATE_REPAIR_PERIOD", value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub repair_period: Duration,
    /// Seconds after which another coordinator takes over what one has begun to repair.
    #[arg(long, env = "TRIPLICATE_REPAIR_LEASE", value_name = "SECONDS", value_parser = seconds, default_value = "300")]
    pub repair_lease: Duration,
    /// Groups of blobs that a storage node sends or gets at a time for repair; last copies are not held up by it.
    #[arg(long, env = "TRIPLICATE_REPAIR_GROUPS", value_name = "COUNT", default_value_t = 2)]
    pub repair_groups: usize,
    /// Part of its time, in percent, that a storage node is kept busy by repairs; last copies are not held up by it.
    #[arg(long, env = "TRIPLICATE_REPAIR_PERCENT", value_name = "PERCENT", default_value_t = 25,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repair_percent: u32,
    /// Seconds until a repair that failed is tried again; twice that the next time, up to ten minutes.
    #[arg(long, env = "TRIPLICATE_REPAIR_RETRY", value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    pub repair_retry: Duration,
    /// Seconds between two looks at all blobs.
    #[arg(long, env = "TRIPLICATE_SWEEP_PERIOD", value_name = "SECONDS", value_parser = seconds,
          default_value = "21600")]
    pub sweep_period: Duration,
    /// Seconds between two comparisons of what a storage node has with what it should have.
    #[arg(long, env = "TRIPLICATE_INVENTORY_PERIOD", value_name = "SECONDS", value_parser = seconds,
          default_value = "86400")]
    pub inventory_period: Duration,
    /// Seconds between two audits of a storage node.
    #[arg(long, env = "TRIPLICATE_AUDIT_PERIOD", value_name = "SECONDS", value_parser = seconds,
          default_value = "3600")]
    pub audit_period: Duration,
    /// Blobs that a storage node must prove to have in an audit.
    #[arg(long, env = "TRIPLICATE_AUDIT_BLOBS", value_name = "COUNT", default_value_t = 16,
          value_parser = clap::value_parser!(u32).range(1..=256))]
    pub audit_blobs: u32,
    /// More blobs than this that it cannot prove to have in one audit, and it is emptied.
    #[arg(long, env = "TRIPLICATE_AUDIT_FAILURES", value_name = "COUNT", default_value_t = 3)]
    pub audit_failures: u32,
}

/// No repair waits longer for its next attempt.
const RETRY_MAX: Duration = Duration::from_mins(10);
/// No node rests longer after a repair, so that what is claimed with it is done before another coordinator takes it over.
const REST_MAX: Duration = Duration::from_secs(2);

impl Upkeep {
    /// How long a repair that failed waits.
    pub fn backoff(&self) -> Backoff {
        Backoff { first: self.repair_retry, most: RETRY_MAX.max(self.repair_retry) }
    }

    /// How long a node is left alone that was busy with a repair for so long.
    pub fn rest_after(&self, busy: Duration) -> Duration {
        let percent = self.repair_percent.clamp(1, 100);
        (busy * (100 - percent) / percent).min(REST_MAX)
    }
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            node_answer: Duration::from_secs(30),
            repair_period: Duration::from_secs(1),
            repair_lease: Duration::from_mins(5),
            repair_groups: 2,
            repair_percent: 25,
            repair_retry: Duration::from_secs(5),
            sweep_period: Duration::from_hours(6),
            inventory_period: Duration::from_hours(24),
            audit_period: Duration::from_hours(1),
            audit_blobs: 16,
            audit_failures: 3,
        }
    }
}

/// Seconds, also parts of one.
///
/// # Errors
/// A sentence for people.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        upkeep: Upkeep,
    }

    #[test]
    fn a_node_rests_after_a_repair_for_the_part_of_its_time_that_is_the_clients() {
        let rest = |repair_percent, busy_ms| {
            let upkeep = Upkeep { repair_percent, ..Upkeep::default() };
            upkeep.rest_after(Duration::from_millis(busy_ms)).as_millis()
        };
        assert_eq!((rest(25, 100), rest(50, 100), rest(100, 100)), (300, 100, 0));
        assert_eq!(rest(1, 60_000), REST_MAX.as_millis());
    }

    #[test]
    fn an_empty_command_line_means_the_defaults() {
        assert_eq!(Line::parse_from(["program"]).upkeep, Upkeep::default());
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(seconds("-1").is_err() && seconds("soon").is_err());
    }
}
