//! The agent beside restic, on the same files: a program of the package sync-agent, with servers as users have them.

use anyhow::{Result, ensure};

use super::{Options, stack};
use crate::{console::say, setup, workspace::run as run_command};

pub(super) fn run(options: &Options) -> Result<()> {
    setup::for_comparing()?;
    stack::with_postgres(|stack| {
        let mut bench = stack.bench("sync-agent", "restic")?;
        bench.args(["--runs", &options.runs.to_string()]);
        if let Some(tree) = &options.tree {
            ensure!(tree.is_dir(), "{} is no folder", tree.display());
            bench.arg("--tree").arg(tree);
        } else {
            say("Set g is left out: give a folder with --tree.");
        }
        run_command(&mut bench)
    })
}
