//! Garbage collection against a full recount: after whatever happened, what kept snapshots and open uploads need is
//! live and on the nodes, and everything else is gone within two cycles.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use coordinator::garbage::Reclaim;
use coordinator::jobs::{deletes, retention};
use coordinator::random;
use protocol::envelope::commit::{Kind, SnapshotFlags};
use protocol::id::{SourceId, UploadId};
use reqwest::StatusCode;

use crate::garbage::{AT_ONCE, cycle, server_with_nodes};
use crate::support::{Dice, Node, Registered, Server, blob_id, references};

/// Few, so that the same ones go and come back.
const BLOBS: u16 = 12;

/// What a tree refers to, and how often.
type Tree = BTreeMap<u16, i32>;

struct Source {
    id: SourceId,
    closed: bool,
    complete: bool,
    tree: Tree,
    /// What each kept snapshot needs, by its number; what was purged is in none.
    kept: BTreeMap<u64, BTreeSet<u16>>,
    partial: BTreeSet<u64>,
}

struct World {
    server: Server,
    owner: Registered,
    nodes: Vec<Node>,
    dice: Dice,
    sources: Vec<Source>,
    /// Uploads that nobody has finished, with what they planned.
    open: Vec<(UploadId, BTreeSet<u16>)>,
}

impl World {
    async fn new(seed: u64) -> Self {
        let (server, owner, nodes) = server_with_nodes(2).await;
        Self { server, owner, nodes, dice: Dice::new(seed), sources: Vec::new(), open: Vec::new() }
    }

    fn some_blobs(&mut self) -> BTreeSet<u16> {
        let count = self.dice.roll(5);
        (0..count).map(|_| 1 + self.dice.roll(BLOBS.into()) as u16).collect()
    }

    /// A source that takes more; a new one if there are few.
    fn an_open_source(&mut self) -> usize {
        let open: Vec<_> = (0..self.sources.len()).filter(|at| !self.sources[*at].closed).collect();
        if open.len() < 2 {
            self.sources.push(Source {
                id: random::id(SourceId::from_bytes),
                closed: false,
                complete: false,
                tree: Tree::new(),
                kept: BTreeMap::new(),
                partial: BTreeSet::new(),
            });
            return self.sources.len() - 1;
        }
        open[self.dice.roll(open.len() as u64) as usize]
    }

    async fn snapshot(&mut self) {
        let at = self.an_open_source();
        let tree: Tree =
            self.some_blobs().into_iter().map(|blob| (blob, 1 + self.dice.roll(3) as i32)).collect();
        let flags = SnapshotFlags {
            baseline: self.dice.once_in(4),
            partial: !self.sources[at].complete && self.dice.once_in(2),
        };
        let source = &self.sources[at];
        let all: BTreeSet<u16> = tree.keys().chain(source.tree.keys()).copied().collect();
        let count = |tree: &Tree, blob: &u16| tree.get(blob).copied().unwrap_or(0);
        let before = if flags.baseline { Tree::new() } else { source.tree.clone() };
        let changes: Vec<(u16, i32)> = all
            .iter()
            .map(|blob| (*blob, count(&tree, blob) - count(&before, blob)))
            .filter(|(_, delta)| *delta != 0)
            .collect();
        let list = references(&changes);
        let upload = self.owner.open(&self.server).await;
        let added: Vec<_> = list.iter().filter(|r| r.delta > 0).map(|r| r.blob).collect();
        if !added.is_empty() {
            self.owner.store(&self.server, upload, &self.nodes, &added).await;
        }
        self.owner.stage(&self.server, upload, 0, &list).await.expect_status(StatusCode::NO_CONTENT);
        let (seq, prev) = self.owner.next(&self.server).await;
        let envelope = self.owner.snapshot_of(source.id, (seq, prev), flags, &list);
        self.owner.commit_envelope(&self.server, upload, envelope).await.expect_status(StatusCode::OK);
        let source = &mut self.sources[at];
        source.kept.insert(seq, tree.keys().copied().collect());
        source.tree = tree;
        source.complete |= !flags.partial;
        if flags.partial {
            source.partial.insert(seq);
        }
    }

