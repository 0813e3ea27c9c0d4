//! When a folder's newest snapshot is proven to be restorable: a state machine on any clock. Times are milliseconds
//! that never go back.

/// A folder that nobody has proven yet does not wait for the whole interval.
const FIRST_MS: u64 = 10 * 60_000;
/// After one that failed.
const RETRY_MS: u64 = 60 * 60_000;
/// Repairs that are tried at once; then what is left waits its time.
const TRIES_AT_ONCE: u32 = 5;
/// One in so many of a wait is added to it at most: agents that started together do not come together.
const JITTER_SHARE: u64 = 10;

/// One folder's proofs.
#[derive(Debug, Clone)]
pub(super) struct ProofSchedule {
    interval_ms: u64,
    due_at_ms: u64,
    is_asked: bool,
    /// In a row.
    failures: u32,
}

impl ProofSchedule {
    /// After the last proof, if there was one. `random` is any number.
    pub(super) fn new(interval_ms: u64, now_ms: u64, since_ms: Option<u64>, random: u64) -> Self {
        let mut schedule = Self { interval_ms, due_at_ms: 0, is_asked: false, failures: 0 };
        match since_ms {
            Some(since_ms) => schedule.proven(now_ms, since_ms, random),
            None => schedule.wait(now_ms, FIRST_MS, random),
        }
        schedule
    }

    pub(super) fn due_at_ms(&self) -> u64 {
        self.due_at_ms
    }

    /// Somebody asked, and does not want to hear of an older proof.
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// It is due now.
    pub(super) fn ask(&mut self, now_ms: u64) {
        self.is_asked = true;
        self.due_at_ms = now_ms;
    }

    /// A sample was restored, that long ago.
    pub(super) fn proven(&mut self, now_ms: u64, since_ms: u64, random: u64) {
        self.failures = 0;
        self.wait(now_ms, self.interval_ms.saturating_sub(since_ms), random);
    }

    /// It did not come to that: it is tried again, and sooner.
    pub(super) fn failed(&mut self, now_ms: u64, random: u64) {
        self.failures += 1;
        self.wait(now_ms, RETRY_MS, random);
    }

    /// A backup stored again what was lost: whether that helped is tried at once, but not for ever.
    pub(super) fn mended(&mut self, now_ms: u64) {
        if self.failures <= TRIES_AT_ONCE {
            self.due_at_ms = now_ms;
        }
    }

    fn wait(&mut self, now_ms: u64, wait_ms: u64, random: u64) {
        self.is_asked = false;
        let wait_ms = wait_ms.min(self.interval_ms);
        let jitter_ms = random % (wait_ms / JITTER_SHARE + 1);
        self.due_at_ms = now_ms.saturating_add(wait_ms).saturating_add(jitter_ms);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WEEK_MS: u64 = 7 * 24 * 60 * 60_000;

    #[test]
    fn the_first_is_soon_and_the_next_a_week_later() {
        let mut schedule = ProofSchedule::new(WEEK_MS, 1_000, None, 0);
        assert_eq!(schedule.due_at_ms(), 1_000 + FIRST_MS);
        schedule.proven(5_000, 0, 0);
        assert_eq!(schedule.due_at_ms(), 5_000 + WEEK_MS);
        schedule.failed(6_000, 0);
        assert_eq!(schedule.due_at_ms(), 6_000 + RETRY_MS);
    }

    #[test]
    fn a_run_that_ended_counts_for_the_next() {
        assert_eq!(ProofSchedule::new(WEEK_MS, 0, Some(WEEK_MS - 7), 0).due_at_ms(), 7);
        assert_eq!(ProofSchedule::new(WEEK_MS, 3, Some(10 * WEEK_MS), 0).due_at_ms(), 3, "overdue");
    }

    #[test]
    fn asking_does_not_wait_and_is_answered_once() {
        let mut schedule = ProofSchedule::new(WEEK_MS, 0, Some(0), 0);
        schedule.ask(9);
        assert!(schedule.is_asked() && schedule.due_at_ms() == 9);
        schedule.failed(10, 0);
        assert!(!schedule.is_asked() && schedule.due_at_ms() > 10);
    }

    #[test]
    fn a_repair_is_tried_at_once_unless_repairs_do_not_help() {
        let mut schedule = ProofSchedule::new(WEEK_MS, 0, Some(0), 0);
        for now in 1..=u64::from(TRIES_AT_ONCE) {
            schedule.failed(now, 0);
            schedule.mended(now);
            assert_eq!(schedule.due_at_ms(), now);
        }
        schedule.failed(100, 0);
        schedule.mended(101);
        assert_eq!(schedule.due_at_ms(), 100 + RETRY_MS);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_interval_and_its_jitter(
            interval_ms in 1..WEEK_MS,
            since_ms in proptest::option::of(any::<u64>()),
            random in any::<u64>(),
        ) {
            let schedule = ProofSchedule::new(interval_ms, 100, since_ms, random);
            prop_assert!(schedule.due_at_ms() <= 100 + interval_ms + interval_ms / JITTER_SHARE);
        }
    }
}
