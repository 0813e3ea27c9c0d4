//! How fast work in the background may go, and how it is told to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The longest sleep that does not look whether to end.
const NAP: Duration = Duration::from_millis(50);

/// Tells threads in the background to end.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was told.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sleeps, and says whether to go on afterwards.
    pub fn sleep(&self, time: Duration) -> bool {
        let mut left = time;
        while !left.is_zero() && !self.is_stopped() {
            let nap = left.min(NAP);
            thread::sleep(nap);
            left -= nap;
        }
        !self.is_stopped()
    }
}

/// A speed that is not exceeded.
#[derive(Debug, Clone)]
pub struct Pace {
    /// At least 1.
    pub bytes_per_second: u64,
    /// Ends the work.
    pub stop: Stop,
}

impl Pace {
    /// As fast as it goes, to the end.
    pub fn unlimited() -> Self {
        Self { bytes_per_second: u64::MAX, stop: Stop::default() }
    }

    /// Waits for as long as so many bytes take, and says whether to go on afterwards.
    pub(crate) fn spend(&self, bytes: u64) -> bool {
        let micros = bytes.saturating_mul(1_000_000) / self.bytes_per_second.max(1);
        self.stop.sleep(Duration::from_micros(micros))
    }
}
