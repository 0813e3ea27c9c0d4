//! What all of a node's handlers and tasks share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use protocol::error::ErrorCode;
use protocol::grant::{Grant, Operation};
use protocol::id::NodeId;
use protocol::nodes::NodeState;
use protocol::receipt::Receipt;
use server::clock::Clock;
use server::error::ApiError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::admission::{Gate, RefusalCounts, Wanted, WriteState};
use crate::budget::Budgets;
use crate::cluster::{Cluster, CurrentCluster};
use crate::config::Config;
use crate::identity::Identity;
use crate::peers::Peers;
use crate::store::{Store, VerifiedBlob};

/// A running node.
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) identity: Identity,
    pub(crate) store: Store,
    pub(crate) cluster: CurrentCluster,
    pub(crate) gate: Gate,
    /// For requests to other nodes.
    pub(crate) peers: Peers,
    /// Room for blobs in memory, in bytes.
    memory: Arc<Semaphore>,
    pub(crate) requests: Arc<Semaphore>,
    /// What the coordinator answered to the last heartbeat.
    state: Mutex<Option<NodeState>>,
}

impl Node {
    /// # Errors
    /// When `directory.json` is there and cannot be used.
    pub(crate) fn new(
        config: Config,
        clock: Clock,
        identity: Identity,
        store: Store,
    ) -> anyhow::Result<Self> {
        let cluster = CurrentCluster::default();
        if let Some(known) = Cluster::load(&directory_path(&config), identity.node())? {
            cluster.set(known);
        }
        let limits = &config.limits;
        let budgets = Budgets::new(limits.grant_budget, limits.grants_max);
        Ok(Self {
            gate: Gate { budgets, refusals: RefusalCounts::default() },
            peers: Peers::new(&config.public_url).context("cannot make an HTTP client")?,
            memory: Arc::new(Semaphore::new(limits.in_flight_bytes as usize)),
            requests: Arc::new(Semaphore::new(limits.requests_max)),
            state: Mutex::new(None),
            config,
            clock,
            identity,
            store,
            cluster,
        })
    }

    pub(crate) fn id(&self) -> NodeId {
        self.identity.node()
    }

    /// The cluster, once the node has joined.
    pub(crate) fn joined(&self) -> Result<Arc<Cluster>, ApiError> {
        self.cluster.get().ok_or_else(|| ApiError::new(ErrorCode::Unavailable, "the node has not joined yet"))
    }

    pub(crate) fn directory_path(&self) -> PathBuf {
        directory_path(&self.config)
    }

    /// Checks what a request wants against its grant.
    pub(crate) fn admit(&self, cluster: &Cluster, wanted: &Wanted<'_>) -> Result<Grant, ApiError> {
        self.gate.admit(&cluster.grants, wanted, self.clock.now_s(), || {
            let space = self.store.space().map_err(anyhow::Error::from)?;
            let read_only = self.store.status().read_only.is_some();
            Ok(WriteState { read_only, free_bytes: space.free_bytes })
        })
    }

    /// Room in memory for so many bytes of blobs, until the permit is dropped. 503 when there is none soon.
    pub(crate) async fn reserve_memory(&self, bytes: u64) -> Result<OwnedSemaphorePermit, ApiError> {
        let shed = || ApiError::new(ErrorCode::Unavailable, "the node is busy");
        let bytes = u32::try_from(bytes).map_err(|_| shed())?.min(self.config.limits.in_flight_bytes);
        let patience = Duration::from_millis(self.config.limits.shed_after_ms);
        let permit = timeout(patience, Arc::clone(&self.memory).acquire_many_owned(bytes)).await;
        permit.map_err(|_| shed())?.map_err(|_| shed())
    }

    pub(crate) fn in_flight_bytes(&self) -> u64 {
        let total = self.config.limits.in_flight_bytes as usize;
        (total - self.memory.available_permits().min(total)) as u64
    }

    /// The node's word that it holds these blobs.
    pub(crate) fn receipt(&self, grant: &Grant, blobs: &[protocol::blob_list::StoredBlob]) -> Receipt {
        Receipt {
            node: self.id(),
            store: self.store.id(),
            sub: grant.sub,
            grant: grant.jti,
            op: Operation::Put,
            time_ms: self.clock.now_ms(),
            blobs: blobs.to_vec(),
        }
    }

    /// Stores blobs in a task of its own, which goes on when the client leaves; `memory` is held meanwhile.
    pub(crate) fn store_blobs(
        self: &Arc<Self>,
        blobs: Vec<VerifiedBlob>,
        memory: Arc<OwnedSemaphorePermit>,
    ) -> impl Future<Output = Result<(), ApiError>> + Send + use<> {
        let node = Arc::clone(self);
        let task = tokio::spawn(async move {
            let result = node.store.put(blobs).await;
            drop(memory);
            result
        });
        async move { task.await.context("storing panicked")?.map_err(store_error) }
    }

    /// What the coordinator thought of this node at its last heartbeat.
    pub(crate) fn state(&self) -> Option<NodeState> {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_state(&self, state: Option<NodeState>) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

fn directory_path(config: &Config) -> PathBuf {
    config.data.join("directory.json")
}

/// What clients are told of the store's troubles.
pub(crate) fn store_error(error: crate::store::StoreError) -> ApiError {
    use crate::store::StoreError;
    match error {
        StoreError::Full => ApiError::new(ErrorCode::InsufficientStorage, "the node's disk is full"),
        StoreError::ReadOnly(_) => {
            ApiError::new(ErrorCode::Unavailable, "the node takes no writes until it is restarted")
        }
        StoreError::Closing => ApiError::new(ErrorCode::Unavailable, "the node is stopping"),
        other => ApiError::Internal(other.into()),
    }
}
