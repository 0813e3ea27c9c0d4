//! The program: reads the command line, starts logging, serves until it is told to stop.

use clap::Parser as _;
use coordinator::config::{Cli, Command};
use coordinator::start;
use server::telemetry::{self, LogFormat};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { command: Command::Serve(config) } = Cli::parse();
    telemetry::start(&config.log, if config.log_json { LogFormat::Json } else { LogFormat::Text })?;
    start::serve(config).await
}
