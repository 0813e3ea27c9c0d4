//! When a folder is looked at and backed up: a state machine on any clock. Times are milliseconds that never go back.

use std::collections::BTreeSet;

use crate::scan::TreePath;
use crate::watch::{Hint, PATHS_MAX};

const MINUTE_MS: u64 = 60_000;
/// As a folder that nothing happens in is backed up: the commit shows that somebody looks after it.
pub const FRESHNESS_MS: u64 = 24 * 60 * MINUTE_MS;
/// Commits that need not wait for a minute to pass since the one before. Each minute gives one back.
const COMMITS_AT_ONCE: u64 = 5;
/// The first wait after a failure; each next one is twice as long.
const RETRY_FIRST_MS: u64 = 2_000;
const RETRY_LAST_MS: u64 = 5 * MINUTE_MS;
/// A folder that is not there is looked for at least this often: nothing tells that its disk was mounted again.
const MISSING_LOOK_MS: u64 = MINUTE_MS;
/// When a scan of everything is due while one is under way, unless somebody asks for another.
const NEVER: u64 = u64::MAX;

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
    /// Nothing was done: a person has to say something first.
    Held,
    /// Nothing was done: the folder is not there.
    Missing,
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
    /// Somebody asked since the last [`Self::take`].
    is_asked: bool,
    /// A scan of everything says whether the folder may go on; hints wait for it.
    is_held: bool,
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
            is_asked: false,
            is_held: false,
        }
    }

    /// Another pace from now on.
    pub fn set_pace(&mut self, pace: Pace) {
        if self.full_scan_at_ms != NEVER {
            let moved = self.full_scan_at_ms.saturating_add(pace.full_scan_ms);
            self.full_scan_at_ms = moved.saturating_sub(self.pace.full_scan_ms);
        }
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
                if paths.len() > PATHS_MAX { Hint::Everything } else { Hint::Paths(paths) }
            }
            _ => Hint::Everything,
        });
    }

    /// Somebody wants all of it looked at now. Work that is under way began before that, and does not count.
    pub fn ask(&mut self, now_ms: u64) {
        self.is_asked = true;
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
        self.pending.as_ref().filter(|_| !self.is_held)?;
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
        self.is_asked = false;
        let freshness = now_ms >= self.freshness_at_ms;
        let work = match self.pending.take() {
            Some(Hint::Paths(paths)) if !freshness && now_ms < self.full_scan_at_ms => Work::Paths(paths),
            _ => Work::Everything { freshness },
        };
        if let Work::Everything { .. } = work {
            self.full_scan_at_ms = NEVER;
        }
        Some(work)
    }

    /// How what was taken ended. What failed is due again, later and later.
    pub fn done(&mut self, work: Work, outcome: Outcome, now_ms: u64) {
        if outcome == Outcome::Failed {
            let wait = RETRY_FIRST_MS << self.failures.min(16);
            self.failures += 1;
            self.retry_at_ms = if self.is_asked { now_ms } else { now_ms + wait.min(RETRY_LAST_MS) };
            match work {
                Work::Paths(paths) => {
                    let last_hint_ms = self.last_hint_ms;
                    self.hint(Hint::Paths(paths), now_ms);
                    self.last_hint_ms = last_hint_ms;
                }
                Work::Everything { .. } => self.full_scan_at_ms = self.full_scan_at_ms.min(now_ms),
            }
            return;
        }
        self.failures = 0;
        self.retry_at_ms = 0;
        self.is_held = matches!(outcome, Outcome::Held | Outcome::Missing);
        if self.is_held || matches!(work, Work::Everything { .. }) {
            let longest_ms = if outcome == Outcome::Missing { MISSING_LOOK_MS } else { u64::MAX };
            let wait_ms = self.pace.full_scan_ms.min(longest_ms);
            self.full_scan_at_ms = self.full_scan_at_ms.min(now_ms + wait_ms);
        }
        if self.is_held {
            // Whatever was to be looked at, the next scan of everything looks at it.
            self.freshness_at_ms = self.freshness_at_ms.max(self.full_scan_at_ms);
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

    #[test]
    fn a_held_folder_is_looked_at_once_an_interval_and_does_not_spin() {
        let mut schedule = Schedule::new(PACE, 0, None);
        let mut takes = Vec::new();
        for second in 0..3 * 3600 {
            let now = second * 1000;
            schedule.hint(hint("a"), now);
            if let Some(work) = schedule.take(now) {
                assert!(matches!(work, Work::Everything { .. }), "{work:?}");
                schedule.done(work, Outcome::Held, now);
                takes.push(now);
            }
        }
        assert_eq!(takes, [0, PACE.full_scan_ms, 2 * PACE.full_scan_ms]);
        let now = 3 * PACE.full_scan_ms;
        let work = schedule.take(now).unwrap();
        schedule.done(work, Outcome::Committed, now);
        schedule.hint(hint("b"), now);
        assert_eq!(schedule.take(now + PACE.quiet_ms), Some(Work::Paths(paths(&["b"]))), "it goes on");
    }

    #[test]
    fn a_folder_that_is_not_there_is_looked_for_every_minute() {
        let mut schedule = Schedule::new(PACE, 0, None);
        for now in [0, MINUTE_MS, 2 * MINUTE_MS] {
            let work = schedule.take(now).unwrap();
            schedule.done(work, Outcome::Missing, now);
            assert_eq!(schedule.due_at_ms(), now + MINUTE_MS);
        }
    }

    #[test]
    fn a_hint_that_meets_a_hold_waits_for_the_scan_of_everything() {
        let mut schedule = quiet();
        schedule.hint(hint("a"), 0);
        let work = schedule.take(2_000).unwrap();
        schedule.done(work, Outcome::Held, 2_000);
        assert_eq!(schedule.due_at_ms(), PACE.full_scan_ms, "as it was due anyway");
        schedule.ask(3_000);
        assert_eq!(schedule.take(3_000), Some(Work::Everything { freshness: false }), "asking is heard");
    }

    #[test]
    fn asking_while_all_is_looked_at_is_not_answered_by_that_look() {
        for outcome in [Outcome::Unchanged, Outcome::Committed, Outcome::Held, Outcome::Failed] {
            let mut schedule = Schedule::new(PACE, 0, Some(0));
            let work = schedule.take(0).unwrap();
            assert_eq!(schedule.take(1), None, "it is under way");
            schedule.ask(1_000);
            schedule.done(work, outcome, 1_500);
            assert_eq!(schedule.take(1_500), Some(Work::Everything { freshness: false }), "{outcome:?}");
        }
    }

    #[test]
    fn a_scan_for_lost_events_that_fails_is_done_again_and_not_an_hour_later() {
        let mut schedule = quiet();
        schedule.hint(Hint::Everything, 1_000);
        let work = schedule.take(3_000).unwrap();
        schedule.done(work, Outcome::Failed, 3_000);
        assert_eq!(schedule.take(3_001), None);
        assert_eq!(schedule.take(3_000 + RETRY_FIRST_MS), Some(Work::Everything { freshness: false }));
    }

    #[test]
    fn too_many_hints_become_everything_and_memory_stays_bounded() {
        let mut schedule = quiet();
        for number in 0..=PATHS_MAX {
            schedule.hint(hint(&number.to_string()), 0);
        }
        assert_eq!(schedule.queued(), 1);
        assert_eq!(schedule.take(2_000), Some(Work::Everything { freshness: false }));
    }

    /// What is owed is paid by a look at everything, or at all that is owed.
    fn pay(owed: &mut BTreeSet<TreePath>, owes_all: &mut bool, work: &Work) {
        match work {
            Work::Everything { .. } => {
                owed.clear();
                *owes_all = false;
            }
            Work::Paths(paths) => owed.retain(|path| !paths.contains(path)),
        }
    }

    proptest! {
        #[test]
        fn no_hint_is_ever_lost(
            steps in proptest::collection::vec((0u64..90_000, 0u8..6, 0u8..4), 1..60),
        ) {
            let mut schedule = quiet();
            let (mut now, mut owed, mut owes_all) = (0, BTreeSet::new(), false);
            for (wait, name, how) in steps {
                now += wait;
                if name == 5 {
                    schedule.hint(Hint::Everything, now);
                    owes_all = true;
                } else {
                    let path = TreePath::from_relative(name.to_string().as_ref()).unwrap();
                    schedule.hint(Hint::Paths(BTreeSet::from([path.clone()])), now);
                    owed.insert(path);
                }
                if let Some(work) = schedule.take(now) {
                    let outcome = match how {
                        0 => Outcome::Failed,
                        1 => Outcome::Held,
                        _ => Outcome::Committed,
                    };
                    if outcome == Outcome::Committed {
                        pay(&mut owed, &mut owes_all, &work);
                    }
                    schedule.done(work, outcome, now);
                }
            }
            let end = now + PACE.full_scan_ms + RETRY_LAST_MS;
            while owes_all || !owed.is_empty() {
                now = now.max(schedule.due_at_ms());
                prop_assert!(now <= end, "{owed:?} waits until {now}");
                let work = schedule.take(now).unwrap();
                pay(&mut owed, &mut owes_all, &work);
                schedule.done(work, Outcome::Committed, now);
            }
        }
    }
}
