//! What must hold before anything is built or started.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::{fs::statvfs, process::geteuid};
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

/// PostgreSQL refuses to run as root; it runs as a user of its own then, who must pass through all folders above its data.
pub(super) fn postgres_can_enter(data: &Path) -> Result<()> {
    match first_private(data)? {
        Some(private) if geteuid().is_root() => bail!(
            "PostgreSQL's own user cannot enter {}; choose another place, like --data /srv/triplicate",
            private.display()
        ),
        _ => Ok(()),
    }
}

/// The first folder from the root down to `path` that others may not enter.
fn first_private(path: &Path) -> Result<Option<PathBuf>> {
    const ENTER: u32 = 0o001;
    let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
    let mut folders: Vec<&Path> = path.ancestors().collect();
    folders.reverse();
    for folder in folders {
        let permissions: Permissions =
            folder.metadata().with_context(|| format!("cannot read {}", folder.display()))?.permissions();
        if permissions.mode() & ENTER == 0 {
            return Ok(Some(folder.to_owned()));
        }
    }
    Ok(None)
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

    #[test]
    fn the_first_private_folder_of_a_path_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        assert_eq!(first_private(&inner).unwrap(), None);
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        assert_eq!(first_private(&inner).unwrap(), Some(folder.path().canonicalize().unwrap()));
    }
}
