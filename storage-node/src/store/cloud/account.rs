//! What all stores of one account share: how much is asked for at once, and for how long nothing is.
//!
//! Stores in one process share memory; those of other processes on this machine share a locked file, for uploads alone.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use protocol::digest::sha256;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;

use super::error::CloudError;

/// Requests at a time.
const REQUESTS: usize = 8;
/// Uploads at a time. Dropbox locks a whole account for each write.
const UPLOADS: usize = 1;
/// Between looks whether another process still uploads.
const LOOK_EVERY: Duration = Duration::from_millis(20);

static ACCOUNTS: LazyLock<Mutex<HashMap<[u8; 32], Weak<Account>>>> = LazyLock::new(Mutex::default);

#[derive(Debug)]
pub(super) struct Account {
    requests: Semaphore,
    uploads: Semaphore,
    /// Nothing is asked for before.
    not_before: Mutex<Option<Instant>>,
    lock: Option<(File, PathBuf)>,
}

/// The right to upload, until it is dropped.
pub(super) struct Upload<'a> {
    account: &'a Account,
    _permit: SemaphorePermit<'a>,
}

impl Account {
    /// The one of this name in this process.
    pub(super) fn named(name: &str) -> Arc<Self> {
        let key = sha256(&[b"triplicate account", name.as_bytes()]);
        let mut accounts = ACCOUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.retain(|_, account| account.strong_count() > 0);
        if let Some(account) = accounts.get(&key).and_then(Weak::upgrade) {
            return account;
        }
        let account = Arc::new(Self {
            requests: Semaphore::new(REQUESTS),
            uploads: Semaphore::new(UPLOADS),
            not_before: Mutex::default(),
            lock: lock_file(&key),
        });
        accounts.insert(key, Arc::downgrade(&account));
        account
    }

    /// Waits for one's turn, unless the provider wants a longer pause than `patience`.
    pub(super) async fn request(&self, patience: Duration) -> Result<SemaphorePermit<'_>, CloudError> {
        let permit = self.requests.acquire().await.map_err(|_| closed())?;
        while let Some(pause) = self.pause_left() {
            if pause > patience {
                return Err(CloudError::Busy { retry_after: Some(pause) });
            }
            sleep(pause).await;
        }
        Ok(permit)
    }

    /// Waits until no other store of the account uploads.
    pub(super) async fn upload(&self, patience: Duration) -> Result<Upload<'_>, CloudError> {
        let permit = self.uploads.acquire().await.map_err(|_| closed())?;
        let started = Instant::now();
        if let Some((lock, _)) = &self.lock {
            while let Err(TryLockError::WouldBlock) = lock.try_lock() {
                if started.elapsed() > patience {
                    return Err(CloudError::Busy { retry_after: None });
                }
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(Upload { account: self, _permit: permit })
    }

    /// The provider wants to be left alone.
    pub(super) fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *not_before = Some(not_before.map_or(until, |earlier| earlier.max(until)));
    }

    fn pause_left(&self) -> Option<Duration> {
        let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.map(|at| at.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        if let Some((lock, _)) = &self.account.lock {
            drop(lock.unlock());
        }
    }
}

impl Drop for Account {
    /// Takes the file away, if nobody uploads. A process that opened it before coordinates with none that opens the next
    /// one; the provider then tells one of them to wait.
    fn drop(&mut self) {
        if let Some((lock, path)) = &self.lock
            && lock.try_lock().is_ok()
        {
            drop(fs::remove_file(path));
        }
    }
}

/// None where the system has no folder for it: then each process counts for itself.
fn lock_file(key: &[u8; 32]) -> Option<(File, PathBuf)> {
    let name = format!("triplicate-account-{}.lock", hex::encode(&key[..8]));
    let path = std::env::temp_dir().join(name);
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).custom_flags(nofollow);
    match options.open(&path) {
        Ok(file) => Some((file, path)),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "uploads are not coordinated");
            None
        }
    }
}

fn closed() -> CloudError {
    CloudError::Unexpected("the store is closing".into())
}
