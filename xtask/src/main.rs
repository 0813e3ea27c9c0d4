//! The project's commands: `cargo xtask setup | start | test | tidy | queries | bench | chaos | fake-dropbox`. `./start` and `./test` only
//! make sure that cargo is there and call this. A failure is one line on standard error and exit code 1.

mod bench;
mod chaos;
mod console;
mod fake_dropbox;
mod queries;
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
    /// Describe the coordinator's SQL queries for builds without a database.
    Queries(queries::Options),
    /// Run the benchmarks and print their figures beside their targets.
    Bench(bench::Options),
    /// Be a Dropbox on this machine, for trying nodes out without an account.
    FakeDropbox(fake_dropbox::Options),
    /// Let programs, disks and the network fail while clients work, and check that nothing is lost.
    Chaos(chaos::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Task::Setup => setup::for_testing(),
        Task::Start(options) => start::run(&options),
        Task::Test(options) => test::run(options),
        Task::Tidy => tidy::run(),
        Task::Queries(options) => queries::run(options),
        Task::Bench(options) => bench::run(&options),
        Task::FakeDropbox(options) => fake_dropbox::run(&options),
        Task::Chaos(options) => chaos::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
