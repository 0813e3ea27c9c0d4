//! `chaos`: real processes and a network that fail by a schedule from a seed. The suite is a test of the client, so that
//! nothing of it is built for anything else; this starts it by itself and says how long it lasts.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use anyhow::Result;
use clap::Args;

use crate::workspace::{command, run as run_command};

const TEST: &str = "what_was_acknowledged_is_kept_whatever_fails_and_all_becomes_whole_again";

#[derive(Args)]
pub(crate) struct Options {
    /// For how long things fail; a minute or two follow in which all must become whole and is checked.
    #[arg(long, default_value_t = 2)]
    minutes: u64,
    /// The schedule to run again [default: another each time].
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    // Short enough to be typed again.
    let seed = options.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() % 1_000_000);
    run_command(command("cargo")?.args(["build", "--package", "coordinator", "--package", "storage-node"]))?;
    let mut suite = command("cargo")?;
    suite.args([
        "test",
        "--quiet",
        "--package",
        "client",
        "--test",
        "chaos",
        "--",
        "--nocapture",
        "--exact",
        TEST,
    ]);
    suite.env("TRIPLICATE_TEST_SEED", seed.to_string());
    suite.env("TRIPLICATE_CHAOS_SECONDS", (options.minutes * 60).to_string());
    run_command(&mut suite)
}
