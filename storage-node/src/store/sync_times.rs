//! How long the last minute's syncs to disk took.

use std::collections::VecDeque;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use exposition::Histogram;

const WINDOW: Duration = Duration::from_mins(1);
/// Enough for a p99; bounds memory on disks that sync in microseconds.
const SAMPLES_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct SyncTimes {
    samples: Mutex<VecDeque<(Instant, Duration)>>,
    /// Where they are told to the outside too.
    told: OnceLock<Histogram>,
}

impl SyncTimes {
    /// Tells this histogram too from now on; the first that comes, for good.
    pub(crate) fn tell(&self, histogram: Histogram) {
        let _ = self.told.set(histogram);
    }

    pub(crate) fn record(&self, now: Instant, took: Duration) {
        if let Some(histogram) = self.told.get() {
            histogram.record(took.as_secs_f64());
        }
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back((now, took));
    }

    /// Zero when there was no sync.
    pub(crate) fn p99(&self, now: Instant) -> Duration {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = samples.iter().filter(|(at, _)| now.duration_since(*at) < WINDOW);
        let mut times: Vec<Duration> = recent.map(|(_, took)| *took).collect();
        drop(samples);
        times.sort_unstable();
        times.get(times.len() * 99 / 100).copied().unwrap_or_default()
    }
}
