//! `man`: the manual page.

use anyhow::Context as _;

use super::{Context, Failure};
use crate::cli::Cli;
use crate::config::program;
use crate::exit::Exit;

/// Prints it.
pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let mut out = Vec::new();
    clap_mangen::Man::new(configuration::command::<Cli>(&program()))
        .render(&mut out)
        .context("the page cannot be made")?;
    context.output.line(String::from_utf8_lossy(&out));
    Ok(Exit::Ok)
}
