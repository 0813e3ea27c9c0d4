//! A limit on bytes in a second that does not burst: what was not used is not saved up. It may differ by the time of
//! the day. Pure: whoever sends asks how long to wait.

use std::str::FromStr;

use crate::scan::parse_size;

const DAY_MINUTES: u32 = 24 * 60;
/// Less than this keeps nobody within the times that nodes and grants set.
const LIMIT_MIN: u64 = 32 << 10;
/// What may be sent without waiting: 20 ms worth of the limit.
const SLACK_MS: u64 = 20;

/// Limits by the time of the day: `"1M"`, `"unlimited"`, or `"08:00-18:00 512K, unlimited"`, where the first that
/// matches holds. Bytes a second; times in UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bandwidth(Vec<Rule>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    /// Minutes of the day from and to; all day if equal.
    from: u32,
    to: u32,
    /// Bytes a second; unlimited if none.
    limit: Option<u64>,
}

/// The text is not a bandwidth.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a bandwidth: write `1M`, `unlimited`, or `08:00-18:00 512K, unlimited`, and no less than `32K`"
)]
pub struct BandwidthError(String);

impl FromStr for Bandwidth {
    type Err = BandwidthError;

    fn from_str(text: &str) -> Result<Self, BandwidthError> {
        let rules = text.split(',').map(|rule| parse_rule(rule.trim()));
        rules.collect::<Option<Vec<_>>>().map(Self).ok_or_else(|| BandwidthError(text.to_owned()))
    }
}

impl Bandwidth {
    /// Bytes a second at a time; `None` without a limit.
    pub fn at(&self, now_ms: u64) -> Option<u64> {
        let minute = (now_ms / 60_000 % u64::from(DAY_MINUTES)) as u32;
        self.0.iter().find(|rule| rule.covers(minute)).and_then(|rule| rule.limit)
    }
}

impl Rule {
    fn covers(&self, minute: u32) -> bool {
        match self.from.cmp(&self.to) {
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Less => (self.from..self.to).contains(&minute),
            std::cmp::Ordering::Greater => minute >= self.from || minute < self.to,
        }
    }
}

fn parse_rule(text: &str) -> Option<Rule> {
    let (hours, limit) = match text.split_once(char::is_whitespace) {
        Some((hours, limit)) if hours.contains('-') => (Some(hours), limit),
        _ => (None, text),
    };
    let (from, to) = match hours {
        Some(hours) => {
            let (from, to) = hours.split_once('-')?;
            (parse_time(from)?, parse_time(to)?)
        }
        None => (0, 0),
    };
    let limit = match limit.trim() {
        "unlimited" => None,
        size => Some(parse_size(size).filter(|bytes| *bytes >= LIMIT_MIN)?),
    };
    Some(Rule { from, to, limit })
}

fn parse_time(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes) = (hours.parse::<u32>().ok()?, minutes.parse::<u32>().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// Spaces out what is sent.
#[derive(Debug, Default)]
pub struct Limiter {
    bandwidth: Bandwidth,
    /// When what was let through so far will have been sent, in microseconds.
    busy_until_us: u64,
}

impl Limiter {
    /// With this limit.
    pub fn new(bandwidth: Bandwidth) -> Self {
        Self { bandwidth, busy_until_us: 0 }
    }

    /// How many milliseconds to wait before `bytes` may be sent; `None` without a limit. They count as sent. `now_ms`
    /// never goes back; `wall_ms` says which of the day's limits holds.
    pub fn wait_ms(&mut self, bytes: u64, now_ms: u64, wall_ms: u64) -> Option<u64> {
        let this_us = now_ms.saturating_mul(1000);
        let Some(limit) = self.bandwidth.at(wall_ms) else {
            self.busy_until_us = this_us;
            return None;
        };
        let start_us = self.busy_until_us.max(this_us);
        self.busy_until_us = start_us.saturating_add(bytes.saturating_mul(1_000_000) / limit);
        Some(((start_us - this_us) / 1000).saturating_sub(SLACK_MS))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str, hour: u64, minute: u64) -> Option<u64> {
        text.parse::<Bandwidth>().unwrap().at((hour * 60 + minute) * 60_000)
    }

    #[test]
    fn the_first_rule_that_covers_the_time_holds() {
        assert_eq!(at("unlimited", 0, 0), None);
        assert_eq!(at("1M", 12, 0), Some(1 << 20));
        let work = "08:00-18:00 512K, 22:30-06:00 unlimited, 4M";
        assert_eq!(at(work, 8, 0), Some(512 << 10));
        assert_eq!(at(work, 18, 0), Some(4 << 20));
        assert_eq!((at(work, 23, 0), at(work, 5, 59)), (None, None));
        assert_eq!(at(work, 6, 0), Some(4 << 20));
        assert_eq!(at("08:00-18:00 512K", 19, 0), None, "without a rule there is no limit");
    }

    #[test]
    fn what_is_no_bandwidth_is_refused() {
        for text in ["", "0", "31K", "fast", "25:00-01:00 1M", "08:00-09:61 1M", "1M,"] {
            assert!(text.parse::<Bandwidth>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_wall_clock_that_is_set_back_does_not_stop_sending() {
        let mut limiter = Limiter::new("32K".parse().unwrap());
        let day_ms = 24 * 3_600_000;
        assert_eq!(limiter.wait_ms(32 << 10, 0, 10 * day_ms), Some(0));
        assert_eq!(
            limiter.wait_ms(32 << 10, 1_000, day_ms),
            Some(0),
            "a second later, whatever the wall clock says"
        );
    }

    proptest! {
        /// Whatever is sent and whenever, no second carries more than the limit and one piece.
        #[test]
        fn idle_time_is_not_saved_up(
            sends in proptest::collection::vec((0u64..3_000, 1u64..60_000), 1..80),
        ) {
            const LIMIT: u64 = 100_000;
            let mut limiter = Limiter::new(LIMIT.to_string().parse().unwrap());
            let mut now = 0;
            let mut sent: Vec<(u64, u64)> = Vec::new();
            for (idle, bytes) in sends {
                now += idle;
                now += limiter.wait_ms(bytes, now, 0).unwrap();
                sent.push((now, bytes));
            }
            for (start, _) in &sent {
                let within = sent.iter().filter(|(at, _)| (*start..start + 1000).contains(at));
                let bytes: u64 = within.map(|(_, bytes)| bytes).sum();
                prop_assert!(bytes <= LIMIT + 60_000 + LIMIT * SLACK_MS / 500, "{bytes} from {start} on");
            }
        }
    }
}
