//! What the coordinator does by itself. Each job may run at any number of coordinators at once.

pub mod audit;
pub mod audit_log;
mod copy;
pub mod deletes;
pub mod garbage;
pub mod inventory;
pub mod rebalance;
pub mod repair;
pub mod retention;
pub mod sweep;
mod trim;
pub mod watch_nodes;

use std::time::Duration;

use server::request_id;
use tokio::time::MissedTickBehavior;

use crate::state::App;

/// Does `work` every `period` until the program stops; again at once for as long as it did something. What it fails
/// at is logged and tried again.
async fn repeat<E: std::error::Error + 'static, F: Future<Output = Result<bool, E>>>(
    app: &App,
    period: Duration,
    what: &'static str,
    work: impl Fn() -> F,
) {
    let mut ticks = tokio::time::interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let forever = async {
        loop {
            ticks.tick().await;
            loop {
                match request_id::begin(what, work()).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            what,
                            "a job did not do its work"
                        );
                        break;
                    }
                }
            }
        }
    };
    tokio::select! {
        () = forever => {}
        () = app.stop.cancelled() => {}
    }
}
