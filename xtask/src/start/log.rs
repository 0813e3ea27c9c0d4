//! The servers' log files: kept from growing without end, and followed on the console.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::console::say;

const LARGEST: u64 = 32 << 20;

/// At each start, puts a large log aside; only the one before is kept.
pub(super) fn rotate(log: &Path) -> Result<()> {
    if fs::metadata(log).is_ok_and(|metadata| metadata.len() > LARGEST) {
        fs::rename(log, log.with_extension("log.old"))
            .with_context(|| format!("cannot put {} aside", log.display()))?;
    }
    Ok(())
}

/// Shows what is appended to one log from now on.
pub(super) struct Follower {
    name: String,
    path: PathBuf,
    position: u64,
}

impl Follower {
    pub(super) fn new(name: &str, path: PathBuf) -> Self {
        let position = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Self { name: name.to_owned(), path, position }
    }

    /// Shows the whole lines that are new.
    pub(super) fn show(&mut self) -> Result<()> {
        let cannot = || format!("cannot read {}", self.path.display());
        let mut file = File::open(&self.path).with_context(cannot)?;
        file.seek(SeekFrom::Start(self.position)).with_context(cannot)?;
        let mut new = Vec::new();
        file.read_to_end(&mut new).with_context(cannot)?;
        let Some(end) = new.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        self.position += end as u64 + 1;
        for line in String::from_utf8_lossy(&new[..end]).lines() {
            say(&format!("{:<11} | {line}", self.name));
        }
        Ok(())
    }
}
