//! What silence makes of a node: pure, so that every rule can be tested without waiting.
//!
//! Only a heartbeat makes a node better ([`after_heartbeat`]), only silence makes it worse ([`after_silence`]). What
//! the operator wants of it ([`Intent`]) is told apart from that, because a node that is to be emptied may fall silent.

use std::time::Duration;

use clap::Args;
use protocol::nodes::NodeState;

use crate::upkeep::seconds;

/// After how long a silence a node changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Timings {
    /// Seconds of silence after which a node gets nothing new and is read last.
    #[arg(long = "suspect-after", env = "TRIPLICATE_SUSPECT_AFTER", value_name = "SECONDS", value_parser = seconds,
          default_value = "15")]
    pub suspect: Duration,
    /// Seconds of silence after which a node is not read, and blobs that have no other copy get one.
    #[arg(long = "down-after", env = "TRIPLICATE_DOWN_AFTER", value_name = "SECONDS", value_parser = seconds,
          default_value = "60")]
    pub down: Duration,
    /// Seconds of silence after which all copies of a node are replaced.
    #[arg(long = "out-after", env = "TRIPLICATE_OUT_AFTER", value_name = "SECONDS", value_parser = seconds,
          default_value = "900")]
    pub out: Duration,
    /// Seconds within which so many nodes fall silent that it is rather the network: then repair waits.
    #[arg(long = "alarm-within", env = "TRIPLICATE_ALARM_WITHIN", value_name = "SECONDS", value_parser = seconds,
          default_value = "300")]
    pub alarm_within: Duration,
    /// Seconds that repair waits then, but for blobs that have no other copy.
    #[arg(long = "alarm-wait", env = "TRIPLICATE_ALARM_WAIT", value_name = "SECONDS", value_parser = seconds,
          default_value = "900")]
    pub alarm_wait: Duration,
    /// Seconds that a node which went down again soon after it came back gets nothing new; twice that the next time.
    #[arg(long = "hold-down", env = "TRIPLICATE_HOLD_DOWN", value_name = "SECONDS", value_parser = seconds,
          default_value = "60")]
    pub hold_down: Duration,
    /// Seconds after its return within which a node that goes down again does so soon.
    #[arg(long = "flap-within", env = "TRIPLICATE_FLAP_WITHIN", value_name = "SECONDS", value_parser = seconds,
          default_value = "3600")]
    pub flap_within: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            suspect: Duration::from_secs(15),
            down: Duration::from_mins(1),
            out: Duration::from_mins(15),
            alarm_within: Duration::from_mins(5),
            alarm_wait: Duration::from_mins(15),
            hold_down: Duration::from_mins(1),
            flap_within: Duration::from_hours(1),
        }
    }
}

/// With fewer nodes than this, one that fails is a large part of all.
const ALARM_NODES_MIN: usize = 10;
/// More silent nodes than this, in percent, are an alarm.
const ALARM_PERCENT: usize = 30;

/// What the operator wants of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// It keeps blobs.
    Serve,
    /// It is to be emptied, while it still serves what it has.
    Drain,
    /// It is no part of the cluster any more.
    Gone,
}

/// What is known of a node when a heartbeat of it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// Its state so far.
    pub state: NodeState,
    /// How long ago it last came back from being down.
    pub returned: Option<Duration>,
    /// How many such returns came in close succession.
    pub flaps: u32,
    /// How long it still gets nothing new because of them.
    pub held: Duration,
}

/// What a heartbeat makes of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Its state.
    pub state: NodeState,
    /// It came back, with so many returns in close succession, and gets nothing new for so long.
    pub returned: Option<(u32, Duration)>,
}

/// The state of a node that was just heard of. One that goes down again and again is held back for longer each time,
/// so that blobs do not go to it and away from it as often.
pub fn after_heartbeat(past: Past, refuses_writes: bool, timings: Timings) -> Heard {
    let returned = matches!(past.state, NodeState::Down | NodeState::Out).then(|| {
        let soon = past.returned.is_some_and(|ago| ago < timings.flap_within);
        let flaps = if soon { past.flaps.saturating_add(1) } else { 0 };
        let hold = match flaps {
            0 => Duration::ZERO,
            _ => timings.hold_down.saturating_mul(1 << (flaps - 1).min(16)).min(timings.flap_within),
        };
        (flaps, hold)
    });
    let held = returned.map_or(past.held, |(_, hold)| hold);
    let state = if held > Duration::ZERO {
        NodeState::Suspect
    } else if refuses_writes {
        NodeState::ReadOnly
    } else {
        NodeState::Up
    };
    Heard { state, returned }
}

/// The state of a node that was `silent` for so long, if that is another one than it has.
///
/// `listening` is how long this coordinator has been able to hear heartbeats: a silence counts only from there, so
/// that nobody goes down because the coordinator or its database was away.
pub fn after_silence(
    state: NodeState,
    silent: Duration,
    listening: Duration,
    timings: Timings,
) -> Option<NodeState> {
    let silent = silent.min(listening);
    let worse = match silent {
        _ if silent >= timings.out => NodeState::Out,
        _ if silent >= timings.down => NodeState::Down,
        _ if silent >= timings.suspect => NodeState::Suspect,
        _ => return None,
    };
    (severity(worse)? > severity(state)?).then_some(worse)
}

/// How bad a state of liveness is; none for one that silence does not change.
fn severity(state: NodeState) -> Option<u8> {
    match state {
        NodeState::Up | NodeState::ReadOnly => Some(0),
        NodeState::Suspect => Some(1),
        NodeState::Down => Some(2),
        NodeState::Out => Some(3),
        NodeState::Joining | NodeState::Draining | NodeState::Drained | NodeState::Gone => None,
    }
}

/// The state as people and nodes are told it.
pub fn shown(state: NodeState, intent: Intent, drained: bool) -> NodeState {
    match (intent, state) {
        (Intent::Gone, _) => NodeState::Gone,
        (Intent::Drain, _) if drained => NodeState::Drained,
        (Intent::Drain, NodeState::Up | NodeState::ReadOnly) => NodeState::Draining,
        (Intent::Serve | Intent::Drain, state) => state,
    }
}

/// Does bulk repair wait? When many nodes of many fall silent at about the same time, it is rather the network than
/// their disks, and copying all that they have would do harm. `silences` has one entry for each node.
pub fn is_alarming(silences: &[Duration], timings: Timings) -> bool {
    if silences.len() < ALARM_NODES_MIN {
        return false;
    }
    let ends = timings.out + timings.alarm_wait;
    let mut silent: Vec<_> =
        silences.iter().copied().filter(|silence| (timings.suspect..ends).contains(silence)).collect();
    silent.sort_unstable();
    // The most nodes that fell silent within one such time of each other.
    let together = silent.iter().enumerate().map(|(first, start)| {
        let within = *start + timings.alarm_within;
        silent[first..].partition_point(|silence| *silence <= within)
    });
    together.max().is_some_and(|most| most * 100 > silences.len() * ALARM_PERCENT)
}

#[cfg(test)]
mod tests;
