//! When a folder is looked at and backed up: a state machine on any clock. Times are milliseconds that never go back.

use std::collections::BTreeSet;

use crate::scan::TreePath;
use crate::watch::Hint;

const MINUTE_MS: u64 = 60_000;
/// As a folder that nothing happens in is backed up: the commit shows that somebody looks after it.
pub const FRESHNESS_MS: u64 = 24 * 60 * MINUTE_MS;
/// Commits that need not wait for a minute to pass since the one before. Each minute gives one back.
const COMMITS_AT_ONCE: u64 = 5;
/// The first wait after a failure; each next one is twice as long.
const RETRY_FIRST_MS: u64 = 2_000;
const RETRY_LAST_MS: u64 = 5 * MINUTE_MS;

/// How long things wait, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Without an event before a change is backed up.
    pub quiet_ms: u64,
    /// Between scans of everything.
    pub full_scan_ms: u64,
}

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// These paths and what is beneath them.
    Paths(BTreeSet<TreePath>),
    /// All of the folder.
    Everything {
        /// A commit is made even if nothing changed.
        freshness: bool,
    },
}

/// How a piece of work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing had changed.
    Unchanged,
    /// A snapshot was committed.
    Committed,
    /// Not done: the network, a server or the disk.
    Failed,
}

/// One folder's times.
#[derive(Debug, Clone)]
pub struct Schedule {
    pace: Pace,
    pending: Option<Hint>,
    first_hint_ms: u64,
    last_hint_ms: u64,
    full_scan_at_ms: u64,
    freshness_at_ms: u64,
    /// Milliseconds of waiting that were saved up; a commit costs a minute.
    credit_ms: u64,
    credited_ms: u64,
    failures: u32,
    retry_at_ms: u64,
}

impl Schedule {
    /// A folder that has not been looked at since the program began: all of it is due now.
    pub fn new(pace: Pace, now_ms: u64, since_commit_ms: Option<u64>) -> Self {
        let until_freshness = FRESHNESS_MS.saturating_sub(since_commit_ms.unwrap_or(FRESHNESS_MS));
        Self {
            pace,
            pending: None,
            first_hint_ms: 0,
            last_hint_ms: 0,
            full_scan_at_ms: now_ms,
            freshness_at_ms: now_ms + until_freshness,
            credit_ms: COMMITS_AT_ONCE * MINUTE_MS,
            credited_ms: now_ms,
            failures: 0,
            retry_at_ms: 0,
        }
    }

    /// Another pace from now on.
    pub fn set_pace(&mut self, pace: Pace) {
        self.full_scan_at_ms =
            (self.full_scan_at_ms + pace.full_scan_ms).saturating_sub(self.pace.full_scan_ms);
        self.pace = pace;
    }

    /// Something may have changed.
    pub fn hint(&mut self, hint: Hint, now_ms: u64) {
        self.last_hint_ms = now_ms;
        let Some(before) = self.pending.take() else {
            self.first_hint_ms = now_ms;
            self.pending = Some(hint);
            return;
        };
        self.pending = Some(match (before, hint) {
            (Hint::Paths(mut paths), Hint::Paths(more)) => {
                paths.extend(more);
                Hint::Paths(paths)
            }
            _ => Hint::Everything,
        });
    }

    /// Somebody wants all of it looked at now.
    pub fn ask(&mut self, now_ms: u64) {
        self.full_scan_at_ms = now_ms;
        self.retry_at_ms = now_ms;
        self.credit_ms = self.credit_ms.max(MINUTE_MS);
    }

    /// When [`Self::take`] will have something, as far as is known now.
    pub fn due_at_ms(&self) -> u64 {
        let scheduled = self.full_scan_at_ms.min(self.freshness_at_ms);
        scheduled.min(self.hints_due_at_ms().unwrap_or(u64::MAX)).max(self.retry_at_ms)
    }

