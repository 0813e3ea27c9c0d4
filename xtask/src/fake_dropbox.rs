//! `fake-dropbox`: the Dropbox that the tests use, for people.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::start::cloud;
use crate::workspace::run as run_command;

#[derive(Args)]
pub(crate) struct Options {
    /// The folder with the account's files; made if it is missing.
    #[arg(long, default_value = "data/dropbox")]
    folder: PathBuf,
    /// The port.
    #[arg(long, default_value_t = 9800)]
    port: u16,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut command = Command::new(cloud::build()?);
    command.arg("dropbox").arg("--folder").arg(&options.folder);
    run_command(command.args(["--listen", &format!("127.0.0.1:{}", options.port)]))
}
