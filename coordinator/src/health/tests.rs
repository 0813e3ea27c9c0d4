use clap::Parser;

use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn after(state: NodeState, silent: u64, listening: Duration) -> Option<NodeState> {
    after_silence(state, Duration::from_secs(silent), listening, Timings::default())
}

#[test]
fn an_empty_command_line_means_the_defaults() {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        timings: Timings,
    }
    assert_eq!(Line::parse_from(["program"]).timings, Timings::default());
}

#[test]
fn a_silent_node_is_suspected_then_down_then_out() {
    for state in [NodeState::Up, NodeState::ReadOnly] {
        assert_eq!(after(state, 14, HOUR), None);
        assert_eq!(after(state, 15, HOUR), Some(NodeState::Suspect));
        assert_eq!(after(state, 60, HOUR), Some(NodeState::Down));
        assert_eq!(after(state, 900, HOUR), Some(NodeState::Out));
    }
    assert_eq!(after(NodeState::Suspect, 59, HOUR), None);
    assert_eq!(after(NodeState::Suspect, 60, HOUR), Some(NodeState::Down));
    assert_eq!(after(NodeState::Down, 899, HOUR), None);
    assert_eq!(after(NodeState::Down, 900, HOUR), Some(NodeState::Out));
    assert_eq!(after(NodeState::Out, 5000, HOUR), None);
}

#[test]
fn nobody_goes_down_before_the_coordinator_has_listened_for_as_long() {
    assert_eq!(after(NodeState::Up, 5000, Duration::from_secs(14)), None);
    assert_eq!(after(NodeState::Up, 5000, Duration::from_secs(59)), Some(NodeState::Suspect));
    assert_eq!(after(NodeState::Up, 5000, Duration::from_mins(1)), Some(NodeState::Down));
    assert_eq!(after(NodeState::Down, 5000, Duration::from_mins(14)), None);
    assert_eq!(after(NodeState::Down, 5000, Duration::from_mins(15)), Some(NodeState::Out));
}

#[test]
fn silence_makes_no_node_better() {
    for silent in [0, 20, 100] {
        assert_eq!(after(NodeState::Down, silent, HOUR), None);
        assert_eq!(after(NodeState::Joining, silent, HOUR), None);
    }
    assert_eq!(after(NodeState::Suspect, 0, HOUR), None);
}

fn past(state: NodeState, returned: Option<u64>, flaps: u32, held: u64) -> Past {
    Past { state, returned: returned.map(Duration::from_secs), flaps, held: Duration::from_secs(held) }
}

fn heard(past: Past) -> (NodeState, Option<(u32, u64)>) {
    let heard = after_heartbeat(past, false, Timings::default());
    (heard.state, heard.returned.map(|(flaps, hold)| (flaps, hold.as_secs())))
}

#[test]
fn a_node_that_comes_back_once_is_up_at_once() {
    assert_eq!(heard(past(NodeState::Joining, None, 0, 0)), (NodeState::Up, None));
    assert_eq!(heard(past(NodeState::Suspect, None, 0, 0)), (NodeState::Up, None));
    assert_eq!(heard(past(NodeState::Down, None, 0, 0)), (NodeState::Up, Some((0, 0))));
    assert_eq!(heard(past(NodeState::Out, Some(3600), 4, 0)), (NodeState::Up, Some((0, 0))));
    assert_eq!(
        after_heartbeat(past(NodeState::Up, None, 0, 0), true, Timings::default()).state,
        NodeState::ReadOnly
    );
}

#[test]
fn a_node_that_goes_down_again_and_again_is_held_back_for_twice_as_long_each_time() {
    let again = |flaps| heard(past(NodeState::Down, Some(100), flaps, 0)).1;
    assert_eq!([0, 1, 2, 3].map(again), [(1, 60), (2, 120), (3, 240), (4, 480)].map(Some));
    assert_eq!([20, u32::MAX].map(again), [(21, 3600), (u32::MAX, 3600)].map(Some));
    assert_eq!(heard(past(NodeState::Down, Some(100), 0, 0)).0, NodeState::Suspect);
    // Until the time is over, and not longer.
    assert_eq!(heard(past(NodeState::Suspect, Some(130), 1, 30)), (NodeState::Suspect, None));
    assert_eq!(heard(past(NodeState::Suspect, Some(161), 1, 0)), (NodeState::Up, None));
}

#[test]
fn what_the_operator_wants_stands_beside_how_a_node_is() {
    use NodeState::{Down, Drained, Draining, Gone, ReadOnly, Up};
    for state in [Up, ReadOnly, Down] {
        assert_eq!(shown(state, Intent::Serve, false), state);
        assert_eq!(shown(state, Intent::Gone, false), Gone);
        assert_eq!(shown(state, Intent::Drain, true), Drained);
    }
    assert_eq!(
        [Up, ReadOnly, Down].map(|state| shown(state, Intent::Drain, false)),
        [Draining, Draining, Down]
    );
}

/// Ten nodes, of which some have been silent for so many seconds.
fn alarming(silent: &[u64]) -> bool {
    let mut silences = vec![Duration::from_secs(3); 10 - silent.len()];
    silences.extend(silent.iter().copied().map(Duration::from_secs));
    is_alarming(&silences, Timings::default())
}

#[test]
fn many_nodes_that_fall_silent_together_are_an_alarm() {
    assert!(!alarming(&[20, 20, 20]), "30 %");
    assert!(alarming(&[20, 20, 20, 20]), "40 %");
    assert!(alarming(&[1000, 1100, 1200, 1300]), "within five minutes");
    assert!(!alarming(&[1000, 1100, 1200, 1301]), "not within five minutes");
    assert!(!alarming(&[14, 14, 14, 14]), "not silent yet");
    assert!(!alarming(&[1800, 1800, 1800, 1800]), "waited for long enough");
    assert!(!alarming(&[20, 1799, 1799, 1799]), "three, and a fourth by itself");
}

#[test]
fn few_nodes_are_never_an_alarm() {
    assert!(!is_alarming(&[Duration::from_secs(20); 9], Timings::default()));
    assert!(is_alarming(&[Duration::from_secs(20); 10], Timings::default()));
}
