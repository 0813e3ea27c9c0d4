//! Makes snapshots of folders when something changed in them.

mod deletions;
mod limiter;
mod schedule;

pub use limiter::{Bandwidth, BandwidthError, Limiter};
pub use schedule::{FRESHNESS_MS, Outcome, Pace, Schedule, Work};
