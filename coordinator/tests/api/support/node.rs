//! A node, as far as the coordinator can tell: a key that signs heartbeats and receipts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coordinator::random;
use protocol::blob_list::StoredBlob;
use protocol::bytes::Base64;
use protocol::grant::{Grant, Operation};
use protocol::id::{BootId, NodeId, StoreId};
use protocol::nodes::{HeartbeatRequest, HeartbeatResponse, JOIN_ORIGIN, JoinRequest, Medium, Scrub};
use protocol::receipt::Receipt;
use protocol::routes::{Route, coordinator as routes};
use protocol::signature::{PublicKey, SigningKey};
use protocol::signed_request::{SignedParts, SignedRequest};
use reqwest::StatusCode;
use server::grants::GrantVerifier;

use super::{Answer, Disk, Server};

pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) key: SigningKey,
    pub(crate) store: StoreId,
    pub(crate) boot: BootId,
    pub(crate) zone: String,
    pub(crate) url: String,
    pub(crate) disk: Arc<Disk>,
    sequence: AtomicU64,
}

impl Node {
    pub(crate) fn new(zone: &str) -> Self {
        Self {
            id: random::id(NodeId::from_bytes),
            key: SigningKey::from_bytes(&random::bytes()),
            store: random::id(StoreId::from_bytes),
            boot: random::id(BootId::from_bytes),
            zone: zone.into(),
            url: format!("http://{zone}.localhost:9000"),
            disk: Arc::default(),
            sequence: AtomicU64::new(0),
        }
    }

    /// A node that joined and was heard of.
    pub(crate) async fn up(server: &Server, zone: &str) -> Self {
        let node = Self::new(zone);
        node.join(server, &node.join_request(server)).await.expect_status(StatusCode::OK);
        node.heartbeat(server, &node.next_heartbeat()).await.expect_status(StatusCode::OK);
        node
    }

    pub(crate) fn join_request(&self, server: &Server) -> JoinRequest {
        JoinRequest {
            join_token: server.join_token(),
            node: self.id,
            public_key: PublicKey::of(&self.key),
            url: self.url.clone(),
            zone: self.zone.clone(),
            machine: "machine".into(),
            medium: Medium::Disk,
            store: self.store,
        }
    }

    pub(crate) async fn join(&self, server: &Server, request: &JoinRequest) -> Answer {
        let body = serde_json::to_vec(request).unwrap();
        let authorization = self.sign_join(&body, server.state.clock.now_ms());
        self.post_join(server, &authorization, body).await
    }

    pub(crate) fn sign_join(&self, body: &[u8], time_ms: u64) -> String {
        self.sign_for(routes::JOIN, JOIN_ORIGIN, body, time_ms)
    }

    pub(crate) async fn post_join(&self, server: &Server, authorization: &str, body: Vec<u8>) -> Answer {
        let request = server.call(routes::JOIN, &[]).header("authorization", authorization).body(body);
        Answer::read(request).await
    }

    pub(crate) fn next_heartbeat(&self) -> HeartbeatRequest {
        HeartbeatRequest {
            boot: self.boot,
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed) + 1,
            store: self.store,
            read_only: None,
            capacity_bytes: 1 << 40,
            free_bytes: 1 << 39,
            used_bytes: 0,
            blobs: 0,
            in_flight_bytes: 0,
            sync_p99_us: 100,
            time_ms: 0,
            damaged: Base64::default(),
            scrub: Scrub::default(),
        }
    }

    pub(crate) fn sign(&self, server: &Server, body: &[u8], time_ms: u64) -> String {
        self.sign_for(routes::HEARTBEAT, &server.origin, body, time_ms)
    }

    fn sign_for(&self, route: Route, origin: &str, body: &[u8], time_ms: u64) -> String {
        let parts = SignedParts { origin, method: route.method, path_and_query: route.path, body };
        SignedRequest::sign(&self.key, *self.id.as_bytes(), parts, time_ms, random::bytes()).to_header()
    }

    pub(crate) async fn heartbeat(&self, server: &Server, heartbeat: &HeartbeatRequest) -> Answer {
        let body = serde_json::to_vec(heartbeat).unwrap();
        let authorization = self.sign(server, &body, server.state.clock.now_ms());
        self.post_heartbeat(server, &authorization, body).await
    }

    pub(crate) async fn post_heartbeat(&self, server: &Server, authorization: &str, body: Vec<u8>) -> Answer {
        let request = server.call(routes::HEARTBEAT, &[]).header("authorization", authorization).body(body);
        Answer::read(request).await
    }

    /// Heard of again.
    pub(crate) async fn beat(&self, server: &Server) -> HeartbeatResponse {
        self.heartbeat(server, &self.next_heartbeat()).await.json()
    }

    pub(crate) fn read_grant(&self, server: &Server, grant: &str) -> Grant {
        let key = PublicKey::of(&server.state.secrets.signing_key);
        GrantVerifier::new(&key, self.id).verify(grant, server.state.clock.now_s()).unwrap()
    }

    /// The receipt that this node gives for blobs stored under a grant, which it stores by that.
    pub(crate) fn receipt(&self, server: &Server, grant: &str, blobs: &[StoredBlob]) -> Receipt {
        let grant = self.read_grant(server, grant);
        self.disk.put(blobs);
        Receipt {
            node: self.id,
            store: self.store,
            sub: grant.sub,
            grant: grant.jti,
            op: Operation::Put,
            time_ms: server.state.clock.now_ms(),
            blobs: blobs.to_vec(),
        }
    }
}
