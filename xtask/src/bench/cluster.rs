//! What a large cluster costs its coordinator, and how soon a lost node's copies are made again.

use anyhow::Result;

use super::{Options, stack};
use crate::workspace::run as run_command;

pub(super) fn run(options: &Options) -> Result<()> {
    stack::with_postgres(|stack| {
        run_command(&mut stack.bench("coordinator", "million")?)?;
        run_command(stack.bench("client", "repair")?.arg(options.gigabytes.to_string()))
    })
}
