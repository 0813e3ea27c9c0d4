//! Which snapshots of a source a policy keeps: a pure function of them. Times are the coordinator's own, so that no
//! wrong clock of a device makes anything older or newer.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::limits::UPLOADS_KEPT_SECONDS;
use protocol::snapshots::{RetentionPolicy, RetentionPreview};
use time::OffsetDateTime;

use crate::db::retention::RetainedSource;

/// A snapshot that is kept until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Its number in the vault's log.
    pub seq: u64,
    /// When it was received, in Unix milliseconds.
    pub received_ms: u64,
    /// How long ago that is.
    pub age: Duration,
    /// A first backup was under way.
    pub partial: bool,
}

/// What else decides, beside the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A device's folder.
    Folder,
    /// Browser uploads: the bin, which keeps everything for a while.
    Uploads,
}

impl SourceKind {
    /// Of a source as it is stored.
    pub fn of(source: &RetainedSource) -> Self {
        if source.uploads { Self::Uploads } else { Self::Folder }
    }
}

/// What a policy does to the snapshots of a source, which are in order of their numbers.
///
/// The newest always stays, and a partial one goes as soon as there is a newer one: that holds all that it did.
pub fn plan(policy: &RetentionPolicy, kind: SourceKind, snapshots: &[Snapshot]) -> RetentionPreview {
    let Some((newest, older)) = snapshots.split_last() else {
        return RetentionPreview { kept: Vec::new(), forgotten: Vec::new() };
    };
    let whole = older.iter().filter(|snapshot| !snapshot.partial).chain([newest]);
    let whole: Vec<Snapshot> = whole.copied().collect();
    let mut kept = BTreeSet::from([newest.seq]);
    kept.extend(whole.iter().rev().take(policy.last as usize).map(|snapshot| snapshot.seq));
    let within = Duration::from_secs(match kind {
        SourceKind::Folder => policy.within_seconds,
        SourceKind::Uploads => policy.within_seconds.max(UPLOADS_KEPT_SECONDS),
    });
    kept.extend(whole.iter().filter(|snapshot| snapshot.age <= within).map(|snapshot| snapshot.seq));
    for (count, period) in [
        (policy.hourly, hour as fn(OffsetDateTime) -> i64),
        (policy.daily, day),
        (policy.weekly, week),
        (policy.monthly, month),
        (policy.yearly, year),
    ] {
        kept.extend(first_of_each(&whole, count as usize, period));
    }
    let (kept, forgotten) = snapshots.iter().map(|snapshot| snapshot.seq).partition(|seq| kept.contains(seq));
    RetentionPreview { kept, forgotten }
}

/// The first snapshot of each of the newest `count` periods that have any.
fn first_of_each(snapshots: &[Snapshot], count: usize, period: fn(OffsetDateTime) -> i64) -> Vec<u64> {
    let mut firsts: Vec<(i64, u64)> = Vec::new();
    for snapshot in snapshots {
        let at = period(moment(snapshot));
        if firsts.last().is_none_or(|(last, _)| *last != at) {
            firsts.push((at, snapshot.seq));
        }
    }
    firsts.into_iter().rev().take(count).map(|(_, seq)| seq).collect()
}

