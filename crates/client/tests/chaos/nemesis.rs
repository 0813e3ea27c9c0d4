//! Does to a cluster what the schedule says, and makes it whole again.

use std::time::Duration;

use testkit::Signal;
use testkit::cluster::Cluster;
use tokio::time::{Instant, sleep, sleep_until};

use crate::damage;
use crate::dice::Dice;
use crate::history::History;
use crate::rest::Settling;
use crate::schedule::{Action, Damage, Round, Shape, round};
use crate::watch::Pids;

/// Programs that ended by themselves are looked for this often.
const WATCH: Duration = Duration::from_millis(100);
/// Programs that are not ready again by then never will be.
const HEAL_LIMIT: Duration = Duration::from_mins(2);

/// What was done, for the summary.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) rounds: u64,
    pub(crate) kills: u64,
    pub(crate) stops: u64,
    pub(crate) crashes: u64,
    pub(crate) link_faults: u64,
    pub(crate) damages: u64,
}

pub(crate) struct Nemesis {
    pub(crate) cluster: Cluster,
    pub(crate) counts: Counts,
    shape: Shape,
    history: History,
    /// Whose store was kept.
    kept: Option<usize>,
    /// Coordinators that are to run: they end by themselves when there is no database at their start.
    coordinators: Vec<bool>,
    has_database: bool,
    pids: Pids,
}

impl Nemesis {
    pub(crate) fn new(cluster: Cluster, shape: Shape, history: History, pids: Pids) -> Self {
        let coordinators = vec![true; shape.coordinators];
        let counts = Counts::default();
        Self { cluster, counts, shape, history, kept: None, coordinators, has_database: true, pids }
    }

    /// Rounds of faults for so long; the one that is under way then is finished.
    pub(crate) async fn rage(&mut self, seed: u64, length: Duration) {
        let end = Instant::now() + length;
        for number in 0.. {
            if Instant::now() >= end {
                return;
            }
            let round = round(seed, number, self.shape);
            self.play(&round).await;
            self.heal().await;
            // A store is damaged only where all others are whole, and is mended before the next is.
            Settling::new(&self.cluster).wait(&self.cluster, &self.history).await;
            self.damage(&round).await;
            self.counts.rounds += 1;
        }
    }

    async fn play(&mut self, round: &Round) {
        let began = Instant::now();
        for step in &round.steps {
            let at = began + step.at;
            while Instant::now() + WATCH < at {
                sleep(WATCH).await;
                self.watch();
            }
            sleep_until(at).await;
            println!("{:6.1} s  {}", step.at.as_secs_f64(), step.action);
            self.act(step.action);
        }
    }

    /// Starts coordinators again that ended by themselves, as a supervisor does. A node has no reason to end.
    fn watch(&mut self) {
        *self.pids.lock().expect("nobody panics with it") = self.cluster.pids();
        for (name, status) in self.cluster.ended() {
            match name.strip_prefix("coordinator-").map(|place| place.parse::<usize>().expect("a number") - 1)
            {
                Some(place) if self.has_database && self.coordinators[place] => {
                    self.cluster.spawn_coordinator(place);
                }
                Some(_) => {}
                None => self.history.see(format!("{name} ended by itself: {status}")),
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::KillNode(node) => {
                self.cluster.kill_node(node);
                self.counts.kills += 1;
            }
            Action::StartNode(node) => self.cluster.spawn_node(node),
            Action::StopNode(node) => {
                self.cluster.signal_node(node, Signal::STOP);
                self.counts.stops += 1;
            }
            Action::ContinueNode(node) => self.cluster.signal_node(node, Signal::CONT),
            Action::KillCoordinator(place) => {
                self.cluster.kill_coordinator_at(place);
                self.coordinators[place] = false;
                self.counts.kills += 1;
            }
            Action::StartCoordinator(place) => {
                self.coordinators[place] = true;
                self.cluster.spawn_coordinator(place);
            }
            Action::StopCoordinator(place) => {
                self.cluster.signal_coordinator(place, Signal::STOP);
                self.counts.stops += 1;
            }
            Action::ContinueCoordinator(place) => self.cluster.signal_coordinator(place, Signal::CONT),
            Action::CrashPostgres => {
                self.cluster.database_mut().server().crash();
                self.has_database = false;
                self.counts.crashes += 1;
            }
            Action::StartPostgres => self.start_database(),
            Action::Spoil(link, fault) => {
                self.cluster.links().proxy(link).set(fault);
                self.counts.link_faults += 1;
            }
            Action::Mend(link) => self.cluster.links().proxy(link).mend(),
        }
    }

    fn start_database(&mut self) {
        self.cluster.database_mut().server().restart().expect("PostgreSQL recovers from a crash");
        self.has_database = true;
    }

    /// Everything runs, and every link is whole.
    pub(crate) async fn heal(&mut self) {
        if !self.has_database {
            self.start_database();
        }
        self.cluster.links().all().for_each(testkit::proxy::Proxy::mend);
        for _ in 0..HEAL_LIMIT.as_millis() / WATCH.as_millis() {
            self.watch();
            if self.cluster.is_ready().await {
                return;
            }
            sleep(WATCH).await;
        }
        panic!("not all programs are ready again");
    }

    async fn damage(&mut self, round: &Round) {
        let mut dice = Dice::new(round.chance);
        let copy = self.cluster.folder().join("old-store");
        if let (Damage::OldStore, Some(node)) = (round.damage, self.kept.take()) {
            println!("          {:?} of node {}", round.damage, node + 1);
            self.cluster.kill_node(node);
            damage::put_back(&self.cluster.node_folder(node), &copy);
            self.cluster.start_node(node).await;
            self.counts.damages += 1;
            return;
        }
        // Another node's, to be put back later.
        let kept = (round.damaged + 1) % self.shape.nodes;
        self.cluster.kill_node(kept);
        damage::keep(&self.cluster.node_folder(kept), &copy);
        self.cluster.start_node(kept).await;
        self.kept = Some(kept);

        let (node, folder) = (round.damaged, self.cluster.node_folder(round.damaged));
        println!("          {:?} of node {}", round.damage, node + 1);
        match round.damage {
            Damage::FlipBits => damage::flip_bits(&folder, &mut dice),
            Damage::Wipe => {
                self.cluster.kill_node(node);
                damage::wipe(&folder, &mut dice);
                self.cluster.start_node(node).await;
            }
            Damage::Truncate => {
                self.cluster.kill_node(node);
                damage::truncate(&folder, &mut dice);
                self.cluster.start_node(node).await;
            }
            // There was none to put back; there is from now on.
            Damage::OldStore => return,
        }
        self.counts.damages += 1;
    }
}
