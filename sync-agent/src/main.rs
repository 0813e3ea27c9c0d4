//! The program `triplicate-agent`.

use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::thread::available_parallelism;

use sync_agent::cli::{Cli, Global};
use sync_agent::commands::{Context, Failure, dispatch};
use sync_agent::config;
use sync_agent::exit::Exit;
use sync_agent::output::Output;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tracing_subscriber::EnvFilter;

/// Threads that wait for disks and compute, for each processor and in all. Each that allocates keeps memory of its own.
const BLOCKING_THREADS_PER_CPU: usize = 2;
const BLOCKING_THREADS: RangeInclusive<usize> = 4..=16;

fn main() -> ExitCode {
    let cli = config::read();
    let output = Output { json: cli.global.json, quiet: cli.global.quiet };
    let exit = match run(cli) {
        Ok(exit) => exit,
        Err(Failure { exit, message }) => {
            output.failure(exit, &message);
            exit
        }
    };
    exit.into()
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    start_log(&cli.global)?;
    let context = Context::new(&cli.global)?;
    let processors = available_parallelism().map_or(1, usize::from);
    let threads =
        (processors * BLOCKING_THREADS_PER_CPU).clamp(*BLOCKING_THREADS.start(), *BLOCKING_THREADS.end());
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(threads).build();
    let runtime = runtime.map_err(anyhow::Error::from)?;
    let ended = LocalSet::new().block_on(&runtime, dispatch(cli.verb, &context));
    // A thread that waits for standard input waits for ever.
    runtime.shutdown_background();
    ended
}

fn start_log(global: &Global) -> anyhow::Result<()> {
    let filter: EnvFilter = global.log.parse()?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    Ok(())
}
