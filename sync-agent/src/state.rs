//! The agent's state folder: who may see it, what is in it, and the lock that keeps two agents apart.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::platform::random;

/// The state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another agent works with it.
    #[error("another agent is running with {}", .0.display())]
    Locked(PathBuf),
    /// The disk.
    #[error("{} cannot be used", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A state folder.
#[derive(Debug, Clone)]
pub struct StateDir(PathBuf);

/// Held by the one agent that works with a state folder, until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl StateDir {
    /// Opens the folder, which nobody else may read; makes it if need be.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| StateError::Io { path: path.to_owned(), source })?;
        let path =
            fs::canonicalize(path).map_err(|source| StateError::Io { path: path.to_owned(), source })?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The device's keys, sealed.
    pub fn keys(&self) -> PathBuf {
        self.0.join("device.keys")
    }

    /// The key of that seal, where whoever starts the agent does not bring it.
    pub fn seal_key(&self) -> PathBuf {
        self.0.join("seal.key")
    }

    /// What was verified before.
    pub fn pin(&self) -> PathBuf {
        self.0.join("pin.json")
    }

    /// See [`crate::index`].
    pub fn index(&self) -> PathBuf {
        self.0.join("index.redb")
    }

    /// Where a running agent listens.
    pub fn socket(&self) -> PathBuf {
        self.0.join("agent.sock")
    }

    /// Keeps other agents away.
    ///
    /// # Errors
    /// [`StateError::Locked`] if one is there.
    pub fn lock(&self) -> Result<Lock, StateError> {
        let path = self.0.join("lock");
        let cannot = |source| StateError::Io { path: path.clone(), source };
        let options = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = options.map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StateError::Locked(self.0.clone())),
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }
}

/// Replaces a file that only its owner may read, all of it or nothing, synced to the disk.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let replace = || {
        // Two that write at once must not write into each other's file.
        let new = path.with_extension(format!("{}.new", hex::encode(random::<8>())));
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
        let written =
            file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path));
        if let Err(error) = written {
            // Why it stays behind matters less than why it was not written.
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    replace().map_err(|source| StateError::Io { path: path.to_owned(), source })
}

/// A file's content, if there is such a file.
pub fn read_file(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateError::Io { path: path.to_owned(), source }),
    }
}
