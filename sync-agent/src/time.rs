//! Moments as text, in UTC.

use ::time::OffsetDateTime;

fn utc(ms: u64) -> OffsetDateTime {
    let nanoseconds = i128::from(ms) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Unix milliseconds for programs: `2026-11-22T16:19:24.123Z`.
pub fn rfc3339(ms: u64) -> String {
    let at = utc(ms);
    format!("{}T{}.{:03}Z", date(at), time(at), at.millisecond())
}

/// Unix milliseconds for people: `2026-11-22 16:19:24`.
pub fn date_time(ms: u64) -> String {
    let at = utc(ms);
    format!("{} {}", date(at), time(at))
}

fn date(at: OffsetDateTime) -> String {
    format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day())
}

fn time(at: OffsetDateTime) -> String {
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_utc() {
        assert_eq!(rfc3339(1_700_000_000_042), "2023-11-14T22:13:20.042Z");
        assert_eq!(date_time(0), "1970-01-01 00:00:00");
        assert_eq!(date_time(u64::MAX), "1970-01-01 00:00:00", "beyond the calendar");
    }
}
