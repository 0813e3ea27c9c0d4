//! Takes surplus copies away, after the others have proven that they are there.

use futures_util::future::join_all;
use protocol::blob_list::StoredBlob;

use super::repair::Batch;
use crate::db::blobs::PlannedBlob;
use crate::db::repairs::Waiting;
use crate::db::{self, DbError};
use crate::random;
use crate::repair::Trimming;
use crate::state::commit;

/// Takes one group's copies from a node.
pub(super) async fn run(batch: &Batch<'_>, trimming: &Trimming<'_>) -> Result<(), DbError> {
    let involved = trimming.keepers.iter().chain([&trimming.node]).map(|node| node.key);
    batch.with_hands(involved, trim(batch, trimming)).await
}

async fn trim(batch: &Batch<'_>, trimming: &Trimming<'_>) -> Result<(), DbError> {
    let mut proven = Vec::new();
    let mut doubtful = Vec::new();
    for (blob, agree) in trimming.blobs.iter().zip(agreements(batch, trimming).await) {
        if agree { proven.push(*blob) } else { doubtful.push(*blob) }
    }
    give_up(batch, trimming, &proven).await?;
    batch.settle(&doubtful, Some(Waiting::Node)).await
}

/// For each blob: do all nodes that have it give the same proof of it? They cannot have made it up: none of them has
/// seen the nonce before, and each hashed the blob's bytes when it stored them.
async fn agreements(batch: &Batch<'_>, trimming: &Trimming<'_>) -> Vec<bool> {
    let blobs: Vec<StoredBlob> = trimming.blobs.iter().map(|planned| planned.blob).collect();
    let nonce = random::bytes();
    let nodes = trimming.keepers.iter().chain([&trimming.node]);
    let proofs = join_all(nodes.map(|node| batch.app.nodes.audit(node, &blobs, nonce))).await;
    let mut proofs = proofs.into_iter().map(|proofs| {
        proofs.inspect_err(|error| tracing::info!(error = error as &dyn std::error::Error, "no proofs")).ok()
    });
    let Some(Some(first)) = proofs.next() else { return vec![false; blobs.len()] };
    let mut agree: Vec<bool> = first.iter().map(Option::is_some).collect();
    for others in proofs {
        for (place, agree) in agree.iter_mut().enumerate() {
            *agree &= others.as_ref().is_some_and(|others| others[place] == first[place]);
        }
    }
    agree
}

/// The rows go and the node is ordered to delete its copies, in one short transaction that counts the others again under
/// the blobs' locks; nobody's answer is waited for.
///
/// A keeper may have lost its copy since it gave its proof. If that was noticed, its row is gone, the count is too low,
/// and the surplus copy stays. If it was not, the blob has one copy less than it should, as if that disk had failed a
/// moment later: the others, each in a zone of its own, stand, and an audit, a scrub or a read finds what is lost. Two
/// who take copies of one blob away wait for each other's lock, and the second counts what the first has left.
///
/// Until the node has deleted, its order keeps what it proves about these blobs from counting; afterwards, the number of
/// times that copies were taken away tells older proofs from newer ones.
async fn give_up(batch: &Batch<'_>, trimming: &Trimming<'_>, blobs: &[PlannedBlob]) -> Result<(), DbError> {
    if blobs.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = blobs.iter().map(|planned| planned.key).collect();
    let kept: Vec<_> = trimming.keepers.iter().map(|node| node.key).collect();
    let mut tx = batch.app.begin().await?;
    db::copies::give_up(&mut tx, trimming.node.key, &keys, &kept, batch.replicas).await?;
    commit(tx).await?;
    // What was not given up is in an open upload, or lost a copy: it is looked at again later.
    batch.settle(blobs, Some(Waiting::Node)).await
}
