//! Who this node is: `node.json` in its folder, made on the first start and never changed.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use protocol::bytes::Base64Array;
use protocol::id::{BootId, NodeId, StoreId};
use protocol::signature::{PublicKey, SigningKey};
use serde::{Deserialize, Serialize};

use crate::store::replace_file;

const FORMAT: u32 = 1;

/// The content of `node.json`; `seed` is secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityFile {
    format: u32,
    node_id: NodeId,
    store_id: StoreId,
    seed: Base64Array<32>,
}

/// A node's ids and key.
pub(crate) struct Identity {
    node: NodeId,
    store: StoreId,
    boot: BootId,
    key: SigningKey,
}

impl Identity {
    /// Reads `node.json`; without one, and without packs, makes a new identity.
    pub(crate) fn load_or_create(data: &Path) -> anyhow::Result<Self> {
        let path = data.join("node.json");
        let file = match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(data, &path)?,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let IdentityFile { format, node_id, store_id, seed } = file;
        ensure!(format == FORMAT, "{} is of format {format}, this program knows {FORMAT}", path.display());
        let boot = BootId::from_bytes(random()?)?;
        Ok(Self { node: node_id, store: store_id, boot, key: SigningKey::from_bytes(&seed.0) })
    }

    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    pub(crate) fn store(&self) -> StoreId {
        self.store
    }

    /// This start of the process.
    pub(crate) fn boot(&self) -> BootId {
        self.boot
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey::of(&self.key)
    }
}

fn create(data: &Path, path: &Path) -> anyhow::Result<IdentityFile> {
    let packs = data.join("packs");
    if fs::read_dir(&packs).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} has packs but no node.json: put it back, or move the packs away", data.display());
    }
    fs::create_dir_all(data).with_context(|| format!("cannot make the folder {}", data.display()))?;
    let file = IdentityFile {
        format: FORMAT,
        node_id: NodeId::from_bytes(random()?)?,
        store_id: StoreId::from_bytes(random()?)?,
        seed: Base64Array(random()?),
    };
    replace_file(path, &serde_json::to_vec_pretty(&file)?)?;
    Ok(file)
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the system has no random bytes")?;
    Ok(bytes)
}
