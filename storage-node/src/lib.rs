//! A storage node: keeps opaque blobs under their SHA-256, durably, and lets through what the coordinator granted.
//!
//! It knows no users, vaults or files; a grant's pseudonym is all it learns of whose a blob is.

mod admission;
mod api;
mod body;
mod budget;
mod cluster;
mod config;
mod coordinator;
mod fan_out;
mod fetch;
mod heartbeat;
mod identity;
mod join;
mod medium;
mod metrics;
pub mod openapi;
mod peers;
mod router;
mod state;
pub mod store;
mod upkeep;

use std::sync::Arc;

use anyhow::Context as _;
use server::clock::Clock;
use server::serve::{ReaderLimits, ServeLimits, serve};
use tokio::net::TcpListener;

pub use config::{Config, Limits, PROGRAM};
use identity::Identity;
pub use medium::{CloudKeys, MediumKind, MediumOptions};
use state::Node;
use store::Store;
use upkeep::Upkeep;

/// Runs a node until `stop` completes and requests under way are finished.
///
/// # Errors
/// When the configuration or the store cannot be used.
pub async fn run(config: Config, clock: Clock, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let (data, medium) = (config.data.clone(), config.medium.clone());
    let options = medium.adapt(config.limits.store_options());
    let opened = tokio::task::spawn_blocking(move || {
        let identity = Identity::load_or_create(&data)?;
        let store = match medium.place(identity.node())? {
            None => Store::open(&data, identity.store(), options)?,
            Some(place) => Store::open_cloud(&data, identity.store(), options, place)?,
        };
        anyhow::Ok((identity, store))
    });
    let (identity, store) = opened.await.context("opening the store panicked")??;
    tracing::info!(node = %identity.node(), store = %store.id(), recovered = ?store.recovered(), "store opened");

    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", config.listen))?;
    let tls = config.tls.acceptor()?;
    let limits = serve_limits(&config.limits);
    let node = Arc::new(Node::new(config, clock, identity, store)?);
    let upkeep = Upkeep::start(&node)?;
    let heartbeats = tokio::spawn(heartbeat::keep_in_touch(Arc::clone(&node)));
    let tidying = tokio::spawn(server::metrics::tidy(Arc::clone(&node.meters.registry)));
    serve(listener, tls, router::router(&node), limits, stop).await;
    heartbeats.abort();
    tidying.abort();

    let closing = tokio::task::spawn_blocking(move || {
        upkeep.stop();
        node.store.close()
    });
    closing.await.context("closing the store panicked")?.context("the store was not closed cleanly")
}

fn serve_limits(limits: &Limits) -> ServeLimits {
    let window = limits.rate_window();
    ServeLimits {
        header: limits.header(),
        reader: ReaderLimits { idle: limits.idle(), window_bytes_min: limits.window_bytes_min(), window },
        drain: limits.drain(),
    }
}
