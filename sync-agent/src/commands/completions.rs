//! `completions`: for a shell.

use clap_complete::Shell;

use super::Context;
use crate::cli::Cli;
use crate::config::program;
use crate::exit::Exit;

/// Options of `completions`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints them.
pub(super) fn run(args: &Args, context: &Context) -> Exit {
    let mut command = configuration::command::<Cli>(&program());
    let name = command.get_name().to_owned();
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut out);
    context.output.line(String::from_utf8_lossy(&out));
    Exit::Ok
}
