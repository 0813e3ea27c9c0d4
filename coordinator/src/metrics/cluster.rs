//! What the database knows of the cluster, by opaque ids alone: nodes, blobs, sources, accounts, garbage.
//!
//! Each time into a fresh registry, so that a node that was removed and a source that was closed are told no more.

use exposition::{Registry, count, families, flag, timestamp};
use protocol::nodes::{ClusterStatus, NodeState, NodeStatus};
use sqlx::PgConnection;

use crate::db::{self, DbError};
use crate::operator;
use crate::state::App;

families! { ALL:
    NODE_INFO = Gauge "triplicate_node_info" "1 for each node, with its zone.";
    NODE_UP = Gauge "triplicate_node_up" "1 if the node was heard of of late.";
    NODE_STATE = Gauge "triplicate_node_state" "1, with the node's state as people are told it.";
    NODE_SILENT = Gauge "triplicate_node_heartbeat_age_seconds" "How long ago the node was heard of.";
    NODE_CAPACITY = Gauge "triplicate_node_capacity_bytes" "Size of the node's medium.";
    NODE_FREE = Gauge "triplicate_node_free_bytes" "Free bytes above what the node leaves alone.";
    NODE_BYTES = Gauge "triplicate_node_stored_bytes" "Bytes of the blobs on the node.";
    NODE_BLOBS = Gauge "triplicate_node_blobs" "Blobs on the node.";
    NODE_SYNC = Gauge "triplicate_node_sync_p99_seconds" "99th percentile of the node's syncs to disk.";
    NODE_SCRUB_ERRORS = Counter "triplicate_node_scrub_errors_total"
        "Damaged blobs that the node found since its store was made.";
    NODE_SCRUBBED = Gauge "triplicate_node_scrubbed_timestamp_seconds"
        "When the node had read everything that it holds.";
    REPLICAS = Gauge "triplicate_replicas" "Copies that there should be of each blob.";
    WRITE_ZONES = Gauge "triplicate_write_zones" "Zones below which a blob is at risk.";
    LACKING = Gauge "triplicate_underreplicated_blobs" "Blobs that lack copies: the queue of repairs. Counted to 10000.";
    AT_RISK = Gauge "triplicate_at_risk_blobs" "Of these: in fewer zones than a commit needs. Counted to 10000.";
    UNREADABLE = Gauge "triplicate_unreadable_blobs" "Of these: without a copy that can be read. Counted to 10000.";
    WITHOUT_ZONE = Gauge "triplicate_repairs_without_zone" "Repairs that wait for a zone with room. Counted to 10000.";
    SURPLUS = Gauge "triplicate_surplus_blobs" "Blobs with a copy too many. Counted to 10000.";
    MOVING = Gauge "triplicate_moving_blobs" "Blobs that move to an emptier zone. Counted to 10000.";
    HELD_BACK = Gauge "triplicate_repairs_held_back" "1 while only last copies are repaired.";
    DELETIONS = Gauge "triplicate_pending_deletions" "Copies that nodes are still to delete. Counted to 10000.";
    LAST_SNAPSHOT = Gauge "triplicate_source_last_snapshot_timestamp_seconds"
        "When the newest snapshot of an open source was received; without one, when the source was made.";
    PROVEN = Gauge "triplicate_source_proven_timestamp_seconds" "When a sample of the source was last read back.";
    ACCOUNT = Gauge "triplicate_account_stored_bytes"
        "Bytes of the blobs that the account's vaults hold, one copy counted.";
    QUOTA = Gauge "triplicate_account_quota_bytes" "What that may be at most, where there is a limit.";
    GC_HELD = Gauge "triplicate_gc_held_blobs" "Blobs that wait for an operator before they are collected.";
    GC_FINISHED = Gauge "triplicate_gc_finished_timestamp_seconds" "When garbage was last collected.";
}

families! { TOTALS:
    BLOBS = Gauge "triplicate_blobs" "Blobs, by where they stand.";
    STORED = Gauge "triplicate_stored_bytes" "Bytes of the blobs that are kept, one copy counted.";
    REFERENCED = Gauge "triplicate_referenced_bytes"
        "Bytes that the newest snapshots would take if nothing were stored once for several places.";
    DEDUP = Gauge "triplicate_dedup_ratio" "Referenced bytes by the bytes of the blobs that they refer to.";
}