    fn hints_due_at_ms(&self) -> Option<u64> {
        self.pending.as_ref()?;
        let quiet = self.last_hint_ms + self.pace.quiet_ms;
        let patience_ends = self.first_hint_ms + MINUTE_MS;
        let affordable = self.credited_ms + MINUTE_MS.saturating_sub(self.credit_ms);
        Some(quiet.min(patience_ends).max(affordable))
    }

    /// What is to be done now. It is done until [`Self::done`] says how it ended.
    pub fn take(&mut self, now_ms: u64) -> Option<Work> {
        if now_ms < self.due_at_ms() {
            return None;
        }
        let freshness = now_ms >= self.freshness_at_ms;
        if freshness || now_ms >= self.full_scan_at_ms {
            self.pending = None;
            return Some(Work::Everything { freshness });
        }
        Some(match self.pending.take()? {
            Hint::Paths(paths) => Work::Paths(paths),
            Hint::Everything | Hint::LimitReached => Work::Everything { freshness: false },
        })
    }

    /// How what was taken ended. What failed is due again, later and later.
    pub fn done(&mut self, work: Work, outcome: Outcome, now_ms: u64) {
        if outcome == Outcome::Failed {
            let wait = RETRY_FIRST_MS << self.failures.min(16);
            self.failures += 1;
            self.retry_at_ms = now_ms + wait.min(RETRY_LAST_MS);
            if let Work::Paths(paths) = work {
                let last_hint_ms = self.last_hint_ms;
                self.hint(Hint::Paths(paths), now_ms);
                self.last_hint_ms = last_hint_ms;
            }
            return;
        }
        self.failures = 0;
        self.retry_at_ms = 0;
        if let Work::Everything { .. } = work {
            self.full_scan_at_ms = now_ms + self.pace.full_scan_ms;
        }
        if outcome == Outcome::Committed {
            self.freshness_at_ms = now_ms + FRESHNESS_MS;
            let earned = now_ms.saturating_sub(self.credited_ms);
            self.credit_ms =
                (self.credit_ms + earned).min(COMMITS_AT_ONCE * MINUTE_MS).saturating_sub(MINUTE_MS);
            self.credited_ms = now_ms;
        }
    }

    /// Paths that wait to be looked at; 1 for a whole folder.
    pub fn queued(&self) -> u64 {
        match &self.pending {
            None => 0,
            Some(Hint::Paths(paths)) => paths.len() as u64,
            Some(Hint::Everything | Hint::LimitReached) => 1,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACE: Pace = Pace { quiet_ms: 2_000, full_scan_ms: 60 * MINUTE_MS };

    fn paths(names: &[&str]) -> BTreeSet<TreePath> {
        names.iter().map(|name| TreePath::from_relative(name.as_ref()).unwrap()).collect()
    }

    fn hint(name: &str) -> Hint {
        Hint::Paths(paths(&[name]))
    }

    /// After its first scan at time 0.
    fn quiet() -> Schedule {
        let mut schedule = Schedule::new(PACE, 0, Some(0));
        let work = schedule.take(0).unwrap();
        assert_eq!(work, Work::Everything { freshness: false });
        schedule.done(work, Outcome::Unchanged, 0);
        schedule
    }

    /// Runs until `end_ms` with a hint every `every_ms`, and returns when commits were made.
    fn run(schedule: &mut Schedule, every_ms: u64, end_ms: u64) -> Vec<u64> {
        let mut commits = Vec::new();
        for now in 1..=end_ms {
            if now % every_ms == 0 {
                schedule.hint(hint("x"), now);
            }
            if let Some(work) = schedule.take(now) {
                schedule.done(work, Outcome::Committed, now);
                commits.push(now);
            }
        }
        commits
    }

    #[test]
    fn a_change_is_due_as_soon_as_it_is_quiet() {
        let mut schedule = quiet();
        schedule.hint(hint("a"), 10_000);
        schedule.hint(hint("b"), 11_000);
        assert_eq!(schedule.take(12_999), None);
        assert_eq!(schedule.take(13_000), Some(Work::Paths(paths(&["a", "b"]))));
        assert_eq!(schedule.take(20_000), None, "it is taken once");
    }

    #[test]
    fn a_file_that_never_falls_quiet_is_committed_once_a_minute() {
        let commits = run(&mut quiet(), 10, 10 * MINUTE_MS);
        let gaps: Vec<u64> = commits.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (MINUTE_MS..=MINUTE_MS + 10).contains(gap)), "{gaps:?}");
    }

