//! A coordinator with nodes that answer: programs of their own, as far as the coordinator can tell, that keep real bytes
//! in memory and speak the wire of pulls, deletes, audits, inventories and reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use coordinator::config::Registration;
use coordinator::garbage::Reclaim;
use coordinator::health::Timings;
use coordinator::upkeep::Upkeep;
use protocol::blob_list::{StoredBlob, unpack_stored};
use protocol::digest::sha256;
use protocol::envelope::commit::SnapshotFlags;
use protocol::id::{BlobId, UploadId};
use protocol::nodes::{HeartbeatResponse, NodesResponse};
use protocol::refs::Reference;
use protocol::routes::coordinator as routes;
use reqwest::StatusCode;
use tokio::net::TcpListener;

use super::wire::{self, Shelf};
use super::{Node, Options, Registered, Server};

/// How long a condition is waited for before a test fails; no test asserts a time.
const PATIENCE: Duration = Duration::from_secs(50);

/// Nothing happens by silence, and everything else soon.
pub(crate) fn soon() -> Options {
    let never = Duration::from_hours(1);
    Options {
        registration: Some(Registration::Open),
        timings: Timings { suspect: never, down: never, out: never, ..Timings::default() },
        upkeep: Upkeep {
            repair_period: Duration::from_millis(50),
            repair_retry: Duration::from_millis(200),
            audit_period: never,
            ..Upkeep::default()
        },
        reclaim: Reclaim { delete_every: Duration::from_millis(50), ..Reclaim::default() },
        ..Options::default()
    }
}

/// The bytes of a blob by a number, and so its id.
pub(crate) fn content(number: u16) -> Vec<u8> {
    number.to_be_bytes().repeat(2080)
}

pub(crate) fn id_of(number: u16) -> BlobId {
    BlobId::from_bytes(sha256(&[&content(number)])).unwrap()
}

/// As nodes store it.
pub(crate) fn stored(number: u16) -> StoredBlob {
    StoredBlob { id: id_of(number), size: 4160, generation: 1 }
}

/// A node with what it keeps.
pub(crate) struct Serving {
    pub(crate) node: Node,
    pub(crate) shelf: Arc<Shelf>,
}

impl std::ops::Deref for Serving {
    type Target = Node;
    fn deref(&self) -> &Node {
        &self.node
    }
}

pub(crate) struct Cluster {
    pub(crate) server: Server,
    pub(crate) operator: Registered,
    pub(crate) nodes: Vec<Serving>,
    peers: wire::Peers,
}

impl Cluster {
    /// With one node in each of these zones.
    pub(crate) async fn start(options: Options, zones: &[&str]) -> Self {
        let server = Server::start_with(options).await;
        let operator = server.register_operator().await;
        let mut cluster = Self { server, operator, nodes: Vec::new(), peers: wire::Peers::default() };
        for zone in zones {
            cluster.add(zone).await;
        }
        cluster
    }