/// What changes all the time.
pub(super) async fn collect(app: &App) -> Result<String, DbError> {
    let mut tx = app.begin().await?;
    db::metrics::bound(&mut tx).await?;
    let registry = Registry::new(ALL);
    for node in db::nodes::list_statuses(&mut tx).await? {
        tell_node(&registry, &node);
    }
    tell_queue(&registry, &operator::status(&mut tx, app.settings.replicas, app.settings.timings).await?);
    tell_garbage(&registry, &mut tx).await?;
    for user in db::users::list(&mut tx).await? {
        let id = user.account.to_string();
        registry.gauge(ACCOUNT, &[("account", &id)]).set(count(user.used_bytes));
        if let Some(bytes) = user.quota_bytes {
            registry.gauge(QUOTA, &[("account", &id)]).set(count(bytes));
        }
    }
    for source in db::metrics::list_sources(&mut tx).await? {
        let id = source.source.to_string();
        let writer = if source.by_device { "device" } else { "person" };
        registry
            .gauge(LAST_SNAPSHOT, &[("source", &id), ("writer", writer)])
            .set(timestamp(source.newest_ms));
        if let Some(proven_ms) = source.proven_ms {
            registry.gauge(PROVEN, &[("source", &id)]).set(timestamp(proven_ms));
        }
    }
    Ok(registry.render())
}

fn tell_node(registry: &Registry, node: &NodeStatus) {
    let id = node.node.to_string();
    let gauge = |family, value| registry.gauge(family, &[("node", &id)]).set(value);
    registry.gauge(NODE_INFO, &[("node", &id), ("zone", &node.zone)]).set(1.0);
    let state = db::nodes::state_name(node.state);
    registry.gauge(NODE_STATE, &[("node", &id), ("state", state)]).set(1.0);
    let silent = [NodeState::Joining, NodeState::Suspect, NodeState::Down, NodeState::Out];
    gauge(NODE_UP, flag(!silent.contains(&node.state)));
    if let Some(seconds) = node.silent_seconds {
        gauge(NODE_SILENT, count(seconds));
    }
    gauge(NODE_CAPACITY, count(node.capacity_bytes));
    gauge(NODE_FREE, count(node.free_bytes));
    gauge(NODE_BYTES, count(node.used_bytes));
    gauge(NODE_BLOBS, count(node.blobs));
    gauge(NODE_SYNC, count(node.sync_p99_us) / 1e6);
    gauge(NODE_SCRUBBED, node.scrub.finished_ms.map_or(0.0, timestamp));
    registry.counter(NODE_SCRUB_ERRORS, &[("node", &id)]).absolute(node.scrub.damaged);
}

fn tell_queue(registry: &Registry, status: &ClusterStatus) {
    let gauge = |family, value| registry.gauge(family, &[]).set(value);
    gauge(REPLICAS, status.replicas.into());
    gauge(WRITE_ZONES, status.write_zones.into());
    gauge(LACKING, count(status.lacking));
    gauge(AT_RISK, count(status.at_risk));
    gauge(UNREADABLE, count(status.unreadable));
    gauge(WITHOUT_ZONE, count(status.without_zone));
    gauge(SURPLUS, count(status.surplus));
    gauge(MOVING, count(status.moving));
    gauge(HELD_BACK, flag(status.is_held_back));
}

async fn tell_garbage(registry: &Registry, conn: &mut PgConnection) -> Result<(), DbError> {
    let gauge = |family, value| registry.gauge(family, &[]).set(value);
    let held = db::collection::find_held(conn).await?;
    gauge(GC_HELD, held.blobs.map_or(0.0, count));
    let cycle = db::collection::find_last_cycle(conn).await?;
    gauge(GC_FINISHED, cycle.map_or(0.0, |cycle| timestamp(cycle.finished_ms)));
    gauge(DELETIONS, count(db::metrics::count_deletions(conn).await?));
    Ok(())
}

/// Sums over all blobs.
pub(super) async fn sum_up(app: &App) -> Result<String, DbError> {
    let mut tx = app.begin().await?;
    db::metrics::bound(&mut tx).await?;
    let registry = Registry::new(TOTALS);
    let standings = db::collection::count_standings(&mut tx).await?;
    let standings = [
        ("live", standings.live),
        ("condemned", standings.condemned),
        ("deleting", standings.deleting),
        ("deleted", standings.deleted),
    ];
    for (state, blobs) in standings {
        registry.gauge(BLOBS, &[("state", state)]).set(count(blobs));
    }
    let sums = db::metrics::sum_bytes(&mut tx).await?;
    registry.gauge(STORED, &[]).set(count(sums.stored));
    registry.gauge(REFERENCED, &[]).set(count(sums.referenced));
    let once = count(sums.referenced_once);
    registry.gauge(DEDUP, &[]).set(if once > 0.0 { count(sums.referenced) / once } else { 1.0 });
    Ok(registry.render())
}
