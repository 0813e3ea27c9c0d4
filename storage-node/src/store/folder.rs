//! The store's folder: names, the lock, the mark of a clean stop, and files that are replaced as a whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::index::LogPosition;

/// An open folder; the lock ends with it, also when the process dies.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes what is missing and locks the folder.
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        for folder in [root.to_owned(), root.join("quarantine")] {
            fs::create_dir_all(&folder).map_err(StoreError::file("make the folder", folder))?;
        }
        let path = root.join("LOCK");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(StoreError::file("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(root.to_owned())),
            Err(TryLockError::Error(error)) => return Err(StoreError::file("lock", path)(error)),
        }
        sync_folder(root)?;
        Ok(Self { root: root.to_owned(), _lock: lock })
    }

    /// For packs on this disk.
    pub(crate) fn make_packs(&self) -> Result<(), StoreError> {
        for folder in [self.packs(), self.trash()] {
            fs::create_dir_all(&folder).map_err(StoreError::file("make the folder", folder))?;
        }
        sync_folder(&self.root)
    }

    /// Says that the packs are in a cloud, and whose they are there.
    pub(crate) fn cloud_mark(&self) -> PathBuf {
        self.root.join("cloud.json")
    }

    /// What the provider's hashes of packs in a cloud should be.
    pub(crate) fn hashes(&self) -> PathBuf {
        self.root.join("hashes.jsonl")
    }

    pub(crate) fn packs(&self) -> PathBuf {
        self.root.join("packs")
    }

    pub(crate) fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    pub(crate) fn damage_list(&self) -> PathBuf {
        self.root.join("damaged.jsonl")
    }

    pub(crate) fn scrub_progress(&self) -> PathBuf {
        self.root.join("scrub.json")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.root.join("index.redb")
    }

    /// Moves a file of no use out of the way, never over another one.
    pub(crate) fn quarantine(&self, path: &Path) -> Result<(), StoreError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let free = (0_u32..).map(|count| self.root.join("quarantine").join(format!("{name}.{count}")));
        let target = free.into_iter().find(|target| !target.exists()).expect("some number is free");
        fs::rename(path, target).map_err(StoreError::file("quarantine", path))?;
        sync_folder(&self.root.join("quarantine"))?;
        sync_folder(&self.packs())
    }

    /// Keeps bytes in `quarantine/` under a name, durably. Under the same name it is the same damage.
    pub(crate) fn put_aside(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        replace_file(&self.root.join("quarantine").join(name), bytes)
    }

    /// Takes the mark of a clean stop away: the end of the log, as it was written then.
    pub(crate) fn take_clean_mark(&self) -> Result<Option<LogPosition>, StoreError> {
        let path = self.root.join("CLEAN");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::file("read", path)(error)),
        };
        fs::remove_file(&path).map_err(StoreError::file("remove", path))?;
        sync_folder(&self.root)?;
        Ok(serde_json::from_slice(&bytes).ok())
    }

    pub(crate) fn write_clean_mark(&self, end: LogPosition) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(&end).expect("numbers serialize");
        replace_file(&self.root.join("CLEAN"), &bytes)
    }
}

/// Replaces a file as a whole, durably, readable by its owner alone: a crash leaves the old one or the new one.
///
/// # Errors
/// [`StoreError::File`].
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let write = || {
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(StoreError::file("write", &unfinished))?;
    fs::rename(&unfinished, path).map_err(StoreError::file("replace", path))?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(StoreError::file("sync", path))
}
