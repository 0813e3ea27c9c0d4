//! The answers of PostgreSQL about the coordinator's queries, kept in `.sqlx` so that it compiles without a database.
//! Made anew from the migrations and the sources; in a check, compared with what is committed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use supervise::postgres::{Postgres, run_sql};

use crate::workspace::{command, root, run as run_command, target};

const DATABASE: &str = "queries";

#[derive(Args, Clone, Copy)]
pub(crate) struct Options {
    /// Change nothing; fail if `.sqlx` is not what the sources and migrations give.
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(options: Options) -> Result<()> {
    let committed = root().join(".sqlx");
    let fresh = target()?.join("queries");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    describe_queries(&fresh)?;
    let (old, new) = (read(&committed)?, read(&fresh)?);
    if options.check {
        ensure!(old == new, ".sqlx is not up to date: run `cargo xtask queries` and commit it");
        return Ok(());
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        fs::remove_file(committed.join(name))?;
    }
    for (name, content) in new.iter().filter(|(name, content)| old.get(*name) != Some(*content)) {
        fs::write(committed.join(name), content)?;
    }
    Ok(())
}

/// The query macros write their descriptions while the coordinator compiles against a migrated database.
fn describe_queries(folder: &Path) -> Result<()> {
    let postgres = Postgres::temporary()?;
    postgres.ensure_database(DATABASE)?;
    let url = postgres.url(DATABASE, DATABASE);
    let mut migrations = files(&root().join("migrations"))?;
    migrations.sort();
    for migration in migrations {
        run_sql(&url, &fs::read_to_string(&migration)?)
            .with_context(|| format!("cannot apply {}", migration.display()))?;
    }
    // Cargo does not see that another database is asked; a changed file it sees.
    run_command(command("touch")?.arg("coordinator/src/lib.rs"))?;
    let mut check = command("cargo")?;
    check.args(["check", "--quiet", "--package", "coordinator"]);
    check.env("DATABASE_URL", url).env("SQLX_OFFLINE", "false");
    run_command(check.env("SQLX_OFFLINE_DIR", folder))
}

fn read(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut contents = BTreeMap::new();
    for file in files(folder)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        contents.insert(name, fs::read(&file)?);
    }
    Ok(contents)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}
