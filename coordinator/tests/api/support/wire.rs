//! The wire of a storage node, over bytes in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use coordinator::random;
use protocol::blob_list::{StoredBlob, pack_stored, unpack_stored};
use protocol::bytes::{Base64, Base64Array};
use protocol::data_plane::ReadRequest;
use protocol::digest::sha256;
use protocol::grant::{Grant, Operation};
use protocol::id::{BlobId, NodeId, StoreId};
use protocol::maintenance::{
    AuditRequest, AuditResponse, DeleteRequest, DeleteResponse, INVENTORY_PARTS, PullRequest, PullResponse,
    audit_digest, inventory_digest,
};
use protocol::receipt::Receipt;
use protocol::routes::storage_node as routes;
use protocol::signature::{PublicKey, SigningKey};
use server::clock::Clock;
use server::grants::GrantVerifier;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Node, Server};

/// URLs of the nodes of a test, as the signed directory would tell them.
pub(crate) type Peers = Arc<Mutex<BTreeMap<NodeId, String>>>;

/// What a node keeps, and what it does with it.
pub(crate) struct Shelf {
    node: NodeId,
    store: Mutex<StoreId>,
    key: SigningKey,
    verifier: GrantVerifier,
    clock: Clock,
    peers: Peers,
    http: reqwest::Client,
    blobs: Mutex<BTreeMap<BlobId, (u32, Vec<u8>)>>,
    /// Answers nothing any more.
    dead: Mutex<bool>,
    /// Keeps what it pulled to itself.
    silent: watch::Sender<bool>,
    /// Every operation that it did, in order.
    done: Mutex<Vec<Operation>>,
}

type Answer<T> = Result<T, StatusCode>;

impl Shelf {
    pub(crate) fn new(server: &Server, node: &Node, peers: Peers) -> Self {
        let coordinator = PublicKey::of(&server.state.secrets.signing_key);
        Self {
            node: node.id,
            store: Mutex::new(node.store),
            key: node.key.clone(),
            verifier: GrantVerifier::new(&coordinator, node.id),
            clock: server.state.clock.clone(),
            peers,
            http: testkit::http(),
            blobs: Mutex::default(),
            dead: Mutex::default(),
            silent: watch::Sender::new(false),
            done: Mutex::default(),
        }
    }

    pub(crate) fn put(&self, blob: StoredBlob, content: Vec<u8>) {
        assert_eq!((sha256(&[&content]), content.len()), (*blob.id.as_bytes(), blob.size as usize));
        self.blobs.lock().unwrap().insert(blob.id, (blob.generation, content));
    }

    pub(crate) fn get(&self, id: &BlobId) -> Option<Vec<u8>> {
        self.blobs.lock().unwrap().get(id).map(|(_, content)| content.clone())
    }

    /// Loses a blob without noticing.
    pub(crate) fn forget(&self, id: &BlobId) {
        assert!(self.blobs.lock().unwrap().remove(id).is_some());
    }

    /// Flips a bit without noticing.
    pub(crate) fn damage(&self, id: &BlobId) {
        self.blobs.lock().unwrap().get_mut(id).unwrap().1[100] ^= 1;
    }

    /// Comes back with an empty store.
    pub(crate) fn wipe(&self) {
        self.blobs.lock().unwrap().clear();
        *self.store.lock().unwrap() = random::id(StoreId::from_bytes);
    }

    pub(crate) fn store(&self) -> StoreId {
        *self.store.lock().unwrap()
    }

    pub(crate) fn die(&self) {
        *self.dead.lock().unwrap() = true;
    }

    pub(crate) fn revive(&self) {
        *self.dead.lock().unwrap() = false;
    }

    /// Whether it keeps to itself, for now, that it pulled something.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    /// How many blobs it keeps.
    pub(crate) fn len(&self) -> usize {
        self.blobs.lock().unwrap().len()
    }

    pub(crate) fn count(&self, op: Operation) -> usize {
        self.done.lock().unwrap().iter().filter(|done| **done == op).count()
    }