    /// An upload that is not finished: planned, and perhaps stored.
    async fn begin_upload(&mut self) {
        let blobs = self.some_blobs();
        if blobs.is_empty() {
            return;
        }
        let upload = self.owner.open(&self.server).await;
        let ids: Vec<_> = blobs.iter().map(|number| blob_id(*number)).collect();
        if self.dice.once_in(2) {
            self.owner.store(&self.server, upload, &self.nodes, &ids).await;
        } else {
            self.owner.plan(&self.server, upload, &ids).await;
        }
        self.open.push((upload, blobs));
    }

    async fn let_uploads_expire(&mut self) {
        self.server.sql("UPDATE uploads SET expires_at = now()").await;
        self.open.clear();
    }

    async fn forget(&mut self) {
        let mut list = Vec::new();
        for source in &mut self.sources {
            let newest = source.kept.keys().last().copied().filter(|_| !source.closed);
            let gone: Vec<u64> = source.kept.keys().copied().filter(|seq| Some(*seq) != newest).collect();
            for seq in gone {
                if self.dice.once_in(3) {
                    source.kept.remove(&seq);
                    list.push((source.id, seq));
                }
            }
        }
        if !list.is_empty() {
            list.sort_unstable();
            self.owner.forget(&self.server, &list).await.expect_status(StatusCode::OK);
        }
    }

    async fn close(&mut self) {
        let at = self.an_open_source();
        let id = self.sources[at].id;
        if !self.sources[at].kept.is_empty() {
            self.owner.append(&self.server, Kind::SourceClosed, id).await.expect_status(StatusCode::OK);
            self.sources[at].closed = true;
        }
    }

    async fn purge(&mut self) {
        let open = self.sources.iter().filter(|source| !source.closed);
        let mut taken: BTreeSet<u16> = open.flat_map(|source| source.tree.keys().copied()).collect();
        taken.extend(self.open.iter().flat_map(|(_, blobs)| blobs));
        let kept = self.needed_by_snapshots();
        let list: Vec<u16> = kept.difference(&taken).copied().filter(|_| self.dice.once_in(2)).collect();
        if list.is_empty() {
            return;
        }
        self.owner.purge(&self.server, &list).await.expect_status(StatusCode::OK);
        for needed in self.sources.iter_mut().flat_map(|source| source.kept.values_mut()) {
            needed.retain(|blob| !list.contains(blob));
        }
    }

    /// All is younger than two days: what goes are partial snapshots that have a newer one.
    async fn apply_policies(&mut self) {
        let mut partial = 0;
        for source in &mut self.sources {
            let newest = source.kept.keys().last().copied();
            let before = source.kept.len();
            source.kept.retain(|seq, _| Some(*seq) == newest || !source.partial.contains(seq));
            partial += (before - source.kept.len()) as u64;
        }
        assert_eq!(retention::apply(&self.server.state.pool).await.unwrap(), partial);
    }

    async fn step(&mut self) {
        match self.dice.roll(12) {
            0..=3 => self.snapshot().await,
            4 => self.begin_upload().await,
            5 => self.let_uploads_expire().await,
            6 | 7 => self.forget().await,
            8 => self.purge().await,
            9 => {
                cycle(&self.server, &Reclaim { gc_grace: Duration::from_hours(1), ..AT_ONCE }).await;
            }
            10 => {
                cycle(&self.server, &AT_ONCE).await;
            }
            11 if self.dice.once_in(3) => self.close().await,
            _ => self.apply_policies().await,
        }
    }

    fn needed_by_snapshots(&self) -> BTreeSet<u16> {
        self.sources.iter().flat_map(|source| source.kept.values()).flatten().copied().collect()
    }

    async fn check_needed(&self) {
        let needed = self.needed_by_snapshots();
        let planned = self.open.iter().flat_map(|(_, blobs)| blobs).copied();
        let states = self.states().await;
        for blob in needed.iter().copied().chain(planned) {
            assert_eq!(
                states.get(&blob).map(|(state, _)| state.as_str()),
                Some("live"),
                "{blob}: {states:?}"
            );
        }
        for blob in &needed {
            let generation = states[blob].1;
            for node in &self.nodes {
                assert_eq!(node.disk.generation(&blob_id(*blob)), Some(generation), "{blob}: {states:?}");
            }
        }
        if !needed.is_empty() {
            let ids: Vec<_> = needed.iter().map(|blob| blob_id(*blob)).collect();
            assert_eq!(self.owner.locate(&self.server, &ids).await.missing.0, Vec::<u8>::new());
        }
    }

