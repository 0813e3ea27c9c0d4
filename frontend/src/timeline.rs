//! What is said of snapshots, and of what changed between two.

use crate::message::{Snapshot, Sums, Tally};
use crate::words;

/// Up to two snapshots that a person marked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pair {
    earlier: Option<u64>,
    later: Option<u64>,
}

impl Pair {
    /// Marks one, or takes its mark away. A third takes the place of the one that was marked last.
    #[must_use]
    pub fn toggled(self, seq: u64) -> Self {
        match (self.earlier, self.later) {
            (Some(a), b) if a == seq => Self { earlier: b, later: None },
            (a, Some(b)) if b == seq => Self { earlier: a, later: None },
            (None, _) => Self { earlier: Some(seq), later: None },
            (a, _) => Self { earlier: a, later: Some(seq) },
        }
    }

    /// Whether one is marked.
    pub fn has(self, seq: u64) -> bool {
        [self.earlier, self.later].contains(&Some(seq))
    }

    /// Both, the older one first.
    pub fn both(self) -> Option<(u64, u64)> {
        let (a, b) = self.earlier.zip(self.later)?;
        Some((a.min(b), a.max(b)))
    }

    /// What to do next.
    pub fn hint(self) -> &'static str {
        match (self.earlier, self.later) {
            (None, _) => "Mark two snapshots to compare them.",
            (_, None) => "Mark one more to compare.",
            _ => "Two are marked.",
        }
    }
}

/// How the number of files and their bytes changed.
pub fn growth(before: Option<&Snapshot>, now: &Snapshot) -> String {
    let Some(before) = before else { return "the first one".to_owned() };
    let (old, new) = (before.tally, now.tally);
    let signed = |before: u64, now: u64| (if now < before { "−" } else { "+" }, now.abs_diff(before));
    let mut parts = Vec::new();
    if old.files != new.files {
        let (sign, files) = signed(old.files, new.files);
        parts.push(format!("{sign}{}", words::count(files, "file", "files")));
    }
    if old.bytes != new.bytes {
        let (sign, bytes) = signed(old.bytes, new.bytes);
        parts.push(format!("{sign}{}", words::size(bytes)));
    }
    if parts.is_empty() { "as many, as large".to_owned() } else { parts.join(", ") }
}

/// What is unusual about a snapshot.
pub fn notes(snapshot: &Snapshot) -> Vec<String> {
    let mut notes: Vec<String> = snapshot.label.iter().cloned().collect();
    if snapshot.partial {
        notes.push("a part of the first backup: not everything is in it yet".to_owned());
    }
    if snapshot.unreadable > 0 {
        notes.push(format!("{} could not be read", words::count(snapshot.unreadable, "file", "files")));
    }
    notes
}

/// What changed, a sentence for each kind of difference that there is; something did.
pub fn summary(sums: &Sums) -> Vec<String> {
    let told = |tally: Tally, what: &str| {
        let files = words::count(tally.files, "file", "files");
        (tally.files > 0).then(|| format!("{files} {what}, {}", words::size(tally.bytes)))
    };
    let touched = (sums.touched > 0).then(|| {
        let entries = words::count(sums.touched, "entry", "entries");
        format!("{entries} with another mode or time alone")
    });
    let folders_only =
        [sums.added, sums.removed, sums.changed, sums.moved].iter().all(|tally| tally.files == 0);
    let folders = (folders_only && touched.is_none()).then(|| "Empty folders alone".to_owned());
    [
        told(sums.added, "added"),
        told(sums.removed, "deleted"),
        told(sums.changed, "changed"),
        told(sums.moved, "moved"),
        touched,
        folders,
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(files: u64, bytes: u64) -> Snapshot {
        Snapshot {
            seq: 1,
            created_ms: 0,
            tally: Tally { files, bytes },
            unreadable: 0,
            partial: false,
            label: None,
            device: None,
        }
    }

    #[test]
    fn two_marks_are_compared_the_older_one_first() {
        let pair = Pair::default().toggled(9).toggled(4);
        assert_eq!(pair.both(), Some((4, 9)));
        assert_eq!(pair.toggled(7).both(), Some((7, 9)), "a third takes the last one's place");
        assert_eq!(pair.toggled(9).both(), None);
        assert!(pair.toggled(9).has(4));
        assert_eq!(pair.toggled(9).toggled(4), Pair::default());
    }

    #[test]
    fn growth_is_told_with_its_direction() {
        assert_eq!(growth(None, &snapshot(1, 1)), "the first one");
        assert_eq!(growth(Some(&snapshot(10, 5000)), &snapshot(12, 4000)), "+2 files, −1.0 kB");
        assert_eq!(growth(Some(&snapshot(10, 5)), &snapshot(9, 5)), "−1 file");
        assert_eq!(growth(Some(&snapshot(10, 5)), &snapshot(10, 5)), "as many, as large");
    }

    #[test]
    fn each_kind_of_difference_has_its_sentence() {
        let sums = Sums {
            added: Tally { files: 2, bytes: 3000 },
            moved: Tally { files: 1, bytes: 7 },
            touched: 1,
            ..Sums::default()
        };
        let expected =
            ["2 files added, 3.0 kB", "1 file moved, 7 bytes", "1 entry with another mode or time alone"];
        assert_eq!(summary(&sums), expected);
        assert_eq!(summary(&Sums::default()), ["Empty folders alone"]);
    }

    #[test]
    fn what_is_unusual_is_noted() {
        assert!(notes(&snapshot(1, 1)).is_empty());
        let unusual = Snapshot { partial: true, unreadable: 3, ..snapshot(1, 1) };
        let told = notes(&unusual);
        assert!(told[0].contains("not everything"), "{told:?}");
        assert_eq!(told[1], "3 files could not be read");
    }
}
