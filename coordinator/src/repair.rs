//! What is to be done about blobs with too few copies, or too many: a pure function of the blobs and the nodes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use protocol::id::GroupId;
use protocol::nodes::NodeState;

use crate::db::blobs::PlannedBlob;
use crate::db::nodes::NodeRow;
use crate::db::repairs::{Holding, Waiting};
use crate::db::{BlobKey, NodeKey};
use crate::groups;
use crate::placement::{self, Candidate};
use crate::rebalance::{Fill, Move, fills};

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// Copies to be made.
    pub copying: Vec<Copying<'a>>,
    /// Copies to be taken away.
    pub trimming: Vec<Trimming<'a>>,
    /// Nothing is to be done.
    pub done: Vec<BlobKey>,
    /// Nothing can be done, and for lack of what.
    pub waiting: Vec<(BlobKey, Waiting)>,
}

/// One group of blobs goes from one node to others.
#[derive(Debug)]
pub struct Copying<'a> {
    /// Has them.
    pub source: &'a NodeRow,
    /// Are to get them.
    pub destinations: Vec<&'a NodeRow>,
    /// At most as many as a group has.
    pub blobs: Vec<PlannedBlob>,
    /// There should be more destinations than there are.
    pub lacks_zone: bool,
}

/// A node has one group of blobs that has enough copies elsewhere.
#[derive(Debug)]
pub struct Trimming<'a> {
    /// Whose copies are to go.
    pub node: &'a NodeRow,
    /// Must prove that they have theirs: as many as there should be copies, each in a zone of its own.
    pub keepers: Vec<&'a NodeRow>,
    /// At most as many as a group has.
    pub blobs: Vec<PlannedBlob>,
}

/// What is to be done about blobs that are on the same nodes.
enum Step<'a> {
    Copy { source: &'a NodeRow, destinations: Vec<&'a NodeRow>, lacks_zone: bool },
    Trim { node: &'a NodeRow, keepers: Vec<&'a NodeRow> },
    Nothing,
    Wait(Waiting),
}

/// Plans for each blob. `attempt` is how often a blob was tried before, so that another source and other destinations
/// are tried next; `new_group` numbers groups at random. Blobs that have the copies that they should have get another one
/// where `moves` says, which makes the one in the fuller zone a copy too many.
pub fn plan<'a>(
    nodes: &'a [NodeRow],
    blobs: &[Holding],
    attempt: impl Fn(BlobKey) -> u32,
    replicas: usize,
    moves: &[Move<'_>],
    mut new_group: impl FnMut() -> GroupId,
) -> Plan<'a> {
    let mut plan = Plan::default();
    let mut alike: BTreeMap<(&[NodeKey], u32), Vec<PlannedBlob>> = BTreeMap::new();
    for holding in blobs {
        if holding.needed {
            let place = (&*holding.nodes, attempt(holding.blob.key));
            alike.entry(place).or_default().push(holding.blob);
        } else {
            plan.done.push(holding.blob.key);
        }
    }
    for ((holders, attempt), blobs) in alike {
        for blobs in groups::cut(blobs, |blob| blob.blob.size) {
            let bytes = blobs.iter().map(|blob| u64::from(blob.blob.size)).sum();
            let place = Place { nodes, holders, attempt, replicas, moves, group: new_group(), bytes };
            let keys = blobs.iter().map(|blob| blob.key);
            match place.decide() {
                Step::Copy { source, destinations, lacks_zone } => {
                    plan.copying.push(Copying { source, destinations, blobs, lacks_zone });
                }
                Step::Trim { node, keepers } => plan.trimming.push(Trimming { node, keepers, blobs }),
                Step::Nothing => plan.done.extend(keys),
                Step::Wait(waiting) => plan.waiting.extend(keys.map(|key| (key, waiting))),
            }
        }
    }
    plan
}

/// A group of blobs that are on the same nodes.
struct Place<'a, 'b> {
    nodes: &'a [NodeRow],
    holders: &'b [NodeKey],
    attempt: u32,
    replicas: usize,
    moves: &'b [Move<'b>],
    group: GroupId,
    bytes: u64,
}

