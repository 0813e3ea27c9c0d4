//! What the node knows of its cluster: the coordinator's key, and the directory that it signed.
//! Kept in `directory.json`, so that a node serves while the coordinator is away.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use protocol::id::NodeId;
use protocol::nodes::{Directory, JoinResponse, SignedDirectory};
use protocol::signature::PublicKey;
use serde::{Deserialize, Serialize};
use server::grants::GrantVerifier;

use crate::store::replace_file;

/// Where a node joined, and as what: the content of `directory.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Membership {
    /// The URL that the coordinator was told.
    pub(crate) url: String,
    /// The zone that it was told.
    pub(crate) zone: String,
    pub(crate) joined: JoinResponse,
}

/// A verified [`Membership`].
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) membership: Membership,
    pub(crate) grants: GrantVerifier,
    pub(crate) directory: Directory,
}

impl Cluster {
    /// # Errors
    /// When the directory is not signed by the coordinator's key.
    pub(crate) fn new(membership: Membership, node: NodeId) -> anyhow::Result<Self> {
        let key = membership.joined.coordinator_key;
        let directory = membership.joined.directory.verify(&key).context("the coordinator's directory")?;
        Ok(Self { membership, grants: GrantVerifier::new(&key, node), directory })
    }

    pub(crate) fn load(path: &Path, node: NodeId) -> anyhow::Result<Option<Self>> {
        match fs::read(path) {
            Ok(bytes) => {
                let membership = serde_json::from_slice(&bytes);
                let membership = membership.with_context(|| format!("{} is damaged", path.display()))?;
                Ok(Some(Self::new(membership, node)?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        Ok(replace_file(path, &serde_json::to_vec_pretty(&self.membership)?)?)
    }

    pub(crate) fn coordinator_key(&self) -> PublicKey {
        self.membership.joined.coordinator_key
    }

    /// The cluster with a newer directory; none if this one is not newer.
    pub(crate) fn renewed(&self, signed: SignedDirectory, node: NodeId) -> anyhow::Result<Option<Self>> {
        if signed == self.membership.joined.directory {
            return Ok(None);
        }
        let directory = signed.verify(&self.coordinator_key()).context("the coordinator's directory")?;
        if directory.issued_ms <= self.directory.issued_ms {
            return Ok(None);
        }
        let mut membership = self.membership.clone();
        membership.joined.directory = signed;
        Ok(Some(Self::new(membership, node)?))
    }

    /// A node's URL, from the signed directory alone.
    pub(crate) fn url_of(&self, node: NodeId) -> Option<&str> {
        self.directory.nodes.iter().find(|entry| entry.node == node).map(|entry| entry.url.as_str())
    }
}

/// The cluster as it is known now; none before the node has joined.
#[derive(Debug, Clone, Default)]
pub(crate) struct CurrentCluster(Arc<RwLock<Option<Arc<Cluster>>>>);

impl CurrentCluster {
    pub(crate) fn get(&self) -> Option<Arc<Cluster>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, cluster: Cluster) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(cluster));
    }

    /// Whether pages of this origin may talk to the node.
    pub(crate) fn allows_origin(&self, origin: &[u8]) -> bool {
        self.get().is_some_and(|cluster| {
            cluster.directory.web_origins.iter().any(|allowed| allowed.as_bytes() == origin)
        })
    }
}
