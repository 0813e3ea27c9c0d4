//! Staying in touch with the coordinator: joins, then tells it every few seconds how the node is, and
//! takes the newest directory from its answers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use protocol::blob_list::pack_stored;
use protocol::error::ErrorCode;
use protocol::nodes::{HeartbeatRequest, HeartbeatResponse, Scrub};
use protocol::routes::coordinator::HEARTBEAT;
use server::request_id;
use tokio::time::sleep;

use crate::coordinator::{Coordinator, Refused};
use crate::identity::random;
use crate::join;
use crate::state::Node;

const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Runs for as long as the node does.
pub(crate) async fn keep_in_touch(node: Arc<Node>) {
    let coordinator = match Coordinator::new(node.config.coordinator.clone(), &node.roots) {
        Ok(coordinator) => coordinator,
        Err(error) => return tracing::error!("cannot make an HTTP client: {error:#}"),
    };
    let mut join_wanted = join::is_possible(&node);
    let mut backoff = BACKOFF_MIN;
    for sequence in 1.. {
        if join_wanted || join::is_needed(&node) {
            match request_id::begin("join", join::join(&node, &coordinator)).await {
                Ok(()) => join_wanted = false,
                Err(error) => {
                    tracing::warn!("not joined: {error:#}");
                    // A node that is known goes on with the coordinator's last word about it.
                    join_wanted &= refusal(&error).is_none();
                }
            }
        }
        if join::is_needed(&node) {
            sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
            continue;
        }
        if let Err(error) = request_id::begin("heartbeat", beat(&node, &coordinator, sequence)).await {
            tracing::warn!("no heartbeat: {error:#}");
            node.set_state(None);
            // So it answers to a node that it does not know.
            join_wanted |= refusal(&error) == Some(ErrorCode::Unauthenticated) && join::is_possible(&node);
        }
        sleep(pause(node.config.limits.heartbeat_ms)).await;
    }
}

fn refusal(error: &anyhow::Error) -> Option<ErrorCode> {
    error.downcast_ref::<Refused>().map(|refused| refused.code)
}

async fn beat(node: &Node, coordinator: &Coordinator, sequence: u64) -> anyhow::Result<()> {
    let cluster = node.cluster.get().context("heartbeats begin after joining")?;
    let status = node.store.status();
    let damaged = node.store.damage_report()?;
    let space = node.store.space()?;
    let now_ms = node.clock.now_ms();
    let request = HeartbeatRequest {
        boot: node.identity.boot(),
        sequence,
        store: node.store.id(),
        read_only: node.read_only(),
        capacity_bytes: space.capacity_bytes,
        free_bytes: space.free_bytes,
        used_bytes: status.totals.bytes,
        blobs: status.totals.blobs,
        in_flight_bytes: node.in_flight_bytes(),
        sync_p99_us: u64::try_from(status.sync_p99.as_micros()).unwrap_or(u64::MAX),
        time_ms: now_ms,
        damaged: pack_stored(&damaged.blobs),
        scrub: scrub(node),
    };
    let origin = &cluster.membership.joined.origin;
    let answer: HeartbeatResponse =
        coordinator.post_signed(HEARTBEAT, &request, origin, &node.identity, now_ms).await?;
    node.store.damage_reported(&damaged);
    if let Some(renewed) = cluster.renewed(answer.directory, node.id())? {
        if let Err(error) = renewed.save(&node.directory_path()) {
            tracing::warn!("the node directory is not kept: {error:#}");
        }
        node.cluster.set(renewed);
    }
    node.set_state(Some(answer.state));
    node.meters.heartbeat.set(exposition::timestamp(node.clock.now_ms()));
    Ok(())
}

fn scrub(node: &Node) -> Scrub {
    let progress = node.store.scrub_progress();
    Scrub {
        done_bytes: progress.done_bytes,
        total_bytes: progress.total_bytes,
        finished_ms: progress.finished_ms,
        damaged: node.store.damaged_count(),
    }
}

/// The mean, give or take a fifth, so that nodes started together do not beat together.
fn pause(mean_ms: u64) -> Duration {
    let random = random::<2>().map_or(0, u16::from_be_bytes);
    let spread = mean_ms * 2 / 5;
    Duration::from_millis(mean_ms - spread / 2 + spread * u64::from(random) / u64::from(u16::MAX))
}
