//! Repairs: takes blobs from the queue, plans what is to be done about them, and does it.
//!
//! Four lanes, so that a blob with one copy left never waits behind others: last copies, all other blobs that lack
//! copies, blobs that have too many, and blobs whose copies move to emptier zones. Blobs are leased: what this coordinator does not finish, another one does.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use protocol::id::GroupId;
use protocol::limits::REPLICAS_MAX;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{copy, repeat, trim};
use crate::db::blobs::PlannedBlob;
use crate::db::nodes::NodeRow;
use crate::db::repairs::{Claim, MOVING, SURPLUS, Waiting};
use crate::db::{self, BlobKey, DbError, NodeKey};
use crate::health;
use crate::random;
use crate::rebalance;
use crate::repair;
use crate::state::{App, commit};

/// Blobs that a lane takes from the queue at a time.
const CLAIM_BLOBS: usize = 1024;
/// Copies that are taken away at a time: each costs the nodes a read of it.
const CLAIM_SURPLUS: usize = 64;

/// Repairs until the program stops.
pub async fn run(app: &App) {
    let period = app.settings.upkeep.repair_period;
    tokio::join!(
        repeat(app, period, "repair of last copies", || work(app, Lane::LastCopies)),
        repeat(app, period, "repair", || work(app, Lane::Others)),
        repeat(app, period, "trimming", || work(app, Lane::Surplus)),
        repeat(app, period, "moving", || work(app, Lane::Moves)),
    );
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    LastCopies,
    Others,
    Surplus,
    Moves,
}

/// What a batch of repairs shares.
pub(super) struct Batch<'a> {
    pub(super) app: &'a App,
    /// How many copies there should be.
    pub(super) replicas: u32,
    claims: BTreeMap<BlobKey, Claim>,
    /// How much each node may do at a time; none for what may not wait.
    slots: Option<BTreeMap<NodeKey, Semaphore>>,
}

impl Batch<'_> {
    pub(super) fn claims(&self, blobs: impl IntoIterator<Item = BlobKey>) -> Vec<Claim> {
        blobs.into_iter().filter_map(|blob| self.claims.get(&blob).copied()).collect()
    }

    /// Ends the work on blobs, in a transaction of its own.
    pub(super) async fn settle(
        &self,
        blobs: &[PlannedBlob],
        waiting: Option<Waiting>,
    ) -> Result<(), DbError> {
        let claims = self.claims(blobs.iter().map(|blob| blob.key));
        let mut tx = self.app.begin().await?;
        let backoff = self.app.settings.upkeep.backoff();
        db::repairs::settle(&mut tx, &claims, self.replicas, waiting, backoff).await?;
        commit(tx).await
    }

    /// Works with these nodes as soon as all have a hand free, and lets them rest afterwards, so that they have time
    /// for clients. All who wait take hands in the same order.
    pub(super) async fn with_hands<T>(
        &self,
        nodes: impl Iterator<Item = NodeKey>,
        work: impl Future<Output = T>,
    ) -> T {
        let Some(slots) = &self.slots else { return work.await };
        let mut keys: Vec<_> = nodes.collect();
        keys.sort_unstable();
        let mut permits = Vec::new();
        for slot in keys.iter().filter_map(|key| slots.get(key)) {
            permits.push(slot.acquire().await.expect("slots are never closed"));
        }
        let began = Instant::now();
        let done = work.await;
        tokio::time::sleep(self.app.settings.upkeep.rest_after(began.elapsed())).await;
        done
    }
}

