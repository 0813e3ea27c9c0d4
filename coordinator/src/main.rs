//! The program: reads the command line and does what it says; serves until it is told to stop.

use clap::Parser as _;
use coordinator::config::{Cli, Command};
use coordinator::{cli, start};
use server::telemetry::{self, LogFormat};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Serve(config) => {
            telemetry::start(&config.log, if config.log_json { LogFormat::Json } else { LogFormat::Text })?;
            start::serve(*config).await
        }
        Command::Node { command } => print(&cli::node(command).await?),
        Command::Cluster { command } => print(&cli::cluster(command).await?),
        Command::User { command } => print(&cli::user(command).await?),
        Command::Audit { command } => print(&cli::audit(command).await?),
        Command::Gc { command } => print(&cli::gc(command).await?),
    }
}

/// The answer of a command. A reader that went away, like `head`, is no fault of ours.
#[expect(clippy::unnecessary_wraps, reason = "every command ends alike")]
fn print(answer: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(answer.as_bytes());
    Ok(())
}
