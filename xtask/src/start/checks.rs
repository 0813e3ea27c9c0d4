//! What must hold before anything is built or started.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::fs::statvfs;
use supervise::net::is_port_free;

const GIB: u64 = 1 << 30;

/// The coordinator's port, then one for each node.
pub(super) fn ports_are_free(first: u16, nodes: u16) -> Result<()> {
    for port in first..=first + nodes {
        ensure!(is_port_free(port), "port {port} is taken by another program; choose others with --port");
    }
    Ok(())
}

pub(super) fn space_is_left(path: &Path) -> Result<()> {
    let disk = statvfs(path).with_context(|| format!("cannot measure {}", path.display()))?;
    enough(disk.f_bavail.saturating_mul(disk.f_frsize), path)
}

fn enough(free: u64, path: &Path) -> Result<()> {
    let mib = free >> 20;
    ensure!(free >= GIB, "the disk of {} is full: {mib} MiB are free, 1024 are needed", path.display());
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_gibibyte_is_enough_and_less_is_not() {
        let path = Path::new("data");
        assert!(enough(GIB, path).is_ok());
        let error = enough(GIB - 1, path).unwrap_err().to_string();
        assert_eq!(error, "the disk of data is full: 1023 MiB are free, 1024 are needed");
    }
}
