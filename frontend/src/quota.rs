//! What an account takes and may take, in words, and a quota as a person types it.

use crate::words;

/// Bytes of the unit that quotas are typed in.
const GIGABYTE: u64 = 1_000_000_000;

/// How full an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// There is room.
    Room,
    /// More than nine tenths are taken.
    Nearly,
    /// It holds as much as it may, or more.
    Full,
}

/// How full an account is that takes so much and may take so much.
pub fn fill(used_bytes: u64, quota_bytes: u64) -> Fill {
    if used_bytes >= quota_bytes {
        Fill::Full
    } else if used_bytes >= quota_bytes - quota_bytes / 10 {
        Fill::Nearly
    } else {
        Fill::Room
    }
}

/// Which part of its quota an account takes, at most all.
pub fn share(used_bytes: u64, quota_bytes: u64) -> f64 {
    if quota_bytes == 0 { 1.0 } else { (used_bytes as f64 / quota_bytes as f64).min(1.0) }
}

/// `2.1 GB of 10 GB`, or what is taken where there is no limit.
pub fn told(used_bytes: u64, quota_bytes: Option<u64>) -> String {
    let used = words::size(used_bytes);
    match quota_bytes {
        Some(quota) => format!("{used} of {}", words::size(quota)),
        None => used,
    }
}

/// A quota in gigabytes as it is typed: empty is no limit. `None` where it is none.
#[expect(clippy::cast_possible_truncation, reason = "below the bound, and a byte is no matter")]
pub fn parse(typed: &str) -> Option<Option<u64>> {
    const MAX: f64 = 9_000_000.0;
    let typed = typed.trim();
    if typed.is_empty() {
        return Some(None);
    }
    let plain = typed.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = typed.parse().ok().filter(|number| plain && (0.0..=MAX).contains(number))?;
    Some(Some((number * GIGABYTE as f64).round() as u64))
}

/// A quota as it would be typed.
pub fn typed(quota_bytes: Option<u64>) -> String {
    quota_bytes.map_or_else(String::new, |bytes| (bytes as f64 / GIGABYTE as f64).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_nearly_full_from_nine_tenths_on() {
        use Fill::{Full, Nearly, Room};
        let fills = [0, 89, 90, 99, 100, 101].map(|used| fill(used, 100));
        assert_eq!(fills, [Room, Room, Nearly, Nearly, Full, Full]);
        assert_eq!(fill(0, 0), Full);
        assert_eq!((share(5, 0), share(5, 10), share(20, 10)), (1.0, 0.5, 1.0));
    }

    #[test]
    fn a_quota_is_typed_in_gigabytes_and_nothing_is_no_limit() {
        let cases = [
            ("", Some(None)),
            (" 10 ", Some(Some(10_000_000_000))),
            ("0.5", Some(Some(500_000_000))),
            ("0", Some(Some(0))),
            ("-1", None),
            ("1e3", None),
            ("inf", None),
            ("ten", None),
            ("9000001", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
        for bytes in [None, Some(0), Some(500_000_000), Some(123_456)] {
            assert_eq!(parse(&typed(bytes)), Some(bytes));
        }
        assert_eq!(told(2_100_000_000, Some(10_000_000_000)), "2.1 GB of 10 GB");
        assert_eq!(told(1000, None), "1.0 kB");
    }
}