/// One batch of a lane. False if there was none.
async fn work(app: &App, lane: Lane) -> Result<bool, DbError> {
    let mut conn = app.connection().await?;
    if is_to_wait(app, &mut conn, lane).await? {
        return Ok(false);
    }
    let claims = claim(app, &mut conn, lane).await?;
    if claims.is_empty() {
        return Ok(false);
    }
    let blobs: Vec<_> = claims.iter().map(|claim| claim.blob).collect();
    let nodes = db::nodes::list(&mut conn).await?;
    let holdings = db::repairs::list_holdings(&mut conn, &blobs).await?;
    let replicas = app.copies(&mut conn).await?.replicas;
    drop(conn);
    let claims: BTreeMap<_, _> = claims.into_iter().map(|claim| (claim.blob, claim)).collect();
    let slots = (lane != Lane::LastCopies).then(|| slots(app, &nodes));
    let batch = Batch { app, replicas, claims, slots };
    let attempt = |blob| batch.claims.get(&blob).map_or(0, |claim| claim.attempts.saturating_sub(1));
    let settings = app.settings.rebalance;
    let moves = match lane {
        Lane::Moves => {
            rebalance::plan(&rebalance::fills(&nodes), settings.rebalance_percent, settings.rebalance_bytes)
        }
        Lane::LastCopies | Lane::Others | Lane::Surplus => Vec::new(),
    };
    let new_group = || random::id(GroupId::from_bytes);
    let plan = repair::plan(&nodes, &holdings, attempt, replicas as usize, &moves, new_group);
    settle_rest(&batch, &blobs, &plan).await?;
    let copying = join_all(plan.copying.iter().map(|copying| copy::run(&batch, copying)));
    copying.await.into_iter().collect::<Result<Vec<()>, _>>()?;
    for trimming in &plan.trimming {
        trim::run(&batch, trimming).await?;
    }
    Ok(true)
}

/// What needs no node's help.
async fn settle_rest(batch: &Batch<'_>, blobs: &[BlobKey], plan: &repair::Plan<'_>) -> Result<(), DbError> {
    let mut by_reason: BTreeMap<u8, (Option<Waiting>, Vec<BlobKey>)> = BTreeMap::new();
    for (blob, waiting) in &plan.waiting {
        by_reason.entry(*waiting as u8).or_insert_with(|| (Some(*waiting), Vec::new())).1.push(*blob);
    }
    let copying = plan.copying.iter().flat_map(|copying| &copying.blobs);
    let trimming = plan.trimming.iter().flat_map(|trimming| &trimming.blobs);
    let busy: BTreeSet<_> = copying.chain(trimming).map(|planned| planned.key).collect();
    let waiting: BTreeSet<_> = plan.waiting.iter().map(|(blob, _)| *blob).collect();
    // With those that are as they should be, blobs that are no more.
    let is_done = |blob: &BlobKey| !busy.contains(blob) && !waiting.contains(blob);
    let done: Vec<_> = blobs.iter().copied().filter(is_done).collect();
    let backoff = batch.app.settings.upkeep.backoff();
    let mut tx = batch.app.begin().await?;
    for (waiting, blobs) in std::iter::once((None, done)).chain(by_reason.into_values()) {
        let claims = batch.claims(blobs);
        db::repairs::settle(&mut tx, &claims, batch.replicas, waiting, backoff).await?;
    }
    commit(tx).await
}

async fn claim(app: &App, conn: &mut sqlx::PgConnection, lane: Lane) -> Result<Vec<Claim>, DbError> {
    let most = i16::try_from(REPLICAS_MAX).expect("a small number");
    let (priorities, limit) = match lane {
        Lane::LastCopies => (0..=1, CLAIM_BLOBS),
        Lane::Others => (2..=most, CLAIM_BLOBS),
        Lane::Surplus => (SURPLUS..=SURPLUS, CLAIM_SURPLUS),
        Lane::Moves => (MOVING..=MOVING, CLAIM_BLOBS),
    };
    let mut claims = Vec::new();
    for priority in priorities {
        let lease = app.settings.upkeep.repair_lease;
        claims.extend(db::repairs::claim(conn, priority, limit - claims.len(), lease).await?);
    }
    Ok(claims)
}

/// Last copies never wait; what moves waits for all that lack copies.
async fn is_to_wait(app: &App, conn: &mut sqlx::PgConnection, lane: Lane) -> Result<bool, DbError> {
    match lane {
        Lane::LastCopies | Lane::Surplus => Ok(false),
        Lane::Others => bulk_waits(app, conn).await,
        Lane::Moves => db::rebalance::is_repairing(conn).await,
    }
}

/// Have so many nodes fallen silent that it is rather the network?
pub async fn bulk_waits(app: &App, conn: &mut sqlx::PgConnection) -> Result<bool, DbError> {
    let silences = db::liveness::list_silences(conn).await?;
    let silences: Vec<_> = silences.into_iter().map(|silence| silence.silent).collect();
    Ok(health::is_alarming(&silences, app.settings.timings))
}

fn slots(app: &App, nodes: &[NodeRow]) -> BTreeMap<NodeKey, Semaphore> {
    let groups = app.settings.upkeep.repair_groups.max(1);
    nodes.iter().map(|node| (node.key, Semaphore::new(groups))).collect()
}
