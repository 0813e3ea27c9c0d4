//! What the client needs from a browser's worker: time, randomness, WebCrypto, and memory of what it verified.

use std::time::Duration;

use client::{Job, Pin, Platform};
use crypto::Backend;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use gloo_timers::future::TimeoutFuture;
use tokio::sync::oneshot;
use wasm_bindgen_futures::spawn_local;

use super::pins;

pub(super) struct Browser {
    backend: Backend,
}

impl Browser {
    /// `None` where the browser gives no ciphers.
    pub(super) fn new() -> Option<Self> {
        Backend::web_crypto().map(|backend| Self { backend })
    }
}

impl Platform for Browser {
    fn now_ms(&self) -> u64 {
        // Positive since 1970, and far below 2^53.
        js_sys::Date::now() as u64
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("a browser with WebCrypto has random numbers");
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        // Timers of browsers end at 24 days; nothing here waits for an hour.
        TimeoutFuture::new(duration.as_millis() as u32).boxed_local()
    }

    fn backend(&self) -> Backend {
        self.backend.clone()
    }

    /// At once: this is a worker, no page waits for it.
    fn compute(&self, job: Job) -> LocalBoxFuture<'static, ()> {
        job(self.backend.clone())
    }

    fn load_pin(&self, login: &str) -> LocalBoxFuture<'static, Option<Pin>> {
        let login = login.to_owned();
        // A private window may have no store: there, this is a new device at every visit, as the threat model says.
        to_its_end(async move { pins::load(&login).await.ok().flatten() }).map(Option::flatten).boxed_local()
    }

    fn save_pin(&self, login: &str, pin: &Pin) -> LocalBoxFuture<'static, ()> {
        let (login, pin) = (login.to_owned(), pin.clone());
        to_its_end(async move { drop(pins::save(&login, pin).await) }).map(drop).boxed_local()
    }
}

/// Work that goes on when the call that waits for it is cancelled. IndexedDB calls back when a transaction is over, and
/// a callback that was dropped meanwhile is an error that nobody catches, which ends the worker.
async fn to_its_end<T: 'static>(work: impl Future<Output = T> + 'static) -> Option<T> {
    let (done, result) = oneshot::channel();
    spawn_local(async move {
        // Nobody may wait any more.
        let _ = done.send(work.await);
    });
    result.await.ok()
}
