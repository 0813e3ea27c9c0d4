//! The program `triplicate-node`.

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::clock::Clock;
use server::{shutdown, telemetry};
use storage_node::Config;

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::read();
    if let Err(error) = telemetry::start(&config.log, config.log_format()) {
        return fail(&error.into());
    }
    allow_many_files();
    match storage_node::run(config, Clock::System, shutdown::requested()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// A connection takes a file, and a read another. Programs are started with few, for the sake of `select`, which this
/// one does not use, and may take more.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the number of open files stays limited");
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    tracing::error!("{error:#}");
    ExitCode::FAILURE
}
