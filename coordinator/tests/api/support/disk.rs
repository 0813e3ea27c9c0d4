//! What a node stores, as far as its signed word goes, and the part of a node that deletes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use coordinator::state::AppState;
use protocol::blob_list::{StoredBlob, digest, unpack_stored};
use protocol::grant::Operation;
use protocol::id::{BlobId, NodeId, StoreId};
use protocol::maintenance::{DeleteRequest, DeleteResponse};
use protocol::receipt::Receipt;
use protocol::routes::storage_node as routes;
use protocol::signature::{PublicKey, SigningKey};
use server::grants::GrantVerifier;
use tokio::net::TcpListener;

use super::{Node, Server};

/// The generation of each blob that a node has signed for and was not told to delete.
#[derive(Default)]
pub(crate) struct Disk {
    stored: Mutex<BTreeMap<BlobId, u32>>,
    stuck: AtomicBool,
}

impl Disk {
    pub(crate) fn put(&self, blobs: &[StoredBlob]) {
        let mut stored = self.stored.lock().unwrap();
        for blob in blobs {
            let generation = stored.entry(blob.id).or_default();
            *generation = blob.generation.max(*generation);
        }
    }

    /// Deletes what is stored up to the named generation, and nothing above it.
    pub(crate) fn delete(&self, blob: &StoredBlob) {
        let mut stored = self.stored.lock().unwrap();
        if stored.get(&blob.id).is_some_and(|generation| *generation <= blob.generation) {
            stored.remove(&blob.id);
        }
    }

    pub(crate) fn generation(&self, blob: &BlobId) -> Option<u32> {
        self.stored.lock().unwrap().get(blob).copied()
    }

    /// Whether the node refuses to delete.
    pub(crate) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct Deleting {
    coordinator: AppState,
    id: NodeId,
    store: StoreId,
    key: SigningKey,
    disk: Arc<Disk>,
}

impl Node {
    /// A node that joined, was heard of, and deletes when told to.
    pub(crate) async fn deleting(server: &Server, zone: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let mut node = Self::new(zone);
        node.url = url;
        let state = Deleting {
            coordinator: server.state.clone(),
            id: node.id,
            store: node.store,
            key: node.key.clone(),
            disk: node.disk.clone(),
        };
        let router = Router::new().route(routes::DELETE.path, post(delete)).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        node.join(server, &node.join_request(server)).await.expect_status(reqwest::StatusCode::OK);
        node.beat(server).await;
        node
    }
}

async fn delete(
    State(node): State<Deleting>,
    Json(request): Json<DeleteRequest>,
) -> Result<Json<DeleteResponse>, StatusCode> {
    if node.disk.stuck.load(Ordering::Relaxed) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let clock = &node.coordinator.clock;
    let coordinator = PublicKey::of(&node.coordinator.secrets.signing_key);
    let grant = GrantVerifier::new(&coordinator, node.id).verify(&request.grant, clock.now_s()).unwrap();
    let blobs = unpack_stored(&request.blobs).unwrap();
    assert_eq!((grant.op, grant.digest.0), (Operation::Delete, digest(&blobs)));
    for blob in &blobs {
        node.disk.delete(blob);
    }
    let receipt = Receipt {
        node: node.id,
        store: node.store,
        sub: grant.sub,
        grant: grant.jti,
        op: grant.op,
        time_ms: clock.now_ms(),
        blobs,
    };
    Ok(Json(DeleteResponse { receipt: receipt.issue(&node.key) }))
}
