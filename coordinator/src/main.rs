//! The program: reads the command line and does what it says; serves until it is told to stop.

use coordinator::config::{Cli, Command, PROGRAM};
use coordinator::{cli, router, start};
use server::telemetry::{self, LogFormat};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (cli, settings) = configuration::parse::<Cli>(&PROGRAM);
    let database = settings.secret("database_url");
    match cli.command {
        Command::Serve(mut config) => {
            config.database_url = database;
            config.metrics.metrics_token = settings.secret("metrics_token");
            telemetry::start(&config.log, if config.log_json { LogFormat::Json } else { LogFormat::Text })?;
            start::serve(*config).await
        }
        Command::Node { command } => print(&cli::node(command, &database).await?),
        Command::Cluster { command } => print(&cli::cluster(command, &database).await?),
        Command::User { command } => print(&cli::user(command, &database).await?),
        Command::Audit { command } => print(&cli::audit(command, &database).await?),
        Command::Gc { command } => print(&cli::gc(command, &database).await?),
        Command::Openapi => print(&router::description()),
    }
}

/// The answer of a command. A reader that went away, like `head`, is no fault of ours.
#[expect(clippy::unnecessary_wraps, reason = "every command ends alike")]
fn print(answer: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(answer.as_bytes());
    Ok(())
}
