//! Where PostgreSQL's programs are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Error, run};

/// The folder of the programs that can run `data`: those that made it, or the newest.
pub(super) fn installation(data: &Path) -> Result<PathBuf, Error> {
    let Ok(version) = fs::read_to_string(data.join("PG_VERSION")) else {
        return Ok(newest_installation()?.1);
    };
    let version = version.trim().to_owned();
    installations()
        .into_iter()
        .find_map(|(major, bin)| (major.to_string() == version).then_some(bin))
        .ok_or_else(|| Error::OtherVersion { data: data.to_owned(), version })
}

pub(super) fn newest_installation() -> Result<(u32, PathBuf), Error> {
    installations().into_iter().max().ok_or(Error::NotInstalled)
}

/// Debian keeps each major version apart and off PATH; elsewhere `pg_config` knows.
fn installations() -> Vec<(u32, PathBuf)> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    if found.is_empty()
        && let Ok(bin) = run("pg_config", Command::new("pg_config").arg("--bindir"))
        && let bin = PathBuf::from(bin.trim())
        && bin.join("initdb").exists()
        && let Ok(version) = run("pg_config", Command::new("pg_config").arg("--version"))
        && let Some(major) = version.split([' ', '.']).nth(1).and_then(|major| major.parse().ok())
    {
        found.push((major, bin));
    }
    found
}

/// Whether some version is installed.
pub fn is_installed() -> bool {
    newest_installation().is_ok()
}
