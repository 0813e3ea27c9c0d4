//! Speed and remaining time of a transfer, from what it has done so far, and whether it moves at all.

use std::cell::Cell;
use std::collections::VecDeque;

/// Samples older than this do not count: a speed is that of now.
const WINDOW_MS: f64 = 8_000.0;
/// Below this much history a speed is noise.
const HISTORY_MS_MIN: f64 = 900.0;

/// Remembers the last seconds of a transfer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Estimate {
    samples: VecDeque<(f64, u64)>,
}

impl Estimate {
    /// `done` bytes at `now_ms`, a clock that never goes back.
    pub fn record(&mut self, now_ms: f64, done: u64) {
        self.samples.push_back((now_ms, done));
        // One sample older than the window stays: the speed is measured from it.
        while self.samples.len() > 2 && now_ms - self.samples[1].0 >= WINDOW_MS {
            self.samples.pop_front();
        }
    }

    /// Bytes per second, once there is enough to tell.
    pub fn speed(&self) -> Option<f64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let elapsed_ms = last.0 - first.0;
        (elapsed_ms >= HISTORY_MS_MIN).then(|| last.1.saturating_sub(first.1) as f64 / elapsed_ms * 1000.0)
    }

    /// Seconds until `total` bytes are done; `None` while nothing moves.
    pub fn seconds_left(&self, total: u64) -> Option<u64> {
        let done = self.samples.back()?.1;
        let speed = self.speed().filter(|speed| *speed >= 1.0)?;
        Some((total.saturating_sub(done) as f64 / speed).ceil() as u64)
    }
}

/// Tells progress from its repetition.
#[derive(Debug, Default)]
pub struct Movement(Cell<u64>);

impl Movement {
    /// Whether `moved`, the bytes moved in any way so far, are more than at the last call.
    pub fn is_on(&self, moved: u64) -> bool {
        self.0.replace(moved) < moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(samples: &[(f64, u64)]) -> Estimate {
        let mut estimate = Estimate::default();
        for (now, done) in samples {
            estimate.record(*now, *done);
        }
        estimate
    }

    #[test]
    fn a_steady_transfer_ends_when_arithmetic_says() {
        let estimate = after(&[(0.0, 0), (500.0, 500), (1000.0, 1000), (2000.0, 2000)]);
        assert_eq!(estimate.speed(), Some(1000.0));
        assert_eq!(estimate.seconds_left(10_000), Some(8));
        assert_eq!(estimate.seconds_left(2000), Some(0));
    }

    #[test]
    fn nothing_is_said_before_there_is_enough_to_tell() {
        assert_eq!(after(&[]).speed(), None);
        assert_eq!(after(&[(0.0, 0), (100.0, 1 << 20)]).speed(), None);
    }

    #[test]
    fn a_stall_is_no_speed_and_no_promise() {
        let estimate = after(&[(0.0, 500), (5000.0, 500)]);
        assert_eq!(estimate.speed(), Some(0.0));
        assert_eq!(estimate.seconds_left(1000), None);
    }

    #[test]
    fn reports_without_bytes_are_no_movement() {
        let movement = Movement::default();
        let told: Vec<_> = [0, 4, 4, 4, 9, 9].into_iter().map(|moved| movement.is_on(moved)).collect();
        assert_eq!(told, [false, true, false, false, true, false]);
    }

    #[test]
    fn only_the_last_seconds_count() {
        let mut estimate = Estimate::default();
        for second in 0..=60 {
            let done = if second <= 30 { second * 1_000_000 } else { 30_000_000 + (second - 30) * 1000 };
            estimate.record(second as f64 * 1000.0, done);
        }
        assert_eq!(estimate.speed(), Some(1000.0));
        assert!(estimate.samples.len() <= 10);
    }
}
