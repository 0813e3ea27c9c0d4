//! Notices silent nodes. Any number of coordinators may do so: a change is made only where the node is still what
//! it was judged to be.

use std::time::Duration;

use protocol::nodes::NodeState;
use tokio::time::{Instant, MissedTickBehavior};

use crate::db::{self, DbError};
use crate::events::News;
use crate::health;
use crate::state::{App, commit};

const PERIOD: Duration = Duration::from_secs(1);

/// Watches until the program stops.
pub async fn run(app: &App) {
    // Heartbeats are heard only while the database takes them: its outages must not look like the nodes'.
    let mut listening_since = Instant::now();
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.stop.cancelled() => return,
        }
        if let Err(error) = watch(app, listening_since.elapsed()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot watch nodes");
            listening_since = Instant::now();
        }
    }
}

async fn watch(app: &App, listening: Duration) -> Result<(), DbError> {
    let mut tx = app.begin().await?;
    let mut changed = false;
    for silence in db::liveness::list_silences(&mut tx).await? {
        let timings = app.settings.timings;
        let Some(state) = health::after_silence(silence.state, silence.silent, listening, timings) else {
            continue;
        };
        if db::liveness::change_state(&mut tx, &silence, state).await? {
            tracing::warn!(node = %silence.id, ?state, silent_s = silence.silent.as_secs(), "a node is silent");
            changed = true;
            if matches!(state, NodeState::Down | NodeState::Out) {
                // What it has may lack copies now.
                db::sweeps::begin(&mut tx, Some(silence.key)).await?;
            }
        }
    }
    if changed {
        News::Nodes.send(&mut tx).await?;
    }
    commit(tx).await
}