    /// Two cycles, the nodes do what they are told, and the next cycle notes it.
    async fn check_the_rest_goes(&self) {
        for _ in 0..2 {
            cycle(&self.server, &AT_ONCE).await;
        }
        while deletes::deliver(&self.server.state).await.unwrap() > 0 {}
        cycle(&self.server, &AT_ONCE).await;
        let mut needed = self.needed_by_snapshots();
        needed.extend(self.open.iter().flat_map(|(_, blobs)| blobs));
        let states = self.states().await;
        for blob in (1..=BLOBS).filter(|blob| !needed.contains(blob)) {
            let state = states.get(&blob).map_or("deleted", |(state, _)| state.as_str());
            assert_eq!(state, "deleted", "{blob}: {states:?}");
            for node in &self.nodes {
                assert_eq!(node.disk.generation(&blob_id(blob)), None, "{blob}");
            }
        }
        let useless = self.server.sql_value(
            "SELECT (count(*))::text FROM (
                 SELECT FROM ref_history h WHERE NOT EXISTS (
                     SELECT FROM commits c WHERE c.source_id = h.source_id AND c.kind = 1 AND NOT c.forgotten
                                             AND c.seq >= h.from_seq AND c.seq < h.to_seq)
                 UNION ALL
                 SELECT FROM refs r WHERE NOT EXISTS (
                     SELECT FROM commits c WHERE c.source_id = r.source_id AND c.kind = 1 AND NOT c.forgotten
                                             AND c.seq >= r.since_seq)) useless",
        );
        assert_eq!(useless.await, "0", "intervals that no kept snapshot needs");
    }

    /// A cycle that remembers nothing removes the rows of what was deleted, and no row anywhere names one that is gone.
    async fn check_rows_go_with_their_blobs(&self) {
        cycle(&self.server, &Reclaim { gc_remember: Duration::ZERO, ..AT_ONCE }).await;
        let deleted = self.server.sql_value("SELECT count(*)::text FROM blobs WHERE state = 'deleted'");
        assert_eq!(deleted.await, "0");
        let orphans = self.server.sql_value(
            "SELECT count(*)::text
             FROM (SELECT blob_id FROM upload_blobs UNION ALL SELECT blob_id FROM replicas
                   UNION ALL SELECT blob_id FROM vault_blobs UNION ALL SELECT blob_id FROM vault_receipts
                   UNION ALL SELECT blob_id FROM refs UNION ALL SELECT blob_id FROM ref_history) AS r
             WHERE NOT EXISTS (SELECT FROM blobs b WHERE b.id = r.blob_id)",
        );
        assert_eq!(orphans.await, "0", "rows that name a blob which is gone");
    }

    async fn states(&self) -> BTreeMap<u16, (String, u32)> {
        let rows: Vec<(i32, String, i32)> = sqlx::query_as(
            "SELECT ('x' || encode(substr(sha256, 1, 2), 'hex'))::bit(16)::integer, state, generation FROM blobs",
        )
        .fetch_all(&self.server.state.pool)
        .await
        .unwrap();
        rows.into_iter()
            .map(|(number, state, generation)| {
                (u16::try_from(number).unwrap(), (state, u32::try_from(generation).unwrap()))
            })
            .collect()
    }
}

#[tokio::test]
async fn what_is_kept_is_live_and_the_rest_is_gone_within_two_cycles() {
    testkit::long::for_each_seed(3, 60, async |seed| {
        let mut world = World::new(seed).await;
        for _ in 0..testkit::long::scale(30, 120) {
            world.step().await;
            world.check_needed().await;
            if world.dice.once_in(3) {
                world.check_the_rest_goes().await;
                world.check_needed().await;
            }
        }
        world.check_the_rest_goes().await;
        world.check_needed().await;
        world.check_rows_go_with_their_blobs().await;
        world.check_needed().await;
    })
    .await;
}