    #[test]
    fn frequent_pauses_do_not_make_more_than_a_few_and_one_commit_a_minute() {
        let commits = run(&mut quiet(), 5_000, 30 * MINUTE_MS);
        assert!(commits.len() as u64 <= 30 + COMMITS_AT_ONCE, "{commits:?}");
        assert!(commits.len() >= 30, "{commits:?}");
    }

    #[test]
    fn everything_is_looked_at_again_after_the_interval_and_fresh_once_a_day() {
        let mut schedule = quiet();
        assert_eq!(schedule.take(PACE.full_scan_ms - 1), None);
        let work = schedule.take(PACE.full_scan_ms).unwrap();
        assert_eq!(work, Work::Everything { freshness: false });
        schedule.done(work, Outcome::Unchanged, PACE.full_scan_ms);
        assert_eq!(schedule.take(FRESHNESS_MS), Some(Work::Everything { freshness: true }));
    }

    #[test]
    fn lost_events_and_hints_beside_them_mean_everything() {
        let mut schedule = quiet();
        schedule.hint(hint("a"), 1_000);
        schedule.hint(Hint::Everything, 1_000);
        schedule.hint(hint("b"), 1_000);
        assert_eq!(schedule.take(3_000), Some(Work::Everything { freshness: false }));
    }

    #[test]
    fn what_failed_is_tried_again_ever_later_with_what_came_meanwhile() {
        let mut schedule = quiet();
        schedule.hint(hint("a"), 0);
        let mut now = 2_000;
        let mut waits = Vec::new();
        for _ in 0..10 {
            let work = schedule.take(now).unwrap();
            schedule.done(work, Outcome::Failed, now);
            waits.push(schedule.due_at_ms() - now);
            now = schedule.due_at_ms();
        }
        assert_eq!(waits[..4], [2_000, 4_000, 8_000, 16_000]);
        assert_eq!(*waits.last().unwrap(), RETRY_LAST_MS);
        schedule.hint(hint("b"), now);
        assert_eq!(schedule.take(now + PACE.quiet_ms), Some(Work::Paths(paths(&["a", "b"]))));
    }

    #[test]
    fn asking_does_not_wait_for_anything() {
        let mut schedule = quiet();
        schedule.hint(hint("a"), 0);
        let work = schedule.take(2_000).unwrap();
        schedule.done(work, Outcome::Failed, 2_000);
        schedule.ask(2_001);
        assert_eq!(schedule.take(2_001), Some(Work::Everything { freshness: false }));
    }

    proptest! {
        #[test]
        fn no_hint_is_ever_lost(
            steps in proptest::collection::vec((0u64..90_000, 0u8..5, any::<bool>()), 1..60),
        ) {
            let mut schedule = quiet();
            let mut now = 0;
            let mut owed = BTreeSet::new();
            for (wait, name, fails) in steps {
                now += wait;
                let path = TreePath::from_relative(name.to_string().as_ref()).unwrap();
                schedule.hint(Hint::Paths(BTreeSet::from([path.clone()])), now);
                owed.insert(path);
                if let Some(work) = schedule.take(now) {
                    let outcome = if fails { Outcome::Failed } else { Outcome::Committed };
                    if !fails {
                        match &work {
                            Work::Everything { .. } => owed.clear(),
                            Work::Paths(paths) => owed.retain(|path| !paths.contains(path)),
                        }
                    }
                    schedule.done(work, outcome, now);
                }
            }
            while !owed.is_empty() {
                now = now.max(schedule.due_at_ms());
                let work = schedule.take(now).unwrap();
                match &work {
                    Work::Everything { .. } => owed.clear(),
                    Work::Paths(paths) => owed.retain(|path| !paths.contains(path)),
                }
                schedule.done(work, Outcome::Committed, now);
            }
        }
    }
}