impl<'a> Place<'a, '_> {
    fn decide(&self) -> Step<'a> {
        let holders: Vec<_> = self.nodes.iter().filter(|node| self.holders.contains(&node.key)).collect();
        let live: Vec<_> = holders.iter().copied().filter(|node| node.is_live()).collect();
        let kept = zones(holders.iter().copied().filter(|node| node.is_kept()));
        let staying = zones(live.iter().copied().filter(|node| node.is_kept()));
        // Of a blob with one copy that can be read, another is made at once, whatever is expected back.
        let at_once = self.replicas.min(2);
        let at_once = if zones(live.iter().copied()).len() < at_once {
            at_once.saturating_sub(staying.len())
        } else {
            0
        };
        let missing = self.replicas.saturating_sub(kept.len()).max(at_once);
        if missing == 0 {
            return self.move_on(&live, &kept).unwrap_or_else(|| self.thin_out(&live));
        }
        let Some(source) = self.source(&live) else { return Step::Wait(Waiting::Copy) };
        let mut destinations = self.destinations(|node| !kept.contains(&*node.zone), missing);
        if destinations.len() < at_once {
            // In a zone whose node is down and expected back, rather than nowhere.
            destinations = self.destinations(|node| !staying.contains(&*node.zone), at_once);
        }
        if destinations.is_empty() {
            return Step::Wait(Waiting::Zone);
        }
        let lacks_zone = destinations.len() < missing;
        Step::Copy { source, destinations, lacks_zone }
    }

    /// Suspects last, the others so that reads spread evenly, and another one with each attempt.
    fn source(&self, live: &[&'a NodeRow]) -> Option<&'a NodeRow> {
        let mut sources = live.to_vec();
        sources.sort_by(|a, b| {
            let is_suspect = |node: &NodeRow| node.liveness == NodeState::Suspect;
            let score = |node: &NodeRow| placement::reading_score(&self.group, &node.id);
            is_suspect(a).cmp(&is_suspect(b)).then(score(b).total_cmp(&score(a)))
        });
        let turn = (self.attempt as usize).checked_rem(sources.len())?;
        sources.get(turn).copied()
    }

    /// A copy more, in the emptiest zone that has none, if one in a fuller zone is to make room for it.
    fn move_on(&self, live: &[&'a NodeRow], kept: &BTreeSet<&str>) -> Option<Step<'a>> {
        let staying = live.iter().filter(|node| node.is_kept()).count();
        let (replicas, zones) = (self.replicas, kept.len());
        let to_move = self
            .moves
            .iter()
            .filter(|_| staying == replicas && zones == replicas)
            .find(|between| kept.contains(between.from) && !kept.contains(between.to))?;
        let destinations = self.destinations(|node| node.zone == to_move.to, 1);
        let source = self.source(live).filter(|_| !destinations.is_empty())?;
        Some(Step::Copy { source, destinations, lacks_zone: false })
    }

    /// Nodes with room and without a copy in zones that are wanted, each in one of its own.
    fn destinations(&self, is_wanted: impl Fn(&NodeRow) -> bool, most: usize) -> Vec<&'a NodeRow> {
        let able: Vec<_> = self
            .nodes
            .iter()
            .filter(|node| is_wanted(node) && !self.holders.contains(&node.key))
            .filter(|node| node.state == NodeState::Up && node.free_bytes >= self.bytes)
            .collect();
        let candidates: Vec<_> = able
            .iter()
            .map(|node| Candidate { node: node.id, zone: node.zone.clone(), weight: node.free_bytes })
            .collect();
        placement::choose(&self.group, &candidates, most).into_iter().map(|index| able[index]).collect()
    }

    /// There are enough copies. If there are more, the one to go is that of the fullest node among those that share a
    /// zone, or else in the fullest zone.
    fn thin_out(&self, live: &[&'a NodeRow]) -> Step<'a> {
        let heard = |node: &&NodeRow| matches!(node.state, NodeState::Up | NodeState::ReadOnly);
        let mut staying: Vec<_> = live.iter().copied().filter(|node| node.is_kept()).collect();
        if staying.len() <= self.replicas {
            return Step::Nothing;
        }
        let fills = fills(self.nodes);
        staying.sort_by_key(|node| {
            let zone = fills.get(&*node.zone).map(Fill::share_ppm);
            Reverse((zone, Fill::of(node).share_ppm(), Reverse(node.key)))
        });
        let shares_zone =
            |node: &&NodeRow| staying.iter().filter(|other| other.zone == node.zone).count() > 1;
        let surplus = staying.iter().copied().filter(heard);
        let Some(node) = surplus.clone().find(shares_zone).or_else(|| surplus.clone().next()) else {
            return Step::Wait(Waiting::Node);
        };
        let mut found = BTreeSet::new();
        let others = staying.iter().rev().copied().filter(heard).filter(|other| other.key != node.key);
        let mut keepers: Vec<_> = others.filter(|other| found.insert(&*other.zone)).collect();
        if keepers.len() < self.replicas {
            return Step::Wait(Waiting::Node);
        }
        keepers.truncate(self.replicas);
        Step::Trim { node, keepers }
    }
}

fn zones<'a>(nodes: impl Iterator<Item = &'a NodeRow>) -> BTreeSet<&'a str> {
    nodes.map(|node| &*node.zone).collect()
}

#[cfg(test)]
mod tests;
