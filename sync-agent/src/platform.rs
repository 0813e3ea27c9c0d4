//! The native side of the client: the system's clock and randomness, threads to compute on, and pins in a file.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use client::{Job, Pin, Platform};
use crypto::Backend;
use futures_util::future::LocalBoxFuture;
use rustix::time::{ClockId, clock_gettime};

use crate::state::{StateError, read_file, replace_file};

/// Where the client runs: in this program, with its state folder.
#[derive(Debug, Clone)]
pub struct Native {
    pin: PathBuf,
    last: Rc<RefCell<Option<Pin>>>,
}

/// What was verified before cannot be had, and going on without it would forget it.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The disk.
    #[error(transparent)]
    State(#[from] StateError),
    /// It is not a pin.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl Native {
    /// Pins are kept in this file: a state folder has one device, hence one pin.
    ///
    /// # Errors
    /// If there is a pin that cannot be read.
    pub fn new(pin: PathBuf) -> Result<Self, PinError> {
        let last = Rc::new(RefCell::new(read_pin(&pin)?));
        Ok(Self { pin, last })
    }

    /// Commands run beside each other: what one verified, the other must not take back.
    fn merge_pin(&self, pin: &Pin) -> Result<(), PinError> {
        let lock = self.pin.with_extension("lock");
        let locked = File::options().create(true).truncate(false).write(true).mode(0o600).open(&lock);
        let _locked = locked
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|source| StateError::Io { path: lock, source })?;
        let merged = pin.clone().merged(read_pin(&self.pin)?);
        let bytes = serde_json::to_vec(&merged).expect("ids and numbers are JSON");
        Ok(replace_file(&self.pin, &bytes)?)
    }
}

fn read_pin(path: &Path) -> Result<Option<Pin>, PinError> {
    let parse = |bytes: Vec<u8>| {
        serde_json::from_slice(&bytes).map_err(|source| PinError::Damaged { path: path.to_owned(), source })
    };
    read_file(path)?.map(parse).transpose()
}

/// Unix milliseconds.
#[expect(clippy::disallowed_methods, reason = "the program's shell is where the clock is")]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Unix nanoseconds, as file systems have them.
pub fn now_ns() -> i64 {
    i64::try_from(now_ms()).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

/// Milliseconds since the machine started, with those that it slept: they never go back and never jump. What waits is
/// measured by these; [`now_ms`] is only for what is shown or stored.
pub fn boot_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.cast_unsigned() * 1000 + now.tv_nsec.cast_unsigned() / 1_000_000
}

/// Random bytes from the system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

/// A random number from the system.
pub fn random_u64() -> u64 {
    u64::from_be_bytes(random())
}

impl Platform for Native {
    fn now_ms(&self) -> u64 {
        now_ms()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system has randomness");
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn backend(&self) -> Backend {
        Backend::rust_crypto()
    }

    fn compute(&self, job: Job) -> LocalBoxFuture<'static, ()> {
        let task = tokio::task::spawn_blocking(move || crypto::compute(job(Backend::rust_crypto())));
        Box::pin(async { task.await.expect("computations do not panic") })
    }

    fn load_pin(&self, _: &str) -> LocalBoxFuture<'static, Option<Pin>> {
        // It was read when this was made; should it break meanwhile, what was verified until then still holds.
        if let Ok(Some(pin)) = read_pin(&self.pin) {
            *self.last.borrow_mut() = Some(pin);
        }
        let pin = self.last.borrow().clone();
        Box::pin(async { pin })
    }

    fn save_pin(&self, _: &str, pin: &Pin) -> LocalBoxFuture<'static, ()> {
        *self.last.borrow_mut() = Some(pin.clone());
        if let Err(error) = self.merge_pin(pin) {
            tracing::warn!(%error, "what was verified could not be remembered");
        }
        Box::pin(async {})
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_broken_pin_is_an_error_and_is_not_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin.json");
        assert!(Native::new(path.clone()).is_ok(), "nothing was verified yet");
        std::fs::write(&path, b"{").unwrap();
        assert!(matches!(Native::new(path.clone()), Err(PinError::Damaged { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"{");
    }

    #[test]
    fn the_clock_for_waiting_never_goes_back() {
        let first = boot_ms();
        assert!(first > 0 && boot_ms() >= first);
    }
}
