//! The program `triplicate-node`.

use std::process::ExitCode;

use clap::Parser as _;
use server::clock::Clock;
use server::{shutdown, telemetry};
use storage_node::Config;

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::parse();
    if let Err(error) = telemetry::start(&config.log, config.log_format()) {
        return fail(&error.into());
    }
    match storage_node::run(config, Clock::System, shutdown::requested()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    tracing::error!("{error:#}");
    ExitCode::FAILURE
}
