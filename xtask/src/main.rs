//! The project's commands: `cargo xtask setup | start | test | tidy | bench`. `./start` and `./test` only
//! make sure that cargo is there and call this. A failure is one line on standard error and exit code 1.

mod bench;
mod console;
mod setup;
mod start;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's commands.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing for running and for testing.
    Setup,
    /// Run Triplicate on this machine: a coordinator, N storage nodes, PostgreSQL.
    Start(start::Options),
    /// Run every check and test.
    Test(test::Options),
    /// Check the rules that the compiler does not.
    Tidy,
    /// Run the benchmarks and print their figures.
    Bench,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Task::Setup => setup::for_developing(),
        Task::Start(options) => start::run(&options),
        Task::Test(options) => test::run(options),
        Task::Tidy => tidy::run(),
        Task::Bench => bench::run_all(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
