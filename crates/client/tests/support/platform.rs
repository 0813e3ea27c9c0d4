//! Where the client runs in tests: threads to compute on, pins in memory, files that are bytes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use client::{Client, Error, Job, NewFile, Pin, Platform, ReadAt, SnapshotRef, Vault};
use crypto::Backend;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::TryStreamExt as _;

/// A device: what it pinned survives as long as it does.
#[derive(Clone, Default)]
pub(crate) struct Device {
    pub(crate) pins: Rc<RefCell<HashMap<String, Pin>>>,
    /// How far its clock is ahead, in milliseconds.
    pub(crate) ahead_ms: Rc<Cell<u64>>,
    /// Waits between attempts take a fiftieth of their time; how long an answer may take stays as it is.
    pub(crate) hurries: Rc<Cell<bool>>,
    /// The longest time that it waited to the end.
    pub(crate) longest_wait: Rc<Cell<Duration>>,
}

/// No wait between two attempts is longer, and no time for an answer shorter.
const ATTEMPTS_APART_MAX: Duration = Duration::from_secs(16);

impl Platform for Device {
    #[expect(clippy::disallowed_methods, reason = "a platform is where the clock is")]
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        u64::try_from(since.as_millis()).expect("before the year 500 million") + self.ahead_ms.get()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system has randomness");
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        let is_hurried = self.hurries.get() && duration <= ATTEMPTS_APART_MAX;
        let sleep = tokio::time::sleep(if is_hurried { duration / 50 } else { duration });
        let longest = self.longest_wait.clone();
        Box::pin(async move {
            sleep.await;
            longest.set(longest.get().max(duration));
        })
    }

    fn backend(&self) -> Backend {
        Backend::rust_crypto()
    }

    fn compute(&self, job: Job) -> LocalBoxFuture<'static, ()> {
        let task = tokio::task::spawn_blocking(move || crypto::compute(job(Backend::rust_crypto())));
        Box::pin(async { task.await.expect("jobs do not panic") })
    }

    fn load_pin(&self, login: &str) -> LocalBoxFuture<'static, Option<Pin>> {
        let pin = self.pins.borrow().get(login).cloned();
        Box::pin(async { pin })
    }

    fn save_pin(&self, login: &str, pin: &Pin) -> LocalBoxFuture<'static, ()> {
        let stored = self.pins.borrow_mut().remove(login);
        self.pins.borrow_mut().insert(login.to_owned(), pin.clone().merged(stored));
        Box::pin(async {})
    }
}

impl Device {
    pub(crate) fn client(&self, origin: &str) -> Client {
        Client::new(origin, Rc::new(self.clone()))
    }
}

/// Bytes that look random, the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof().fill(&mut out);
    out
}

pub(crate) struct InMemory(pub(crate) Rc<Vec<u8>>);

impl ReadAt for InMemory {
    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Vec<u8>, String>> {
        let start = usize::try_from(offset).expect("fits memory").min(self.0.len());
        let end = (start + len).min(self.0.len());
        Box::pin(async move { Ok(self.0[start..end].to_vec()) })
    }
}

pub(crate) fn path(text: &str) -> Vec<String> {
    text.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn file(name: &str, content: &[u8]) -> NewFile {
    let reader = Box::new(InMemory(Rc::new(content.to_vec())));
    NewFile { path: path(name), mtime_ms: 1_700_000_000_000, size: content.len() as u64, reader }
}

pub(crate) async fn restore(
    vault: &Vault,
    snapshot: impl Into<SnapshotRef>,
    name: &str,
) -> Result<Vec<u8>, Error> {
    let download = vault.open_file(snapshot, &path(name)).await?;
    let chunks: Vec<Vec<u8>> = download.stream.try_collect().await?;
    Ok(chunks.concat())
}
