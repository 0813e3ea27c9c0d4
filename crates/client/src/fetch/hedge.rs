//! When a read is late: when it takes longer than nearly all of those before it. What is late may be asked of a second
//! node, but seldom, so that nodes which are all slow are not made slower.

use std::collections::VecDeque;
use std::time::Duration;

use crate::patience::Patience;

/// Reads whose times count.
const RECENT: usize = 100;
/// With fewer than these, nobody knows what is late.
const RECENT_MIN: usize = 16;
/// Then a read is late after so many times the least.
const UNKNOWN: u32 = 20;
/// Of a hundred reads, so many are not late.
const TIMELY_PERCENT: usize = 95;
/// A second read costs so much of what each read earns.
const COST: u32 = 100;
/// Second reads that can be saved up, and that there are at the beginning.
const SAVED: (u32, u32) = (10, 4);

/// How long reads took, and how many may be asked twice.
pub(super) struct Hedging {
    late_min: Duration,
    /// What a read earns.
    percent: u32,
    recent: VecDeque<Duration>,
    credit: u32,
}

impl Hedging {
    pub(super) fn new(patience: &Patience) -> Self {
        let credit = if patience.hedges_percent == 0 { 0 } else { SAVED.1 * COST };
        let (late_min, percent) = (patience.late_min, patience.hedges_percent);
        Self { late_min, percent, recent: VecDeque::with_capacity(RECENT), credit }
    }

    /// A read is late that takes longer.
    pub(super) fn late_after(&self) -> Duration {
        if self.recent.len() < RECENT_MIN {
            return self.late_min * UNKNOWN;
        }
        let mut sorted: Vec<Duration> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        sorted[sorted.len() * TIMELY_PERCENT / 100].max(self.late_min)
    }

    /// Takes in how long a read took.
    pub(super) fn note(&mut self, took: Duration) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(took);
        self.credit = (self.credit + self.percent).min(SAVED.0 * COST);
    }

    /// Whether a second node may be asked now; counts as asked.
    pub(super) fn take(&mut self) -> bool {
        let left = self.credit.checked_sub(COST);
        self.credit = left.unwrap_or(self.credit);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hedging() -> Hedging {
        Hedging::new(&Patience::default())
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn late_is_what_takes_longer_than_nearly_all_before() {
        let mut hedging = hedging();
        assert_eq!(hedging.late_after(), ms(2000), "nothing is known yet");
        for took in 1..=100 {
            hedging.note(ms(10 * took));
        }
        assert_eq!(hedging.late_after(), ms(960));
        for _ in 0..100 {
            hedging.note(ms(300));
        }
        assert_eq!(hedging.late_after(), ms(300), "what is long ago does not count");
    }

    #[test]
    fn nothing_is_late_before_the_least() {
        let mut hedging = hedging();
        for _ in 0..100 {
            hedging.note(ms(1));
        }
        assert_eq!(hedging.late_after(), ms(100));
    }

    #[test]
    fn of_reads_that_are_all_late_few_are_asked_twice() {
        let mut hedging = hedging();
        let asked = |hedging: &mut Hedging, reads| {
            let asked = |_| {
                let taken = hedging.take();
                hedging.note(ms(5000));
                usize::from(taken)
            };
            (0..reads).map(asked).sum::<usize>()
        };
        assert_eq!(asked(&mut hedging, 1000), 53, "one in twenty, and the first four");
        for _ in 0..100_000 {
            hedging.note(ms(1));
        }
        assert_eq!(asked(&mut hedging, 20), 10, "a long calm saves up few");
        let mut never = Hedging::new(&Patience { hedges_percent: 0, ..Patience::default() });
        assert_eq!(asked(&mut never, 1000), 0);
    }
}
