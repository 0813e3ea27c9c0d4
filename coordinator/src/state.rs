//! What every handler can reach. No truth is kept here: that is in the database.

use std::sync::Arc;

use axum::http::HeaderName;
use server::clock::Clock;
use server::grants::GrantIssuer;
use sqlx::postgres::PgPool;
use sqlx::{PgConnection, Postgres, Transaction};
use tokio_util::sync::CancellationToken;

use crate::audit_log::AuditLogBounds;
use crate::config::Registration;
use crate::copies::Copies;
use crate::db::{self, DbError};
use crate::events::EventHub;
use crate::garbage::Reclaim;
use crate::health::Timings;
use crate::metrics::Meters;
use crate::node_client::NodeClient;
use crate::rebalance::Rebalance;
use crate::relay::Relay;
use crate::secrets::Secrets;
use crate::upkeep::Upkeep;
use crate::web::Web;

/// Shared by all handlers and jobs.
pub type AppState = Arc<App>;

/// The parts of the program.
pub struct App {
    /// The database.
    pub pool: PgPool,
    /// Pepper, signing key, and the folder they are in.
    pub secrets: Secrets,
    /// Issues grants under the signing key.
    pub grants: GrantIssuer,
    /// Calls storage nodes.
    pub nodes: NodeClient,
    /// The time of day; what two coordinators must agree on is timed by the database instead.
    pub clock: Clock,
    /// What was configured.
    pub settings: Settings,
    /// What it tells Prometheus.
    pub meters: Meters,
    /// Wakes event streams.
    pub events: EventHub,
    /// The web app, if this server serves it.
    pub web: Option<Web>,
    /// Cancelled when the program stops: ends streams that would never end.
    pub stop: CancellationToken,
}

/// What was configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The origin by which browsers and nodes reach this server.
    pub public_url: String,
    /// Copies of each blob, if the operator chose.
    pub replicas: Option<u32>,
    /// Who may register after the operator.
    pub registration: Registration,
    /// Which requests of browsers are passed on to nodes.
    pub relay: Relay,
    /// Where a proxy says who asks, if there is one to be believed.
    pub client_address_header: Option<HeaderName>,
    /// After how long without a snapshot a device's source is overdue, in seconds.
    pub overdue_seconds: u64,
    /// How long a proof of the passphrase counts in a session, in seconds.
    pub step_up_seconds: u64,
    /// How long what concerns security is remembered.
    pub audit_log: AuditLogBounds,
    /// How space is given back.
    pub reclaim: Reclaim,
    /// After how long a silence a node changes.
    pub timings: Timings,
    /// How every blob's copies are kept.
    pub upkeep: Upkeep,
    /// When copies move between zones.
    pub rebalance: Rebalance,
}

impl App {
    /// A connection of its own, for single statements.
    pub async fn connection(&self) -> Result<sqlx::pool::PoolConnection<Postgres>, DbError> {
        Ok(self.pool.acquire().await?)
    }

    /// A transaction; dropped without a commit, it never was.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, DbError> {
        Ok(self.pool.begin().await?)
    }

    /// How many copies are promised now.
    pub async fn copies(&self, conn: &mut PgConnection) -> Result<Copies, DbError> {
        Ok(Copies::for_zones(db::nodes::count_zones(conn).await?, self.settings.replicas))
    }
}

/// Makes a transaction durable.
pub async fn commit(transaction: Transaction<'static, Postgres>) -> Result<(), DbError> {
    Ok(transaction.commit().await?)
}
