//! The native side of the client: the system's clock and randomness, threads to compute on, and pins in a file.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use client::{Job, Pin, Platform};
use crypto::Backend;
use futures_util::future::LocalBoxFuture;

use crate::state::{read_file, replace_file};

/// Where the client runs: in this program, with its state folder.
#[derive(Debug, Clone)]
pub struct Native {
    pin: PathBuf,
}

impl Native {
    /// Pins are kept in this file: a state folder has one device, hence one pin.
    pub fn new(pin: PathBuf) -> Self {
        Self { pin }
    }
}

/// Unix milliseconds.
#[expect(clippy::disallowed_methods, reason = "the program's shell is where the clock is")]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Random bytes from the system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
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
        let pin = read_file(&self.pin).ok().flatten();
        let pin = pin.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Box::pin(async { pin })
    }

    fn save_pin(&self, _: &str, pin: &Pin) -> LocalBoxFuture<'static, ()> {
        let stored = read_file(&self.pin).ok().flatten();
        let stored = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let merged = pin.clone().merged(stored);
        let bytes = serde_json::to_vec(&merged).expect("ids and numbers are JSON");
        if let Err(error) = replace_file(&self.pin, &bytes) {
            tracing::warn!(%error, "what was verified could not be remembered");
        }
        Box::pin(async {})
    }
}
