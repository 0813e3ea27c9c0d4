//! What silence makes of a node: pure, so that every rule can be tested without waiting.
//!
//! Only a heartbeat makes a node better ([`after_heartbeat`]), only silence makes it worse ([`after_silence`]).

use std::time::Duration;

use protocol::nodes::NodeState;

/// After how long a silence a node changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// Gets nothing new and is read last.
    pub suspect: Duration,
    /// Is not read, and its copies do not count.
    pub down: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self { suspect: Duration::from_secs(15), down: Duration::from_mins(1) }
    }
}

/// The state of a node that was just heard of.
pub fn after_heartbeat(refuses_writes: bool) -> NodeState {
    if refuses_writes { NodeState::ReadOnly } else { NodeState::Up }
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
    match state {
        NodeState::Joining | NodeState::Down => None,
        _ if silent >= timings.down => Some(NodeState::Down),
        NodeState::Up | NodeState::ReadOnly if silent >= timings.suspect => Some(NodeState::Suspect),
        NodeState::Up | NodeState::ReadOnly | NodeState::Suspect => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn after(state: NodeState, silent: u64, listening: Duration) -> Option<NodeState> {
        after_silence(state, Duration::from_secs(silent), listening, Timings::default())
    }

    #[test]
    fn a_silent_node_is_suspected_and_then_down() {
        for state in [NodeState::Up, NodeState::ReadOnly] {
            assert_eq!(after(state, 14, HOUR), None);
            assert_eq!(after(state, 15, HOUR), Some(NodeState::Suspect));
            assert_eq!(after(state, 60, HOUR), Some(NodeState::Down));
        }
        assert_eq!(after(NodeState::Suspect, 59, HOUR), None);
        assert_eq!(after(NodeState::Suspect, 60, HOUR), Some(NodeState::Down));
    }

    #[test]
    fn nobody_goes_down_before_the_coordinator_has_listened_for_as_long() {
        assert_eq!(after(NodeState::Up, 5000, Duration::from_secs(14)), None);
        assert_eq!(after(NodeState::Up, 5000, Duration::from_secs(59)), Some(NodeState::Suspect));
        assert_eq!(after(NodeState::Up, 5000, Duration::from_mins(1)), Some(NodeState::Down));
    }

    #[test]
    fn silence_makes_no_node_better() {
        for silent in [0, 20, 100] {
            assert_eq!(after(NodeState::Down, silent, HOUR), None);
            assert_eq!(after(NodeState::Joining, silent, HOUR), None);
        }
        assert_eq!(after(NodeState::Suspect, 0, HOUR), None);
    }
}
