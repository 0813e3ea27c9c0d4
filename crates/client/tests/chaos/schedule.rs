//! What goes wrong, and when: a pure function of a seed.
//!
//! A round first takes programs and links away and gives them back; none of that may lose anything, so it overlaps as
//! it comes. When all of it is over, what one node has stored is damaged. That may cost the copies of one zone, so the
//! nemesis does it only once all blobs have all copies.

use std::fmt;
use std::time::Duration;

use testkit::cluster::Link;
use testkit::proxy::Fault;

use crate::dice::Dice;

/// No fault of a round begins later.
const ROUND: Duration = Duration::from_secs(10);
/// Nodes that are away at a time: the others are enough to write to.
const NODES_AWAY_MAX: usize = 2;

/// How many there are of what can fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) coordinators: usize,
    pub(crate) nodes: usize,
}

/// What is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// SIGKILL.
    KillNode(usize),
    StartNode(usize),
    /// SIGSTOP: it neither answers nor closes its connections.
    StopNode(usize),
    ContinueNode(usize),
    KillCoordinator(usize),
    StartCoordinator(usize),
    StopCoordinator(usize),
    ContinueCoordinator(usize),
    /// As `pg_ctl stop -m immediate`.
    CrashPostgres,
    StartPostgres,
    Spoil(Link, Fault),
    Mend(Link),
}

/// What happens to a node's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// It returns empty.
    Wipe,
    /// Some bits flip in each pack, under the running node.
    FlipBits,
    /// The end of each pack is missing.
    Truncate,
    /// It returns as it was some time ago.
    OldStore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Since the round began.
    pub(crate) at: Duration,
    pub(crate) action: Action,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Round {
    /// In their order; each fault is over by the last.
    pub(crate) steps: Vec<Step>,
    pub(crate) damage: Damage,
    /// Whose store is damaged; for [`Damage::OldStore`] whoever has an old one.
    pub(crate) damaged: usize,
    /// For what chance decides within the damage.
    pub(crate) chance: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Node(usize),
    Coordinator(usize),
    Postgres,
    Link(Link),
}

/// One round of a run.
pub(crate) fn round(seed: u64, number: u64, shape: Shape) -> Round {
    // Rounds of neighbouring seeds are not each other's.
    let mut dice = Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
    let targets = targets(shape);
    let mut busy: Vec<(Target, Duration)> = Vec::new();
    let mut steps = Vec::new();
    let mut at = Duration::ZERO;
    loop {
        at += dice.milliseconds(200, 1200);
        if at >= ROUND {
            break;
        }
        let target = dice.one_of(&targets);
        let (begin, end, lasts) = fault(target, &mut dice);
        busy.retain(|(_, until)| *until > at);
        let node = node_of(target);
        let away = busy.iter().filter(|(busy, _)| node_of(*busy).is_some()).count();
        let is_busy =
            busy.iter().any(|(busy, _)| *busy == target || node.is_some() && node_of(*busy) == node);
        if is_busy || node.is_some() && away >= NODES_AWAY_MAX {
            continue;
        }
        busy.push((target, at + lasts));
        steps.extend([Step { at, action: begin }, Step { at: at + lasts, action: end }]);
    }
    steps.sort_by_key(|step| step.at);
    let kinds = [Damage::FlipBits, Damage::Wipe, Damage::OldStore, Damage::Truncate];
    Round {
        steps,
        damage: kinds[(seed.wrapping_add(number) % kinds.len() as u64) as usize],
        damaged: dice.roll(shape.nodes as u64) as usize,
        chance: dice.roll(u64::MAX),
    }
}

/// Everything that can be away, what matters most more than once.
fn targets(shape: Shape) -> Vec<Target> {
    let nodes = (0..shape.nodes).flat_map(|node| {
        let links = [Link::Data(node), Link::Control(node)].map(Target::Link);
        links.into_iter().chain([Target::Node(node)])
    });
    let coordinators = (0..shape.coordinators).flat_map(|place| [Target::Coordinator(place); 2]);
    let others =
        [Target::Postgres, Target::Postgres, Target::Link(Link::Clients), Target::Link(Link::Clients)];
    nodes.chain(coordinators).chain(others).collect()
}

/// The node that nobody reaches while this fails.
fn node_of(target: Target) -> Option<usize> {
    match target {
        Target::Node(node) | Target::Link(Link::Data(node)) => Some(node),
        _ => None,
    }
}

/// How a fault begins and ends, and how long it lasts.
fn fault(target: Target, dice: &mut Dice) -> (Action, Action, Duration) {
    let short = dice.milliseconds(300, 3000);
    // Long enough that the node is given up, and all that it has is copied elsewhere.
    let long = dice.milliseconds(7000, 9000);
    let lasts = if dice.roll(6) == 0 { long } else { short };
    match (target, dice.roll(3) == 0) {
        (Target::Node(node), false) => (Action::KillNode(node), Action::StartNode(node), lasts),
        (Target::Node(node), true) => (Action::StopNode(node), Action::ContinueNode(node), lasts),
        (Target::Coordinator(place), false) => {
            (Action::KillCoordinator(place), Action::StartCoordinator(place), short)
        }
        (Target::Coordinator(place), true) => {
            (Action::StopCoordinator(place), Action::ContinueCoordinator(place), short)
        }
        (Target::Postgres, _) => (Action::CrashPostgres, Action::StartPostgres, short / 2),
        (Target::Link(link), _) => {
            let magnitude = dice.one_of(&[8, 12, 16, 20]);
            let fault = match dice.roll(7) {
                0 => Fault::Delay(dice.milliseconds(20, 400)),
                1 => Fault::Bandwidth(4096 << dice.roll(6)),
                2 => Fault::Reset,
                3 => Fault::BlackHole,
                4 => Fault::HalfOpen,
                5 => Fault::CutAfter(dice.roll(1 << magnitude)),
                _ => Fault::Duplicate(dice.milliseconds(0, 1500)),
            };
            (Action::Spoil(link, fault), Action::Mend(link), lasts)
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillNode(node) => write!(f, "kill node {}", node + 1),
            Self::StartNode(node) => write!(f, "start node {}", node + 1),
            Self::StopNode(node) => write!(f, "stop node {}", node + 1),
            Self::ContinueNode(node) => write!(f, "continue node {}", node + 1),
            Self::KillCoordinator(place) => write!(f, "kill coordinator {}", place + 1),
            Self::StartCoordinator(place) => write!(f, "start coordinator {}", place + 1),
            Self::StopCoordinator(place) => write!(f, "stop coordinator {}", place + 1),
            Self::ContinueCoordinator(place) => write!(f, "continue coordinator {}", place + 1),
            Self::CrashPostgres => f.write_str("crash PostgreSQL"),
            Self::StartPostgres => f.write_str("start PostgreSQL"),
            Self::Spoil(link, fault) => write!(f, "{fault:?} from {link}"),
            Self::Mend(link) => write!(f, "mend {link}"),
        }
    }
}

#[cfg(test)]
mod tests;
