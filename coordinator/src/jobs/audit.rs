//! Audits: nodes prove that they have a random sample of what they should have, by hashing it with a nonce that they
//! cannot have known. The coordinator computes the same from a copy that it reads and verifies.

use std::collections::BTreeMap;

use protocol::blob_list::StoredBlob;
use protocol::maintenance::audit_digest;

use super::copy::lose;
use super::repeat;
use crate::db::inventories::Check;
use crate::db::nodes::NodeRow;
use crate::db::repairs::Holding;
use crate::db::{self, DbError, NodeKey};
use crate::events::News;
use crate::random;
use crate::state::{App, commit};

/// Audits until the program stops.
pub async fn run(app: &App) {
    repeat(app, app.settings.upkeep.repair_period, "audit", || step(app)).await;
}

/// One node that is due. False if none is.
async fn step(app: &App) -> Result<bool, DbError> {
    let upkeep = app.settings.upkeep;
    let mut conn = app.connection().await?;
    let claimed = db::inventories::claim(&mut conn, Check::Audit, upkeep.audit_period).await?;
    let Some(key) = claimed else { return Ok(false) };
    let sample = db::inventories::sample(&mut conn, key, &random::bytes(), upkeep.audit_blobs).await?;
    let holdings = db::repairs::list_holdings(&mut conn, &sample).await?;
    let nodes = db::nodes::list(&mut conn).await?;
    drop(conn);
    let nodes: BTreeMap<NodeKey, NodeRow> = nodes.into_iter().map(|node| (node.key, node)).collect();
    let Some(node) = nodes.get(&key).filter(|_| !holdings.is_empty()) else { return Ok(true) };
    let lacking = audit(app, node, &nodes, &holdings).await;
    // First, so that a crash in between leaves a node that is emptied, and not one that is believed.
    if lacking.len() > upkeep.audit_failures as usize {
        distrust(app, node, lacking.len(), holdings.len()).await?;
    }
    let lost: Vec<_> = lacking.iter().map(|blob| (blob.id, blob.generation)).collect();
    lose(app, node, &lost).await?;
    Ok(true)
}

/// The blobs that the node has not proven to have. What nobody can be asked about, or nobody answers, proves nothing.
async fn audit(
    app: &App,
    node: &NodeRow,
    nodes: &BTreeMap<NodeKey, NodeRow>,
    holdings: &[Holding],
) -> Vec<StoredBlob> {
    let blobs: Vec<StoredBlob> = holdings.iter().map(|holding| holding.blob.blob).collect();
    let nonce = random::bytes();
    let proofs = match app.nodes.audit(node, &blobs, nonce).await {
        Ok(proofs) => proofs,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a node did not answer an audit");
            return Vec::new();
        }
    };
    let mut lacking = Vec::new();
    for (holding, proof) in holdings.iter().zip(proofs) {
        let blob = holding.blob.blob;
        let is_proven = match proof {
            None => false,
            // Another node's copy says what is right; the node's own, where there is no other.
            Some(proof) => match read(app, node, nodes, holding).await {
                Some(bytes) => audit_digest(&nonce, &bytes) == proof,
                None => true,
            },
        };
        if !is_proven {
            lacking.push(blob);
        }
    }
    lacking
}

/// The verified bytes of a blob, from another node than this one if there is one.
async fn read(
    app: &App,
    node: &NodeRow,
    nodes: &BTreeMap<NodeKey, NodeRow>,
    holding: &Holding,
) -> Option<Vec<u8>> {
    let others = holding.nodes.iter().filter(|key| **key != node.key).filter_map(|key| nodes.get(key));
    for source in others.filter(|other| other.is_live()).chain([node]) {
        if let Ok(bytes) = app.nodes.read(source, holding.blob.blob).await {
            return Some(bytes);
        }
    }
    None
}

/// Too much is missing for chance: what else the node says is not believed either, and all that it should have is
/// copied elsewhere.
async fn distrust(app: &App, node: &NodeRow, lacking: usize, asked: usize) -> Result<(), DbError> {
    let reason = format!("could not prove to have {lacking} of {asked} blobs in an audit");
    tracing::error!(node = %node.id, reason, "a node is not believed any more");
    let mut tx = app.begin().await?;
    db::liveness::distrust(&mut tx, node.key, &reason).await?;
    db::sweeps::begin(&mut tx, Some(node.key)).await?;
    News::Nodes.send(&mut tx).await?;
    commit(tx).await
}
