//! The agent beside restic, on the same files: a program of the package sync-agent, with servers as users have them.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

use anyhow::{Result, ensure};
use supervise::postgres::{Durability, Postgres};

use super::Options;
use crate::{
    console::say,
    setup,
    start::{self, Profile},
    workspace::{command, run as run_command},
};

pub(super) fn run(options: &Options) -> Result<()> {
    setup::for_comparing()?;
    start::build::servers(Profile::Release)?;
    // PostgreSQL syncs what it commits here, as the nodes do, and restic.
    // Its user must be able to enter.
    let enterable = Permissions::from_mode(0o711);
    let folder = tempfile::Builder::new().prefix("triplicate-bench-").permissions(enterable).tempdir()?;
    let postgres =
        Postgres::start(&folder.path().join("postgres"), &folder.path().join("log"), Durability::Full)?;
    let mut bench = command("cargo")?;
    bench.args(["bench", "--quiet", "--package", "sync-agent", "--bench", "restic", "--"]);
    bench.args(["--runs", &options.runs.to_string()]);
    if let Some(tree) = &options.tree {
        ensure!(tree.is_dir(), "{} is no folder", tree.display());
        bench.arg("--tree").arg(tree);
    } else {
        say("Set g is left out: give a folder with --tree.");
    }
    run_command(bench.env("TRIPLICATE_TEST_DATABASE_URL", postgres.admin_url()))
}