    pub(crate) async fn add(&mut self, zone: &str) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut node = Node::new(zone);
        node.url.clone_from(&url);
        self.peers.lock().unwrap().insert(node.id, url);
        let kept = Arc::new(Shelf::new(&self.server, &node, self.peers.clone()));
        tokio::spawn(wire::serve(listener, kept.clone()));
        node.join(&self.server, &node.join_request(&self.server)).await.expect_status(StatusCode::OK);
        node.beat(&self.server).await;
        self.nodes.push(Serving { node, shelf: kept });
    }

    pub(crate) async fn beat(&self, node: usize) -> HeartbeatResponse {
        self.nodes[node].beat(&self.server).await
    }

    /// Blobs on the nodes that a plan names, as a client puts them there, and a snapshot that needs them.
    pub(crate) async fn back_up(&self, numbers: std::ops::Range<u16>) {
        let upload = self.operator.open(&self.server).await;
        self.store(&self.operator, upload, numbers.clone()).await;
        let ids: BTreeSet<_> = numbers.map(id_of).collect();
        let references: Vec<_> = ids.into_iter().map(|blob| Reference { blob, delta: 1 }).collect();
        let flags = SnapshotFlags::default();
        self.operator
            .try_commit(&self.server, upload, flags, &references)
            .await
            .expect_status(StatusCode::OK);
    }

    /// Plans blobs, puts them on the nodes, and hands in what those sign.
    pub(crate) async fn store(&self, by: &Registered, upload: UploadId, numbers: std::ops::Range<u16>) {
        let contents: BTreeMap<BlobId, Vec<u8>> = numbers.map(|n| (id_of(n), content(n))).collect();
        let ids: Vec<_> = contents.keys().copied().collect();
        let plan = by.plan(&self.server, upload, &ids).await;
        let mut receipts = Vec::new();
        for group in &plan.groups {
            let stored = unpack_stored(&group.blobs).unwrap();
            for target in &group.targets {
                let node = self.nodes.iter().find(|node| node.id == target.node).unwrap();
                for blob in &stored {
                    node.shelf.put(*blob, contents[&blob.id].clone());
                }
                receipts.push(node.receipt(&self.server, &target.grant, &stored).issue(&node.key));
            }
        }
        let answer = by.hand_in(&self.server, upload, receipts).await;
        assert_eq!(answer.refused, []);
    }

    /// The nodes whose copies of a blob the coordinator counts.
    pub(crate) async fn counted(&self, number: u16) -> Vec<usize> {
        let nodes = "SELECT n.public_id FROM replicas r JOIN nodes n ON n.id = r.node_id
                     JOIN blobs b ON b.id = r.blob_id WHERE b.sha256 = $1 ORDER BY n.id";
        let query = sqlx::query_scalar::<_, Vec<u8>>(nodes).bind(id_of(number).as_bytes().to_vec());
        let ids = query.fetch_all(&self.server.state.pool).await.unwrap();
        let place =
            |id: &Vec<u8>| self.nodes.iter().position(|node| node.id.as_bytes()[..] == id[..]).unwrap();
        ids.iter().map(place).collect()
    }

    /// The nodes whose copies of a blob the coordinator counts as it should: those that hold its bytes.
    pub(crate) fn holders(&self, number: u16) -> Vec<usize> {
        let id = id_of(number);
        (0..self.nodes.len())
            .filter(|node| self.nodes[*node].shelf.get(&id) == Some(content(number)))
            .collect()
    }

    /// Waits until the query's text is the expected one.
    pub(crate) async fn wait_for_sql(&self, query: &'static str, expected: &str) {
        self.wait_for(query, async || self.server.sql_value(query).await == expected).await;
    }

    pub(crate) async fn wait_for(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let wait = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "never: {what}");
    }

    /// Nothing is left to be repaired, deleted or looked at, but for walks over everything.
    pub(crate) async fn wait_for_rest(&self) {
        let rest = "SELECT concat((SELECT count(*) FROM repairs), (SELECT count(*) FROM delete_jobs),
                                  (SELECT count(*) FROM sweeps WHERE due_at <= now()))";
        self.wait_for_sql(rest, "000").await;
    }

    /// Something that time alone brings about happened to a node: `out`, `down`, `up` and so on.
    pub(crate) async fn set_state(&self, node: usize, state: &str) {
        let mut conn = self.server.state.connection().await.unwrap();
        let statements = [
            "UPDATE nodes SET state = $2 WHERE public_id = $1",
            "INSERT INTO sweeps (node_id) SELECT id FROM nodes WHERE public_id = $1 AND $2 <> ''
             ON CONFLICT ON CONSTRAINT sweeps_node_key DO UPDATE SET after_blob = 0, due_at = now()",
        ];
        for statement in statements {
            let id = self.nodes[node].id.as_bytes().to_vec();
            sqlx::query(statement).bind(id).bind(state).execute(&mut *conn).await.unwrap();
        }
    }

    pub(crate) async fn status(&self) -> NodesResponse {
        self.operator.get(&self.server, routes::NODES, &[]).await.json()
    }
}
