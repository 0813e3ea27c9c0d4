//! How long the last minute's syncs to disk took.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_mins(1);
/// Enough for a p99; bounds memory on disks that sync in microseconds.
const SAMPLES_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct SyncTimes(Mutex<VecDeque<(Instant, Duration)>>);

impl SyncTimes {
    pub(crate) fn record(&self, now: Instant, took: Duration) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back((now, took));
    }

    /// Zero when there was no sync.
    pub(crate) fn p99(&self, now: Instant) -> Duration {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = samples.iter().filter(|(at, _)| now.duration_since(*at) < WINDOW);
        let mut times: Vec<Duration> = recent.map(|(_, took)| *took).collect();
        drop(samples);
        times.sort_unstable();
        times.get(times.len() * 99 / 100).copied().unwrap_or_default()
    }
}
