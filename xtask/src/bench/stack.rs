//! For benchmarks that start servers themselves: release builds of these, and a PostgreSQL that syncs what it commits, as
//! users have it.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, process::Command};

use anyhow::Result;
use supervise::postgres::{Durability, Postgres};

use crate::{
    start::{self, Profile},
    workspace::command,
};

/// What benchmarks find.
pub(super) struct Stack {
    postgres: Postgres,
}

/// Runs a benchmark with all of it there.
pub(super) fn with_postgres(run: impl FnOnce(&Stack) -> Result<()>) -> Result<()> {
    start::build::servers(Profile::Release)?;
    // PostgreSQL's user must be able to enter.
    let enterable = Permissions::from_mode(0o711);
    let folder = tempfile::Builder::new().prefix("triplicate-bench-").permissions(enterable).tempdir()?;
    let postgres =
        Postgres::start(&folder.path().join("postgres"), &folder.path().join("log"), Durability::Full)?;
    run(&Stack { postgres })
}

impl Stack {
    /// A benchmark of a package; its own arguments may follow.
    pub(super) fn bench(&self, package: &str, name: &str) -> Result<Command> {
        let mut bench = command("cargo")?;
        bench.args(["bench", "--quiet", "--package", package, "--bench", name, "--"]);
        bench.env("TRIPLICATE_TEST_DATABASE_URL", self.postgres.admin_url());
        Ok(bench)
    }
}
