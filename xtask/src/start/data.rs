//! The data folder: its version, and the lock that keeps two launchers apart.

use std::{
    fs::{self, File, Permissions, TryLockError},
    io::{Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf, absolute},
};

use anyhow::{Context, Result, bail};

/// Changes when an older program could not read the folder.
const VERSION: &str = "1";

/// An open data folder, locked until dropped.
///
/// `VERSION`, `run/` (lock, pids, the database's URL), `log/`, `postgres/`, `coordinator/`, `node-1/` …
pub(super) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let path = absolute(path).with_context(|| format!("no such folder: {}", path.display()))?;
        let cannot = || format!("cannot create {}", path.display());
        if !path.exists() {
            fs::create_dir_all(&path).with_context(cannot)?;
            // PostgreSQL's own user passes through when root runs us; each program guards its folder.
            fs::set_permissions(&path, Permissions::from_mode(0o711)).with_context(cannot)?;
        }
        check_version(&path)?;
        fs::write(path.join("VERSION"), format!("{VERSION}\n")).with_context(cannot)?;
        let run = path.join("run");
        for folder in [&run, &path.join("log")] {
            fs::create_dir_all(folder).with_context(cannot)?;
            fs::set_permissions(folder, Permissions::from_mode(0o700)).with_context(cannot)?;
        }
        let lock = lock(&run.join("lock"), &path)?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.path.join("log").join(format!("{name}.log"))
    }

    /// Pids of the running programs, for finding leftovers and for tests.
    pub(super) fn pid_file(&self, name: &str) -> PathBuf {
        self.path.join("run").join(format!("{name}.pid"))
    }

    /// Tells developers and tests how to look into the database; only its owner can read it.
    pub(super) fn write_database_url(&self, url: &str) -> Result<()> {
        let path = self.path.join("run/database-url");
        let options = File::options().create(true).write(true).truncate(true).mode(0o600).open(&path);
        let written = options.and_then(|mut file| writeln!(file, "{url}"));
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    pub(super) fn nodes_on_disk(&self) -> Result<usize> {
        let mut count = 0;
        for entry in fs::read_dir(&self.path)? {
            count += usize::from(entry?.file_name().to_string_lossy().starts_with("node-"));
        }
        Ok(count)
    }
}

fn check_version(path: &Path) -> Result<()> {
    match fs::read_to_string(path.join("VERSION")) {
        Ok(version) if version.trim() == VERSION => Ok(()),
        Ok(version) => bail!(
            "{} has data version {}, this program reads version {VERSION}; choose another folder with --data",
            path.display(),
            version.trim()
        ),
        Err(_) if is_empty(path)? => Ok(()),
        Err(_) => bail!("{} holds other files; choose another folder with --data", path.display()),
    }
}

fn is_empty(path: &Path) -> Result<bool> {
    let mut entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(entries.next().is_none())
}

fn lock(file: &Path, data: &Path) -> Result<File> {
    let cannot = || format!("cannot lock {}", data.display());
    let options = File::options().create(true).truncate(false).read(true).write(true).open(file);
    let mut lock = options.with_context(cannot)?;
    match lock.try_lock() {
        Ok(()) => {
            lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id())).with_context(cannot)?;
            Ok(lock)
        }
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            lock.read_to_string(&mut pid).with_context(cannot)?;
            bail!("{} is in use by another start (process {pid})", data.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
    }
}