    /// The grant, if it is for this operation and list.
    fn admit(&self, token: &str, op: Operation, blobs: &[StoredBlob]) -> Answer<Grant> {
        if *self.dead.lock().unwrap() {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        let grant = self.verifier.verify(token, self.clock.now_s()).map_err(|_| StatusCode::FORBIDDEN)?;
        let bytes: u64 = blobs.iter().map(|blob| u64::from(blob.size)).sum();
        let fits = grant.op == op && grant.digest.0 == protocol::blob_list::digest(blobs);
        if !fits || grant.count as usize != blobs.len() || grant.bytes != bytes {
            return Err(StatusCode::FORBIDDEN);
        }
        self.done.lock().unwrap().push(op);
        Ok(grant)
    }

    fn receipt(&self, grant: &Grant, blobs: Vec<StoredBlob>) -> Base64 {
        let receipt = Receipt {
            node: self.node,
            store: self.store(),
            sub: grant.sub,
            grant: grant.jti,
            op: grant.op,
            time_ms: self.clock.now_ms(),
            blobs,
        };
        receipt.issue(&self.key)
    }

    fn list(&self) -> Vec<StoredBlob> {
        let blobs = self.blobs.lock().unwrap();
        let stored = |(id, (generation, content)): (&BlobId, &(u32, Vec<u8>))| StoredBlob {
            id: *id,
            size: content.len() as u32,
            generation: *generation,
        };
        blobs.iter().map(stored).collect()
    }

    /// One blob of another node, if its bytes are right.
    async fn fetch(&self, request: &PullRequest, place: usize, blob: StoredBlob) -> Option<Vec<u8>> {
        let url = self.peers.lock().unwrap().get(&request.from).cloned()?;
        let read = ReadRequest {
            grant: request.from_grant.clone(),
            blobs: request.blobs.clone(),
            wanted: vec![place as u32],
        };
        let response = self.http.post(format!("{url}{}", routes::READ_BLOBS.path)).json(&read).send().await;
        let content = response.ok()?.error_for_status().ok()?.bytes().await.ok()?.to_vec();
        (sha256(&[&content]) == *blob.id.as_bytes()).then_some(content)
    }
}

pub(crate) async fn serve(listener: TcpListener, shelf: Arc<Shelf>) {
    let router = Router::new()
        .route(routes::PULL.path, post(pull))
        .route(routes::DELETE.path, post(delete))
        .route(routes::AUDIT.path, post(audit))
        .route(routes::READ_BLOBS.path, post(read))
        .route(routes::INVENTORY.path, get(inventory))
        .route(routes::INVENTORY_PART.path, get(inventory_part))
        .with_state(shelf);
    axum::serve(listener, router).await.unwrap();
}

async fn pull(
    State(shelf): State<Arc<Shelf>>,
    Json(request): Json<PullRequest>,
) -> Answer<Json<PullResponse>> {
    let blobs = unpack_stored(&request.blobs).unwrap();
    let grant = shelf.admit(&request.grant, Operation::Pull, &blobs)?;
    let (mut stored, mut failed) = (Vec::new(), Vec::new());
    for (place, blob) in blobs.into_iter().enumerate() {
        match shelf.fetch(&request, place, blob).await {
            Some(content) => {
                shelf.put(blob, content);
                stored.push(blob);
            }
            None => failed.push(place as u32),
        }
    }
    shelf.silent.subscribe().wait_for(|silent| !silent).await.unwrap();
    let receipt = (!stored.is_empty()).then(|| shelf.receipt(&grant, stored));
    Ok(Json(PullResponse { receipt, failed }))
}

async fn delete(
    State(shelf): State<Arc<Shelf>>,
    Json(request): Json<DeleteRequest>,
) -> Answer<Json<DeleteResponse>> {
    let blobs = unpack_stored(&request.blobs).unwrap();
    let grant = shelf.admit(&request.grant, Operation::Delete, &blobs)?;
    for blob in &blobs {
        let mut kept = shelf.blobs.lock().unwrap();
        if kept.get(&blob.id).is_some_and(|(generation, _)| *generation <= blob.generation) {
            kept.remove(&blob.id);
        }
    }
    Ok(Json(DeleteResponse { receipt: shelf.receipt(&grant, blobs) }))
}

async fn audit(
    State(shelf): State<Arc<Shelf>>,
    Json(request): Json<AuditRequest>,
) -> Answer<Json<AuditResponse>> {
    let blobs = unpack_stored(&request.blobs).unwrap();
    shelf.admit(&request.grant, Operation::Audit, &blobs)?;
    let proof = |blob: &StoredBlob| {
        shelf.get(&blob.id).map(|content| Base64Array(audit_digest(&request.nonce.0, &content)))
    };
    Ok(Json(AuditResponse { digests: blobs.iter().map(proof).collect() }))
}

async fn read(State(shelf): State<Arc<Shelf>>, Json(request): Json<ReadRequest>) -> Answer<Vec<u8>> {
    let blobs = unpack_stored(&request.blobs).unwrap();
    shelf.admit(&request.grant, Operation::Get, &blobs)?;
    let wanted = request.wanted.iter().map(|place| shelf.get(&blobs[*place as usize].id));
    Ok(wanted.collect::<Option<Vec<_>>>().ok_or(StatusCode::NOT_FOUND)?.concat())
}

fn bearer(headers: &HeaderMap) -> &str {
    headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap()
}

async fn inventory(State(shelf): State<Arc<Shelf>>, headers: HeaderMap) -> Answer<Vec<u8>> {
    shelf.admit(bearer(&headers), Operation::Inventory, &[])?;
    let mut parts = vec![[0_u8; 32]; INVENTORY_PARTS];
    for blob in shelf.list() {
        let digest = inventory_digest(&blob.id, blob.generation);
        for (sum, byte) in parts[usize::from(blob.id.as_bytes()[0])].iter_mut().zip(digest) {
            *sum ^= byte;
        }
    }
    Ok(parts.concat())
}

async fn inventory_part(
    State(shelf): State<Arc<Shelf>>,
    Path(prefix): Path<String>,
    headers: HeaderMap,
) -> Answer<Bytes> {
    shelf.admit(bearer(&headers), Operation::Inventory, &[])?;
    let part = u8::from_str_radix(&prefix, 16).unwrap();
    let mut blobs = shelf.list();
    blobs.retain(|blob| blob.id.as_bytes()[0] == part);
    Ok(Bytes::from(pack_stored(&blobs).0))
}
