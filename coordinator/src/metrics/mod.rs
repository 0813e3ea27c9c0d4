//! What the coordinator tells Prometheus: what it counts itself as it happens, and what it looks up in the database.
//!
//! Several coordinators on one database tell the same of the cluster, and each its own of what it did: rules take the
//! maximum of the one and the sum of the other.

mod cluster;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use configuration::SecretSource;
use exposition::{Counter, Registry, families};
use protocol::envelope::commit::Kind;
use server::metrics::Readers;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::db::DbError;
use crate::state::App;
use crate::upkeep::seconds;

/// How metrics are told.
#[derive(Clone, Default, Args)]
pub struct MetricsOptions {
    /// What whoever reads `/metrics` must send; without it, only programs on this machine may.
    #[arg(skip)]
    pub metrics_token: SecretSource,
    /// Seconds for which what the database was asked for metrics is told again.
    #[arg(long, env = "TRIPLICATE_METRICS_AGE", value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    pub metrics_age: Duration,
    /// The same of sums over all blobs, which take long.
    #[arg(long, env = "TRIPLICATE_METRICS_TOTALS_AGE", value_name = "SECONDS", value_parser = seconds,
          default_value = "600")]
    pub metrics_totals_age: Duration,
}

families! { OWN:
    COMMITS = Counter "triplicate_commits_total" "Commits that were taken, by kind.";
    REPAIRED = Counter "triplicate_repaired_blobs_total" "Copies of blobs that were made because some lacked.";
    COLLECTED = Counter "triplicate_gc_blobs_total" "Blobs that garbage collection moved on, by where to.";
    CONNECTIONS = Gauge "triplicate_database_connections" "Connections to the database, by state.";
    DATABASE = Gauge "triplicate_database_up" "1 if the database answered all that was asked for this scrape.";
}

/// Every family that a coordinator tells, but for those of all servers.
pub fn families() -> Vec<exposition::Family> {
    [OWN, cluster::ALL, cluster::TOTALS].concat()
}

/// The metrics of a coordinator.
pub struct Meters {
    /// What is counted as it happens.
    pub registry: Arc<Registry>,
    /// Who may read them.
    pub readers: Readers,
    /// Copies that repairs made.
    pub repaired: Counter,
    cluster: Kept,
    totals: Kept,
}

/// What the database was asked, for as long as that is told. Held while it is asked: who comes meanwhile waits for the
/// same answer.
struct Kept {
    age: Duration,
    last: Mutex<Option<(Instant, String)>>,
}

impl Meters {
    /// `now_ms` in Unix milliseconds.
    pub fn new(options: &MetricsOptions, readers: Readers, now_ms: u64) -> Self {
        let registry = server::metrics::registry(OWN, env!("CARGO_PKG_VERSION"), now_ms);
        let kept = |age| Kept { age, last: Mutex::default() };
        Self {
            readers,
            repaired: registry.counter(REPAIRED, &[]),
            cluster: kept(options.metrics_age),
            totals: kept(options.metrics_totals_age),
            registry,
        }
    }

    /// A commit was taken.
    pub fn committed(&self, kind: Kind) {
        let kind = match kind {
            Kind::Snapshot(_) => "snapshot",
            Kind::SourceClosed => "source_closed",
            Kind::Settings => "settings",
            Kind::Forget => "forget",
            Kind::Purge => "purge",
            Kind::SourceSettings => "source_settings",
        };
        self.registry.counter(COMMITS, &[("kind", kind)]).increment(1);
    }

    /// Garbage collection moved blobs on.
    pub fn collected(&self, cycle: &crate::garbage::Cycle) {
        let moved = [("condemned", cycle.condemned), ("deleted", cycle.deleted), ("removed", cycle.removed)];
        for (to, blobs) in moved {
            self.registry.counter(COLLECTED, &[("to", to)]).increment(blobs);
        }
    }
}

impl Kept {
    async fn get<F: Future<Output = Result<String, DbError>>>(
        &self,
        ask: impl FnOnce() -> F,
    ) -> Result<String, DbError> {
        let mut last = self.last.lock().await;
        if let Some((at, text)) = &*last
            && at.elapsed() < self.age
        {
            return Ok(text.clone());
        }
        let text = ask().await?;
        *last = Some((Instant::now(), text.clone()));
        Ok(text)
    }
}

/// Everything, as it is now. While the database is away, what needs none is told.
pub async fn render(app: &App) -> String {
    let meters = &app.meters;
    let cluster = meters.cluster.get(|| cluster::collect(app)).await;
    let totals = meters.totals.get(|| cluster::sum_up(app)).await;
    let mut text = String::new();
    let mut answered = 1.0;
    for part in [cluster, totals] {
        match part {
            Ok(part) => text.push_str(&part),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "metrics lack what the database knows"
                );
                answered = 0.0;
            }
        }
    }
    let gauge = |family, labels: &[_], value| meters.registry.gauge(family, labels).set(value);
    gauge(DATABASE, &[], answered);
    let (all, idle) = (app.pool.size(), u32::try_from(app.pool.num_idle()).unwrap_or(u32::MAX));
    gauge(CONNECTIONS, &[("state", "idle")], idle.into());
    gauge(CONNECTIONS, &[("state", "used")], all.saturating_sub(idle).into());
    meters.registry.render() + &text
}