fn moment(snapshot: &Snapshot) -> OffsetDateTime {
    let nanoseconds = i128::from(snapshot.received_ms) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn hour(at: OffsetDateTime) -> i64 {
    at.unix_timestamp().div_euclid(3600)
}

fn day(at: OffsetDateTime) -> i64 {
    i64::from(at.to_julian_day())
}

fn week(at: OffsetDateTime) -> i64 {
    // Day 0 of the Julian count is a Monday.
    day(at).div_euclid(7)
}

fn month(at: OffsetDateTime) -> i64 {
    i64::from(at.year()) * 12 + i64::from(u8::from(at.month()))
}

fn year(at: OffsetDateTime) -> i64 {
    i64::from(at.year())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    /// A Monday, 2024-01-01 00:00 UTC, in Unix seconds.
    const MONDAY: u64 = 1_704_067_200;
    const NOTHING: RetentionPolicy =
        RetentionPolicy { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, within_seconds: 0 };

    /// Snapshots at so many seconds after that Monday, numbered from 0, as seen at another such time.
    fn snapshots(now: u64, times: &[u64]) -> Vec<Snapshot> {
        (0..)
            .zip(times)
            .map(|(seq, at)| Snapshot {
                seq,
                received_ms: (MONDAY + at) * 1000,
                age: Duration::from_secs(now.saturating_sub(*at)),
                partial: false,
            })
            .collect()
    }

    fn kept(policy: RetentionPolicy, snapshots: &[Snapshot]) -> Vec<u64> {
        plan(&policy, SourceKind::Folder, snapshots).kept
    }

    #[test]
    fn each_rule_keeps_the_first_of_its_newest_periods_and_the_newest_stays() {
        let two_days = snapshots(DAY * 2, &[0, HOUR / 2, HOUR, DAY, DAY + HOUR, DAY + HOUR + 1]);
        assert_eq!(kept(NOTHING, &two_days), [5]);
        assert_eq!(kept(RetentionPolicy { last: 2, ..NOTHING }, &two_days), [4, 5]);
        assert_eq!(kept(RetentionPolicy { hourly: 3, ..NOTHING }, &two_days), [2, 3, 4, 5]);
        assert_eq!(kept(RetentionPolicy { daily: 7, ..NOTHING }, &two_days), [0, 3, 5]);
        assert_eq!(kept(RetentionPolicy { daily: 1, ..NOTHING }, &two_days), [3, 5]);
        assert_eq!(kept(RetentionPolicy { within_seconds: DAY, ..NOTHING }, &two_days), [3, 4, 5]);
    }

    #[test]
    fn weeks_begin_on_mondays_and_months_and_years_are_the_calendars() {
        let sunday = 6 * DAY;
        let weeks = snapshots(9 * DAY, &[sunday, 7 * DAY - 1, 7 * DAY, 8 * DAY]);
        assert_eq!(kept(RetentionPolicy { weekly: 2, ..NOTHING }, &weeks), [0, 2, 3]);
        let february = 31 * DAY;
        let months = snapshots(40 * DAY, &[february - 1, february, february + 1]);
        assert_eq!(kept(RetentionPolicy { monthly: 9, ..NOTHING }, &months), [0, 1, 2]);
        assert_eq!(kept(RetentionPolicy { monthly: 1, ..NOTHING }, &months), [1, 2]);
        let leap_year = 366 * DAY;
        let years = snapshots(400 * DAY, &[1, leap_year - 1, leap_year, leap_year + 1]);
        assert_eq!(kept(RetentionPolicy { yearly: 9, ..NOTHING }, &years), [0, 2, 3]);
    }

    #[test]
    fn a_year_of_hourly_snapshots_comes_to_what_the_default_promises() {
        let hours: Vec<u64> = (0..366 * 24).map(|hour| hour * HOUR).collect();
        let all = snapshots(hours.last().copied().unwrap_or_default(), &hours);
        let kept = kept(RetentionPolicy::default(), &all);
        // 49 of two days with both ends; 7 days, 5 weeks and 12 months, less what is one of the others too.
        assert_eq!(kept.len(), 49 + 5 + 4 + 12);
        assert_eq!(kept.first(), Some(&0), "the first of the first month");
    }

    #[test]
    fn a_partial_snapshot_goes_when_the_next_one_is_there() {
        let mut all = snapshots(3, &[0, 1, 2]);
        (all[0].partial, all[1].partial) = (true, true);
        assert_eq!(kept(RetentionPolicy::default(), &all[..1]), [0]);
        assert_eq!(kept(RetentionPolicy::default(), &all[..2]), [1]);
        assert_eq!(kept(RetentionPolicy::default(), &all), [2]);
    }

    #[test]
    fn the_bin_keeps_everything_of_thirty_days() {
        let all = snapshots(31 * DAY, &[DAY - 1, DAY, 2 * DAY, 31 * DAY]);
        assert_eq!(plan(&NOTHING, SourceKind::Uploads, &all).kept, [1, 2, 3]);
    }

    fn policies() -> impl Strategy<Value = RetentionPolicy> {
        let counts = (0_u32..4, 0_u32..4, 0_u32..4, 0_u32..4, 0_u32..4, 0_u32..4);
        (counts, 0..5 * DAY).prop_map(|((last, hourly, daily, weekly, monthly, yearly), within_seconds)| {
            RetentionPolicy { last, hourly, daily, weekly, monthly, yearly, within_seconds }
        })
    }

    proptest! {
        #[test]
        fn a_plan_parts_the_snapshots_and_keeps_the_newest_and_as_many_as_promised(
            policy in policies(),
            mut times in prop::collection::vec(0..800 * DAY, 1..60),
        ) {
            times.sort_unstable();
            let all = snapshots(800 * DAY, &times);
            let plan = plan(&policy, SourceKind::Folder, &all);
            let mut both = [plan.kept.clone(), plan.forgotten.clone()].concat();
            both.sort_unstable();
            prop_assert_eq!(both, (0..all.len() as u64).collect::<Vec<_>>());
            prop_assert_eq!(plan.kept.last(), Some(&(all.len() as u64 - 1)));
            let within = |s: &&Snapshot| s.age.as_secs() <= policy.within_seconds;
            prop_assert!(all.iter().filter(within).all(|s| plan.kept.contains(&s.seq)));
            let RetentionPolicy { last, hourly, daily, weekly, monthly, yearly, .. } = policy;
            let most = 1 + last + hourly + daily + weekly + monthly + yearly;
            prop_assert!(plan.kept.len() <= most as usize + all.iter().filter(within).count());
        }

        /// What a policy keeps does not depend on when it was applied before: thinning a thinned history, at any later
        /// time, comes to what thinning the whole history then comes to.
        #[test]
        fn thinning_early_or_late_comes_to_the_same(
            policy in policies(),
            mut times in prop::collection::vec(0..800 * DAY, 1..60),
            later in 0..100 * DAY,
        ) {
            times.sort_unstable();
            let policy = RetentionPolicy { last: 0, ..policy };
            let early = snapshots(800 * DAY, &times);
            let kept_early = plan(&policy, SourceKind::Folder, &early).kept;
            let late = snapshots(800 * DAY + later, &times);
            let thinned: Vec<_> = late.iter().filter(|s| kept_early.contains(&s.seq)).copied().collect();
            let once = plan(&policy, SourceKind::Folder, &late).kept;
            prop_assert_eq!(plan(&policy, SourceKind::Folder, &thinned).kept, once);
        }
    }
}
