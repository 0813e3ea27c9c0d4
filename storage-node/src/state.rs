//! What all of a node's handlers and tasks share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use configuration::Secret;
use protocol::blob_list::StoredBlob;
use protocol::error::ErrorCode;
use protocol::grant::Grant;
use protocol::id::{BlobId, NodeId};
use protocol::nodes::NodeState;
use protocol::receipt::Receipt;
use server::clock::Clock;
use server::error::ApiError;
use server::metrics::Readers;
use tls::Roots;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::admission::{Gate, RefusalCounts, Wanted, WriteState};
use crate::budget::Budgets;
use crate::cluster::{Cluster, CurrentCluster};
use crate::config::Config;
use crate::identity::Identity;
use crate::metrics::Meters;
use crate::peers::Peers;
use crate::store::{Store, StoreError, VerifiedBlob};

const DAY_MS: u64 = 24 * 3_600_000;

/// A running node.
pub(crate) struct Node {
    pub(crate) config: Config,
    /// Whom it trusts where it calls others.
    pub(crate) roots: Roots,
    pub(crate) clock: Clock,
    pub(crate) identity: Identity,
    pub(crate) store: Store,
    pub(crate) cluster: CurrentCluster,
    pub(crate) gate: Gate,
    pub(crate) meters: Meters,
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
    /// When `directory.json` is there and cannot be used, or the token for metrics is not there.
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
        let roots = config.tls.roots()?;
        let readers = Readers::new(config.metrics_token.read()?.as_ref().map(Secret::expose));
        let meters = Meters::new(readers, clock.now_ms());
        store.observe_syncs(meters.syncs());
        let limits = &config.limits;
        let budgets = Budgets::new(limits.grant_budget, limits.grants_max);
        Ok(Self {
            gate: Gate { budgets, refusals: RefusalCounts::default() },
            meters,
            peers: Peers::new(&config.public_url, &roots).context("cannot make an HTTP client")?,
            memory: Arc::new(Semaphore::new(limits.in_flight_bytes as usize)),
            requests: Arc::new(Semaphore::new(limits.requests_max)),
            state: Mutex::new(None),
            config,
            roots,
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
            Ok(WriteState { read_only: self.read_only().is_some(), free_bytes: space.free_bytes })
        })
    }

    /// Why the node takes no writes: its store cannot, or its disk seems to lose what is written.
    pub(crate) fn read_only(&self) -> Option<String> {
        let damaged = self.store.damaged_since(self.clock.now_ms().saturating_sub(DAY_MS));
        let too_many = damaged > self.config.limits.damaged_max;
        self.store
            .status()
            .read_only
            .or_else(|| too_many.then(|| format!("{damaged} damaged blobs within a day")))
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

    /// The node's word that what the grant allows is done, durably, for these blobs.
    pub(crate) fn receipt(&self, grant: &Grant, blobs: &[StoredBlob]) -> Receipt {
        Receipt {
            node: self.id(),
            store: self.store.id(),
            sub: grant.sub,
            grant: grant.jti,
            op: grant.op,
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
        let storing = async move {
            let (number, bytes) =
                (blobs.len() as u64, blobs.iter().map(|blob| blob.bytes().len() as u64).sum());
            let result = node.store.put(blobs).await;
            drop(memory);
            if result.is_ok() {
                node.meters.written.add(number, bytes);
            }
            result
        };
        let task = tokio::spawn(storing.in_current_span());
        async move { task.await.context("storing panicked")?.map_err(store_error) }
    }

    /// A blob's bytes for who asked for them; none if it is not here, or its record is damaged.
    pub(crate) async fn read(&self, id: &BlobId) -> Result<Option<Bytes>, StoreError> {
        let bytes = self.store.read(id).await?;
        if let Some(bytes) = &bytes {
            self.meters.read.add(1, bytes.len() as u64);
        }
        Ok(bytes)
    }

    /// Many at once.
    pub(crate) async fn read_together(&self, ids: &[BlobId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let read = self.store.read_together(ids).await?;
        for bytes in read.iter().flatten() {
            self.meters.read.add(1, bytes.len() as u64);
        }
        Ok(read)
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
pub(crate) fn store_error(error: StoreError) -> ApiError {
    match error {
        StoreError::Full => ApiError::new(ErrorCode::InsufficientStorage, "the node's disk is full"),
        StoreError::ReadOnly(_) => {
            ApiError::new(ErrorCode::Unavailable, "the node takes no writes until it is restarted")
        }
        StoreError::Unreachable(reason) => {
            ApiError::new(ErrorCode::Unavailable, format!("the node's cloud: {reason}"))
        }
        StoreError::Cloud(error) => {
            tracing::warn!(%error, "the cloud");
            ApiError::new(ErrorCode::Unavailable, format!("the node's cloud: {error}"))
        }
        StoreError::Deleted(id) => {
            let message = format!("blob {id} was deleted at a higher generation; ask for a new grant");
            ApiError::new(ErrorCode::InvalidGrant, message)
        }
        StoreError::Closing => ApiError::new(ErrorCode::Unavailable, "the node is stopping"),
        other => ApiError::Internal(other.into()),
    }
}
