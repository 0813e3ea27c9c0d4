//! What the client needs from where it runs: time, randomness, a place to compute, and memory of what it verified.

use std::time::Duration;

use crypto::{Backend, Salt};
use futures_util::future::LocalBoxFuture;

use crate::pin::Pin;

/// A computation on its way to where it runs.
pub type Job = Box<dyn FnOnce(Backend) -> LocalBoxFuture<'static, ()> + Send>;

/// Where the client runs. In a browser's worker, or in a native program.
pub trait Platform {
    /// Unix milliseconds.
    fn now_ms(&self) -> u64;

    /// Fills `bytes` from a cryptographic random source.
    fn fill_random(&self, bytes: &mut [u8]);

    /// Waits.
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()>;

    /// Who computes on the calling thread.
    fn backend(&self) -> Backend;

    /// Runs a computation of some milliseconds to a second: natively on another thread, in a worker at once.
    fn compute(&self, job: Job) -> LocalBoxFuture<'static, ()>;

    /// What was verified for a login before, on this device.
    fn load_pin(&self, login: &str) -> LocalBoxFuture<'static, Option<Pin>>;

    /// Remembers durably what was verified for a login, as [`Pin::merged`] with what is stored.
    fn save_pin(&self, login: &str, pin: &Pin) -> LocalBoxFuture<'static, ()>;
}

/// A file that is read in slices.
pub trait ReadAt {
    /// The `len` bytes at `offset`, or fewer where the file ends. The error is text for a person.
    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Vec<u8>, String>>;
}

impl dyn Platform + '_ {
    /// Random bytes, as ids, keys and nonces need them.
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill_random(&mut bytes);
        bytes
    }

    /// The salt of one SEAL.
    pub(crate) fn salt(&self) -> Salt {
        Salt::from_random(self.random())
    }

    /// Runs a computation where the platform wants it, and returns what it gives.
    pub(crate) async fn run<T, F, W>(&self, work: W) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
        W: FnOnce(Backend) -> F + Send + 'static,
    {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let job: Job = Box::new(move |backend| {
            Box::pin(async move {
                // The receiver is gone only if whoever asked was cancelled.
                let _ = sender.send(work(backend).await);
            })
        });
        self.compute(job).await;
        receiver.await.expect("a platform runs the jobs that it is given")
    }
}
