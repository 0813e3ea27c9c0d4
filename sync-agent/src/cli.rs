//! The command line. Each verb is a file in `commands/`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::config::Config;

/// Backs folders up to Triplicate as they change
#[derive(Parser)]
#[command(name = "triplicate-agent", version)]
pub struct Cli {
    /// What holds for every verb
    #[command(flatten)]
    pub global: Global,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What holds for every verb.
#[derive(clap::Args)]
pub struct Global {
    /// The folder of keys and index [default: $XDG_STATE_HOME/triplicate]
    #[arg(long, env = "TRIPLICATE_STATE", global = true)]
    pub state: Option<PathBuf>,
    /// Which events are logged
    #[arg(long, env = "TRIPLICATE_LOG", default_value = "warn,sync_agent=info", global = true)]
    pub log: String,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Print no progress
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// What holds as long as the agent runs
    #[command(flatten)]
    pub config: Config,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make this machine a device of an account, with a link from the web app
    Enroll(commands::enroll::Args),
    /// Watch the folders and back them up as they change
    Run(commands::run::Args),
    /// Say how the agent and its folders are
    Status(commands::status::Args),
    /// Which folders are backed up
    Folders(commands::folders::Args),
    /// Back folders up once
    Backup(commands::backup::Args),
    /// List snapshots
    Snapshots(commands::snapshots::Args),
    /// List what is in a snapshot
    Ls(commands::ls::Args),
    /// Find entries by name, in all snapshots or in one
    Find(commands::find::Args),
    /// Say what differs between two snapshots
    Diff(commands::diff::Args),
    /// Restore a snapshot, or a part of it, into a folder
    Restore(commands::restore::Args),
    /// Write one file of a snapshot to standard output
    Dump(commands::dump::Args),
    /// Check that everything is there and can be read
    Check(commands::check::Args),
    /// Prove that folders can be restored: restore a sample of each and compare it
    Prove(commands::prove::Args),
    /// Run the agent whenever its user's session runs
    Service(commands::service::Args),
    /// Print completions for a shell
    Completions(commands::completions::Args),
    /// Print the manual page
    Man,
}
