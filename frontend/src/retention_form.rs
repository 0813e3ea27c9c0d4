//! How long snapshots are kept, as a person types it, and what is said of it.

use protocol::snapshots::{RetentionPolicy, RetentionPreview};

use crate::words;

const HOUR_SECONDS: u64 = 3600;

/// What is typed: whole numbers, empty for none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetentionForm {
    /// Everything of so many hours.
    pub hours: String,
    /// So many of the newest.
    pub last: String,
    /// The first of so many hours.
    pub hourly: String,
    /// Of days.
    pub daily: String,
    /// Of weeks.
    pub weekly: String,
    /// Of months.
    pub monthly: String,
    /// Of years.
    pub yearly: String,
}

impl RetentionForm {
    /// The form of a policy. Parts of an hour are rounded up: never is less kept than was said.
    pub fn of(policy: &RetentionPolicy) -> Self {
        let told = |count: u64| if count == 0 { String::new() } else { count.to_string() };
        Self {
            hours: told(policy.within_seconds.div_ceil(HOUR_SECONDS)),
            last: told(policy.last.into()),
            hourly: told(policy.hourly.into()),
            daily: told(policy.daily.into()),
            weekly: told(policy.weekly.into()),
            monthly: told(policy.monthly.into()),
            yearly: told(policy.yearly.into()),
        }
    }

    /// The policy that is meant; `None` where something is no number, or none that a server takes.
    pub fn policy(&self) -> Option<RetentionPolicy> {
        let number = |text: &str| match text.trim() {
            "" => Some(0),
            digits => digits.parse().ok().filter(|count| *count < 1_000_000),
        };
        Some(RetentionPolicy {
            last: number(&self.last)?,
            hourly: number(&self.hourly)?,
            daily: number(&self.daily)?,
            weekly: number(&self.weekly)?,
            monthly: number(&self.monthly)?,
            yearly: number(&self.yearly)?,
            within_seconds: u64::from(number(&self.hours)?) * HOUR_SECONDS,
        })
    }
}

/// What a policy would do now, in a sentence.
pub fn effect(preview: &RetentionPreview) -> String {
    let kept = words::count(preview.kept.len() as u64, "snapshot stays", "snapshots stay");
    match preview.forgotten.len() as u64 {
        0 => format!("{kept}; none would go."),
        gone => format!("{kept}; {} would go.", words::count(gone, "one", "others")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_typed_and_told_alike() {
        let policy = RetentionPolicy::default();
        let form = RetentionForm::of(&policy);
        assert_eq!((form.hours.as_str(), form.daily.as_str(), form.yearly.as_str()), ("48", "7", ""));
        assert_eq!(form.policy(), Some(policy));
        let part = RetentionPolicy { within_seconds: 1, ..policy };
        assert_eq!(RetentionForm::of(&part).hours, "1");
        let spaced = RetentionForm { last: " 3 ".to_owned(), ..RetentionForm::default() };
        assert_eq!(spaced.policy().map(|policy| policy.last), Some(3));
        for wrong in ["x", "-1", "1.5", "1000000"] {
            let form = RetentionForm { weekly: wrong.to_owned(), ..RetentionForm::default() };
            assert_eq!(form.policy(), None, "{wrong}");
        }
    }

    #[test]
    fn the_effect_names_what_stays_and_what_goes() {
        let told = |kept: u64, gone: u64| {
            effect(&RetentionPreview { kept: (0..kept).collect(), forgotten: (0..gone).collect() })
        };
        assert_eq!(told(1, 0), "1 snapshot stays; none would go.");
        assert_eq!(told(12, 3), "12 snapshots stay; 3 others would go.");
    }
}
