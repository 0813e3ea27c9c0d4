//! Which copies move so that zones fill evenly: pure functions of how full the zones are.
//!
//! Placement spreads what is new by free space; what is there already stays where it is. When a zone joins empty, or one
//! is emptied by what is forgotten, copies move from the fullest zones to the emptiest, in small rounds.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use protocol::nodes::NodeState;

use crate::db::nodes::NodeRow;
use crate::health::Intent;
use crate::upkeep::seconds;

/// When and how much copies move between zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Rebalance {
    /// Percent of its capacity by which a zone may be fuller than another before copies move; 100 for never.
    #[arg(long, env = "TRIPLICATE_REBALANCE_PERCENT", value_name = "PERCENT", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rebalance_percent: u32,
    /// Blobs that move in one round, at most.
    #[arg(long, env = "TRIPLICATE_REBALANCE_BLOBS", value_name = "COUNT", default_value_t = 4096)]
    pub rebalance_blobs: u32,
    /// Bytes that move in one round, at most.
    #[arg(long, env = "TRIPLICATE_REBALANCE_BYTES", value_name = "BYTES", default_value_t = 1 << 30)]
    pub rebalance_bytes: u64,
    /// Seconds between two looks at how full zones are.
    #[arg(long, env = "TRIPLICATE_REBALANCE_EVERY", value_name = "SECONDS", value_parser = seconds,
          default_value = "10")]
    pub rebalance_every: Duration,
}

impl Default for Rebalance {
    fn default() -> Self {
        Self {
            rebalance_percent: 10,
            rebalance_blobs: 4096,
            rebalance_bytes: 1 << 30,
            rebalance_every: Duration::from_secs(10),
        }
    }
}

/// How full a node is, or a zone: the sum of its nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fill {
    /// Bytes that blobs take.
    pub used_bytes: u64,
    /// Size of the media in bytes.
    pub capacity_bytes: u64,
    /// Bytes that it can take; none where it refuses writes.
    pub free_bytes: u64,
}

impl Fill {
    /// Of one node.
    pub fn of(node: &NodeRow) -> Self {
        let free_bytes = if node.liveness == NodeState::Up { node.free_bytes } else { 0 };
        Self { used_bytes: node.used_bytes, capacity_bytes: node.capacity_bytes, free_bytes }
    }

    /// What is used, in millionths of the capacity.
    pub fn share_ppm(&self) -> u64 {
        let ppm = u128::from(self.used_bytes) * 1_000_000 / u128::from(self.capacity_bytes.max(1));
        u64::try_from(ppm.min(1_000_000)).expect("at most a million")
    }

    fn add(&mut self, other: Self) {
        self.used_bytes += other.used_bytes;
        self.capacity_bytes += other.capacity_bytes;
        self.free_bytes += other.free_bytes;
    }
}

/// Copies are to move from a zone to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move<'a> {
    /// The fuller zone.
    pub from: &'a str,
    /// The emptier one.
    pub to: &'a str,
    /// So much that both are equally full afterwards, or as much as a round may.
    pub bytes: u64,
}

/// How full each zone is that takes part: those of nodes that are to keep blobs and are heard of. None while a node is
/// silent that is expected back: when it returns, or is replaced, everything is different.
pub fn fills(nodes: &[NodeRow]) -> BTreeMap<&str, Fill> {
    let mut fills: BTreeMap<&str, Fill> = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.intent == Intent::Serve) {
        match node.liveness {
            NodeState::Up | NodeState::ReadOnly => fills.entry(&node.zone).or_default().add(Fill::of(node)),
            NodeState::Suspect | NodeState::Down => return BTreeMap::new(),
            _ => {}
        }
    }
    fills.retain(|_, fill| fill.capacity_bytes > 0);
    fills
}

/// Between which zones copies are to move, the greatest difference first; nothing if no two differ by more than
/// `percent` of their capacity.
pub fn plan<'a>(fills: &BTreeMap<&'a str, Fill>, percent: u32, bytes_max: u64) -> Vec<Move<'a>> {
    let mut moves = Vec::new();
    for (from, full) in fills {
        for (to, empty) in fills {
            let difference = full.share_ppm().saturating_sub(empty.share_ppm());
            let bytes = half_way(full, empty).min(bytes_max).min(empty.free_bytes);
            if difference > u64::from(percent) * 10_000 && bytes > 0 {
                moves.push((difference, Move { from, to, bytes }));
            }
        }
    }
    moves.sort_by_key(|(difference, _)| std::cmp::Reverse(*difference));
    moves.into_iter().map(|(_, to_move)| to_move).collect()
}

/// Whole percent by which the fullest zone is fuller than the emptiest.
pub fn spread_percent(fills: &BTreeMap<&str, Fill>) -> u32 {
    let shares = fills.values().map(Fill::share_ppm);
    let spread = shares.clone().max().unwrap_or(0) - shares.min().unwrap_or(0);
    u32::try_from(spread / 10_000).expect("a share is at most 100 percent")
}

/// Of these sizes, in their order, the places of those that together stay within `bytes`.
pub fn fit(sizes: impl IntoIterator<Item = u32>, bytes: u64) -> Vec<usize> {
    let mut left = bytes;
    let mut fitting = Vec::new();
    for (place, size) in sizes.into_iter().enumerate() {
        if let Some(rest) = left.checked_sub(size.into()) {
            left = rest;
            fitting.push(place);
        }
    }
    fitting
}

/// The bytes x with (used − x) / capacity of the one = (used + x) / capacity of the other.
fn half_way(full: &Fill, empty: &Fill) -> u64 {
    let of = |used: &Fill, capacity: &Fill| u128::from(used.used_bytes) * u128::from(capacity.capacity_bytes);
    let capacity = u128::from(full.capacity_bytes) + u128::from(empty.capacity_bytes);
    let bytes = of(full, empty).saturating_sub(of(empty, full)) / capacity.max(1);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
