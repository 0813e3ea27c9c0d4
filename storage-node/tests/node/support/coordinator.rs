//! The coordinator's side of a node's HTTP boundary: joins, heartbeats, the directory, and grants.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::middleware::from_fn;
use axum::routing::post;
use axum::{Json, Router};
use protocol::blob_list::{StoredBlob, digest};
use protocol::bytes::Base64Array;
use protocol::error::ErrorCode;
use protocol::grant::{Grant, Operation};
use protocol::id::{GrantId, NodeId, Pseudonym};
use protocol::nodes::{
    Directory, DirectoryEntry, HeartbeatRequest, HeartbeatResponse, JOIN_ORIGIN, JoinRequest, JoinResponse,
    NodeState, SignedDirectory,
};
use protocol::routes::coordinator as routes;
use protocol::signature::{PublicKey, SigningKey};
use protocol::signed_request::{SignedParts, SignedRequest};
use server::clock::Clock;
use server::error::ApiError;
use server::grants::GrantIssuer;
use server::request_id;
use tokio::task::JoinHandle;

pub const JOIN_TOKEN: &str = "let me in";
pub const WEB_ORIGIN: &str = "https://backup.example";
const ORIGIN: &str = "https://coordinator.example";

/// The coordinator's side: joins, heartbeats, the directory, and grants.
#[derive(Clone)]
pub struct Coordinator(Arc<CoordinatorState>);

struct CoordinatorState {
    key: SigningKey,
    url: String,
    nodes: Mutex<Vec<Member>>,
    next_grant: AtomicU64,
    server: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Clone)]
pub struct Member {
    pub join: JoinRequest,
    pub heartbeats: Vec<HeartbeatRequest>,
}

impl Coordinator {
    pub async fn start() -> Self {
        Self::start_at(0).await
    }

    pub async fn start_at(port: u16) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let coordinator = Self(Arc::new(CoordinatorState {
            key: SigningKey::from_bytes(&[7; 32]),
            url,
            nodes: Mutex::default(),
            next_grant: AtomicU64::new(1),
            server: Mutex::default(),
        }));
        let router = Router::new()
            .route(routes::JOIN.path, post(join))
            .route(routes::HEARTBEAT.path, post(heartbeat))
            .layer(from_fn(request_id::assign))
            .with_state(coordinator.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        *coordinator.0.server.lock().expect("not poisoned") = Some(server);
        coordinator
    }

    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// From now on the coordinator cannot be reached.
    pub async fn stop(&self) {
        let server = self.0.server.lock().expect("not poisoned").take().expect("runs");
        server.abort();
        drop(server.await);
    }

    pub fn members(&self) -> Vec<Member> {
        self.0.nodes.lock().expect("not poisoned").clone()
    }

    pub fn member(&self, node: NodeId) -> Option<Member> {
        self.members().into_iter().find(|member| member.join.node == node)
    }

    /// As a coordinator does that lost its database and kept its key.
    pub fn forget(&self, node: NodeId) {
        self.0.nodes.lock().expect("not poisoned").retain(|member| member.join.node != node);
    }

    fn directory(&self) -> SignedDirectory {
        let nodes = self.members();
        let entries = nodes
            .iter()
            .map(|member| DirectoryEntry { node: member.join.node, url: member.join.url.clone() });
        let directory = Directory {
            issued_ms: nodes.len() as u64,
            web_origins: vec![WEB_ORIGIN.into()],
            nodes: entries.collect(),
        };
        SignedDirectory::issue(&self.0.key, &directory)
    }

    /// A grant as the coordinator gives it, to be changed by the tests that break one of its rules.
    pub fn claims(&self, node: NodeId, op: Operation, blobs: &[StoredBlob]) -> Grant {
        let mut jti = [0; 16];
        jti[..8].copy_from_slice(&self.0.next_grant.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let now = Clock::System.now_s();
        Grant {
            aud: node,
            sub: Pseudonym::from_bytes([9; 16]).expect("not zero"),
            op,
            count: u32::try_from(blobs.len()).expect("few"),
            bytes: blobs.iter().map(|blob| u64::from(blob.size)).sum(),
            digest: Base64Array(digest(blobs)),
            iat: now,
            exp: now + 600,
            jti: GrantId::from_bytes(jti).expect("not zero"),
        }
    }

    pub fn issue(&self, claims: &Grant) -> String {
        GrantIssuer::new(&self.0.key).issue(claims)
    }

    pub fn grant(&self, node: NodeId, op: Operation, blobs: &[StoredBlob]) -> String {
        self.issue(&self.claims(node, op, blobs))
    }
}

async fn join(
    State(coordinator): State<Coordinator>,
    headers: HeaderMap,
    body: bytes::Bytes,
) -> Result<Json<JoinResponse>, ApiError> {
    let join: JoinRequest = serde_json::from_slice(&body).map_err(anyhow::Error::from)?;
    let signed = signature(&headers)?;
    let path_and_query = routes::JOIN.path;
    let parts = SignedParts { origin: JOIN_ORIGIN, method: "POST", path_and_query, body: &body };
    if signed.signer != *join.node.as_bytes() || signed.verify(&join.public_key, parts).is_err() {
        return Err(unauthenticated("not signed by the node that joins"));
    }
    if join.join_token != JOIN_TOKEN {
        return Err(ApiError::new(ErrorCode::InvalidJoinToken, "the join token is wrong"));
    }
    {
        let mut nodes = coordinator.0.nodes.lock().expect("not poisoned");
        match nodes.iter_mut().find(|member| member.join.node == join.node) {
            Some(member) => member.join = join,
            None => nodes.push(Member { join, heartbeats: Vec::new() }),
        }
    }
    Ok(Json(JoinResponse {
        coordinator_key: PublicKey::of(&coordinator.0.key),
        origin: ORIGIN.into(),
        directory: coordinator.directory(),
    }))
}

fn signature(headers: &HeaderMap) -> Result<SignedRequest, ApiError> {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    header.and_then(SignedRequest::from_header).ok_or_else(|| unauthenticated("not signed"))
}

fn unauthenticated(why: &'static str) -> ApiError {
    ApiError::new(ErrorCode::Unauthenticated, why)
}

async fn heartbeat(
    State(coordinator): State<Coordinator>,
    headers: HeaderMap,
    body: bytes::Bytes,
) -> Result<Json<HeartbeatResponse>, ApiError> {
    let signed = signature(&headers)?;
    let path_and_query = routes::HEARTBEAT.path;
    let parts = SignedParts { origin: ORIGIN, method: "POST", path_and_query, body: &body };
    let mut nodes = coordinator.0.nodes.lock().expect("not poisoned");
    let member = nodes.iter_mut().find(|member| *member.join.node.as_bytes() == signed.signer);
    let member = member.ok_or_else(|| unauthenticated("no node has this id"))?;
    signed.verify(&member.join.public_key, parts).map_err(|_| unauthenticated("a wrong signature"))?;
    member.heartbeats.push(serde_json::from_slice(&body).map_err(anyhow::Error::from)?);
    drop(nodes);
    Ok(Json(HeartbeatResponse { state: NodeState::Up, directory: coordinator.directory() }))
}
