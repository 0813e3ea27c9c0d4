//! Numbers, sizes and times in words.

use protocol::limits::COUNTED_BLOBS_MAX;

/// Decimal units, as disks are sold: `0 bytes`, `1 byte`, `12 kB`, `1.5 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return count(bytes, "byte", "bytes");
    }
    let mut unit = 0;
    let mut scaled = bytes as f64 / 1000.0;
    // 999.5 would print as "1000".
    while scaled >= 999.5 && unit + 1 < UNITS.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    // 9.95 would print as "10.0".
    if scaled < 9.95 {
        format!("{scaled:.1} {}", UNITS[unit])
    } else {
        format!("{scaled:.0} {}", UNITS[unit])
    }
}

/// Bytes per second.
pub fn speed(bytes_per_second: f64) -> String {
    format!("{}/s", size(bytes_per_second.max(0.0) as u64))
}

/// A number with thousands separated and its noun.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A number of things in the cluster, which are not counted further than to a limit.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", counted_number(number), if number == 1 { one } else { many })
}

/// The same without the things.
pub fn counted_number(number: u64) -> String {
    let digits = grouped(number);
    if number < COUNTED_BLOBS_MAX { digits } else { format!("{digits} or more") }
}

/// Names separated by commas; of more than `max`, how many more there are.
pub fn names(names: &[String], max: usize) -> String {
    match names.len().saturating_sub(max) {
        0 => names.join(", "),
        more => format!("{}, and {} more", names[..max].join(", "), grouped(more as u64)),
    }
}

/// Thousands separated by commas.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Time that something takes, coarser the longer it is.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..=1 => "a second".to_owned(),
        2..=59 => format!("{seconds} seconds"),
        60..=119 => "a minute".to_owned(),
        120..=3599 => format!("{} minutes", seconds / 60),
        3600..=86399 => match (seconds / 3600, seconds % 3600 / 60) {
            (hours, 0) => format!("{hours} h"),
            (hours, minutes) => format!("{hours} h {minutes} min"),
        },
        _ => count(seconds / 86400, "day", "days"),
    }
}

/// How long ago something was.
pub fn ago(seconds: u64) -> String {
    if seconds < 5 { "just now".to_owned() } else { format!("{} ago", duration(seconds)) }
}

/// The seven categories, in the order of the format.
pub const CATEGORIES: [&str; 7] = ["Documents", "Images", "Video", "Audio", "Archives", "Code", "Other"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_two_or_three_digits_and_never_rounds_up_to_a_thousand() {
        let cases = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (104_857_600, "105 MB"),
            (1 << 30, "1.1 GB"),
            (u64::MAX, "18 EB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn thousands_are_separated_and_nouns_agree() {
        assert_eq!(count(1, "file", "files"), "1 file");
        assert_eq!(count(0, "file", "files"), "0 files");
        assert_eq!(count(12_480, "file", "files"), "12,480 files");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn long_lists_of_names_end_with_a_number() {
        let of = |count: usize| (0..count).map(|at| at.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&of(0), 2), "");
        assert_eq!(names(&of(2), 2), "0, 1");
        assert_eq!(names(&of(1502), 2), "0, 1, and 1,500 more");
    }

    #[test]
    fn a_duration_is_coarser_the_longer_it_is() {
        let cases = [
            (0, "a second"),
            (59, "59 seconds"),
            (61, "a minute"),
            (3599, "59 minutes"),
            (3600, "1 h"),
            (5400, "1 h 30 min"),
            (90_000, "1 day"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(duration(seconds), expected);
        }
    }
}
