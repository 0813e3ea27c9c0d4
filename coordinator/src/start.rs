//! Starting: connects and migrates the database, opens the secrets, makes the first tokens, and serves.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use configuration::Secret;
use protocol::audit_log::AuditEvent;
use server::clock::Clock;
use server::grants::GrantIssuer;
use server::metrics::{self, Readers};
use server::serve::ServeLimits;
use server::tls::Acceptor;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Serve;
use crate::db;
use crate::db::audit_log::Actor;
use crate::events::{self, EventHub};
use crate::jobs::{
    audit, audit_log, deletes, garbage, inventory, rebalance, repair, retention, sweep, watch_nodes,
};
use crate::metrics::Meters;
use crate::node_client::NodeClient;
use crate::random;
use crate::router::router;
use crate::secrets::Secrets;
use crate::state::{App, AppState, Settings};
use crate::web::Web;

const CONNECTIONS_MAX: u32 = 16;
/// How long a request waits for a connection before it is told that the database is away.
const CONNECTION_WAIT: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// What kept it from starting.
pub async fn serve(config: Serve) -> anyhow::Result<()> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let tls = config.tls.acceptor()?;
    let state = prepare(config).await?;
    tracing::info!(url = %state.settings.public_url, "ready");
    run(state, listener, tls, server::shutdown::requested()).await;
    Ok(())
}

/// Everything but the network: a migrated database, secrets, and on the first run the tokens.
///
/// # Errors
/// What is missing.
pub async fn prepare(config: Serve) -> anyhow::Result<AppState> {
    let options: PgConnectOptions =
        config.database_url.require("database_url")?.expose().parse().context("the database's URL")?;
    let idle_ms = config.transaction_idle.as_millis();
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(CONNECTION_WAIT)
        .connect_with(options.options([("idle_in_transaction_session_timeout", idle_ms)]))
        .await
        .context("cannot connect to the database")?;
    sqlx::migrate!("../migrations").run(&pool).await.context("cannot migrate the database")?;
    let secrets = Secrets::open(&config.data)?;
    offer_tokens(&pool, &secrets, &config.public_url).await?;
    let readers = Readers::new(config.metrics.metrics_token.read()?.as_ref().map(Secret::expose));
    let nodes =
        NodeClient::new(&secrets.signing_key, Clock::System, config.upkeep.node_answer, &config.tls.roots()?)
            .context("cannot set up calls to storage nodes")?;
    Ok(Arc::new(App {
        grants: GrantIssuer::new(&secrets.signing_key),
        nodes,
        pool,
        secrets,
        clock: Clock::System,
        meters: Meters::new(&config.metrics, readers, Clock::System.now_ms()),
        events: EventHub::default(),
        web: config.web.map(Web::new),
        stop: CancellationToken::new(),
        settings: Settings {
            public_url: config.public_url,
            replicas: config.replicas,
            registration: config.registration,
            relay: config.relay,
            client_address_header: config.client_address_header,
            overdue_seconds: config.overdue_after,
            step_up_seconds: config.step_up,
            timings: config.timings,
            upkeep: config.upkeep,
            rebalance: config.rebalance,
            reclaim: config.reclaim,
            audit_log: config.audit_log,
        },
    }))
}

/// Runs jobs and serves, by TLS if there is an acceptor, until `stop` completes.
pub async fn run(
    state: AppState,
    listener: TcpListener,
    tls: Option<Acceptor>,
    stop: impl Future<Output = ()>,
) {
    let jobs = tokio::spawn({
        let app = state.clone();
        async move {
            tokio::join!(
                watch_nodes::run(&app),
                events::listen(&app),
                sweep::run(&app),
                repair::run(&app),
                rebalance::run(&app),
                inventory::run(&app),
                audit::run(&app),
                audit_log::run(&app),
                retention::run(&app),
                garbage::run(&app),
                deletes::run(&app),
            )
        }
    });
    let stop = async {
        stop.await;
        state.stop.cancel();
    };
    let tidying = tokio::spawn(metrics::tidy(state.meters.registry.clone()));
    server::serve::serve(listener, tls, router(state.clone()), ServeLimits::default(), stop).await;
    tidying.abort();
    if let Err(error) = jobs.await {
        tracing::error!(%error, "a job ended badly");
    }
    state.pool.close().await;
}

/// Nodes may always join with the token in the folder. As long as there is no account, a link makes the first one;
/// the link of an earlier start stays good.
async fn offer_tokens(pool: &PgPool, secrets: &Secrets, public_url: &str) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    if db::tokens::insert_join(&mut tx, &random::token_hash(&secrets.join_token()?)).await? {
        db::audit_log::note(&mut tx, Actor::default(), AuditEvent::JoinTokenMade, None).await?;
    }
    tx.commit().await?;
    let mut conn = pool.acquire().await?;
    if db::accounts::any(&mut conn).await? {
        secrets.remove_setup_link()?;
        return Ok(());
    }
    let prefix = format!("{public_url}/setup#");
    let earlier = secrets.read_setup_link()?;
    let link = match earlier.as_deref().and_then(|link| link.strip_prefix(&prefix)) {
        Some(token) if db::tokens::setup_exists(&mut conn, &random::token_hash(token)).await? => {
            format!("{prefix}{token}")
        }
        _ => {
            let token = random::token();
            db::tokens::insert_setup(&mut conn, &random::token_hash(&token)).await?;
            let link = format!("{prefix}{token}");
            secrets.write_setup_link(&link)?;
            link
        }
    };
    print_setup_link(&link);
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "for whoever started the program; logs are kept, and the link is a secret"
)]
fn print_setup_link(link: &str) {
    println!("setup: {link}");
}
