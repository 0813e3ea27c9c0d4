//! Garbage collection: takes back, in two cycles at the least, what no kept snapshot and no upload needs.
//!
//! Each step is many short transactions. One cycle runs at a time, so that it is counted once what a cycle would
//! take; two at once would do no harm, because every step judges a blob anew under its lock.

use sqlx::PgPool;

use super::repeat;
use crate::db::intervals::{Place, Pruned, Unpruned};
use crate::db::{self, BlobKey, DbError, SourceKey};
use crate::garbage::{Cycle, Reclaim};
use crate::state::{App, commit};

/// Sessions that one transaction ends: each may have planned millions of blobs.
const UPLOADS: i64 = 8;
/// Intervals that one transaction looks at.
const INTERVALS: i64 = 10_000;

/// Runs cycles until the program stops. Between two transactions of a cycle is as good a moment to stop as any.
pub async fn run(app: &App) {
    repeat(app, app.settings.reclaim.gc_every, "garbage collection", || step(app)).await;
}

/// One cycle. False: the next comes at its own time, which is what gives blobs their grace.
async fn step(app: &App) -> Result<bool, DbError> {
    let cycle = collect(&app.pool, &app.settings.reclaim).await?;
    if let Some(cycle) = &cycle {
        app.meters.collected(cycle);
    }
    match cycle {
        Some(cycle) if cycle.held > 0 => {
            tracing::warn!(?cycle, "garbage collection waits for an operator: `gc status`, `gc approve`");
        }
        Some(cycle) if cycle != Cycle::default() => tracing::info!(?cycle, "collected garbage"),
        _ => {}
    }
    Ok(false)
}

/// One cycle; `None` while another runs. What is condemned here goes in a later one.
///
/// # Errors
/// As the database allows; what was done by then stays done, and the next cycle goes on.
pub async fn collect(pool: &PgPool, reclaim: &Reclaim) -> Result<Option<Cycle>, DbError> {
    // Held open and idle while the cycle works on other connections; its end, however it comes, gives the lock back.
    let mut lock = pool.begin().await?;
    if !db::garbage::try_lock_cycle(&mut lock).await? {
        return Ok(None);
    }
    let mut cycle = Cycle {
        ended_uploads: end_uploads(pool).await?,
        removed_intervals: prune(pool).await?,
        given_up: give_up(pool, reclaim).await?,
        ..Cycle::default()
    };
    (cycle.condemned, cycle.held) = condemn(pool, reclaim).await?;
    cycle.deleted = finish(pool, reclaim).await?;
    cycle.removed = remove(pool, reclaim).await?;
    let report = serde_json::to_string(&cycle).expect("numbers serialize");
    let mut tx = pool.begin().await?;
    db::collection::note_cycle(&mut tx, &report).await?;
    commit(tx).await?;
    Ok(Some(cycle))
}

async fn end_uploads(pool: &PgPool) -> Result<u64, DbError> {
    let mut ended = 0;
    loop {
        let mut tx = pool.begin().await?;
        let now = db::garbage::end_expired_uploads(&mut tx, UPLOADS).await?;
        commit(tx).await?;
        ended += now;
        if now == 0 {
            return Ok(ended);
        }
    }
}

async fn prune(pool: &PgPool) -> Result<u64, DbError> {
    let unpruned = db::intervals::list_unpruned(&mut *pool.acquire().await?).await?;
    let mut removed = 0;
    for source in unpruned {
        removed += prune_source(pool, source).await?;
    }
    Ok(removed)
}

async fn prune_source(pool: &PgPool, unpruned: Unpruned) -> Result<u64, DbError> {
    let closed = each_part(pool, unpruned.source, async |conn, source, place| {
        db::intervals::prune_closed(conn, source, place, INTERVALS).await
    })
    .await?;
    let open = each_part(pool, unpruned.source, async |conn, source, place| {
        db::intervals::prune_open(conn, source, place, INTERVALS).await
    })
    .await?;
    let mut tx = pool.begin().await?;
    db::intervals::set_pruned(&mut tx, unpruned).await?;
    commit(tx).await?;
    Ok(closed + open)
}

async fn each_part(
    pool: &PgPool,
    source: SourceKey,
    prune: impl AsyncFn(&mut sqlx::PgConnection, SourceKey, Place) -> Result<Pruned, DbError>,
) -> Result<u64, DbError> {
    let mut removed = 0;
    let mut place = Some(Place::default());
    while let Some(after) = place {
        let mut tx = pool.begin().await?;
        let part = prune(&mut tx, source, after).await?;
        commit(tx).await?;
        removed += part.removed;
        place = part.next;
    }
    Ok(removed)
}

async fn give_up(pool: &PgPool, reclaim: &Reclaim) -> Result<u64, DbError> {
    let mut given_up = 0;
    let mut after = Some(BlobKey(0));
    while let Some(last) = after {
        let mut tx = pool.begin().await?;
        let locked =
            db::garbage::lock_condemned(&mut tx, last, reclaim.gc_grace, reclaim.gc_batch.into()).await?;
        given_up += db::garbage::give_up(&mut tx, &locked).await?;
        commit(tx).await?;
        after = locked.last().copied();
    }
    Ok(given_up)
}

/// How many were condemned, and how many wait for an operator instead.
async fn condemn(pool: &PgPool, reclaim: &Reclaim) -> Result<(u64, u64), DbError> {
    let mut conn = pool.acquire().await?;
    let unneeded = db::garbage::list_unreferenced(&mut conn).await?;
    let live = db::garbage::count_live(&mut conn).await?;
    let held = db::collection::find_held(&mut conn).await?;
    let count = unneeded.len() as u64;
    if reclaim.holds(count, live, held.approved) {
        db::collection::hold(&mut conn, count).await?;
        return Ok((0, count));
    }
    drop(conn);
    let mut condemned = 0;
    for batch in unneeded.chunks(reclaim.gc_batch as usize) {
        let mut tx = pool.begin().await?;
        let locked = db::garbage::lock_live(&mut tx, batch).await?;
        condemned += db::garbage::condemn(&mut tx, &locked).await?;
        commit(tx).await?;
    }
    // Only now: a cycle that ends halfway leaves the operator's word to the next.
    db::collection::let_go(&mut *pool.acquire().await?).await?;
    Ok((condemned, 0))
}

async fn finish(pool: &PgPool, reclaim: &Reclaim) -> Result<u64, DbError> {
    db::delete_jobs::drop_of_gone_nodes(&mut *pool.acquire().await?).await?;
    let mut deleted = 0;
    let mut after = Some(BlobKey(0));
    while let Some(last) = after {
        let mut tx = pool.begin().await?;
        let locked = db::garbage::lock_deleting(&mut tx, last, reclaim.gc_batch.into()).await?;
        deleted += db::garbage::finish(&mut tx, &locked).await?;
        commit(tx).await?;
        after = locked.last().copied();
    }
    Ok(deleted)
}

async fn remove(pool: &PgPool, reclaim: &Reclaim) -> Result<u64, DbError> {
    let mut removed = 0;
    loop {
        let mut tx = pool.begin().await?;
        let now = db::garbage::remove(&mut tx, reclaim.gc_remember, reclaim.gc_batch.into()).await?;
        commit(tx).await?;
        removed += now;
        if now == 0 {
            return Ok(removed);
        }
    }
}
