//! In which order a folder's entries stand.

use std::cmp::Ordering;

use crate::message::{Entry, EntryKind};

/// What they are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Name.
    Name,
    /// Size.
    Size,
    /// Last change.
    Modified,
}

/// A column and a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Which column.
    pub column: Column,
    /// From the last to the first.
    pub descending: bool,
}

impl Default for Order {
    fn default() -> Self {
        Self { column: Column::Name, descending: false }
    }
}

impl Order {
    /// What a click on a column's head asks for: names start at A, sizes and dates at the largest; again turns around.
    #[must_use]
    pub fn toggled(self, column: Column) -> Self {
        let descending = if self.column == column { !self.descending } else { column != Column::Name };
        Self { column, descending }
    }

    /// Folders first, whatever the order; names decide between equals.
    pub fn sort(self, entries: &mut [Entry]) {
        entries.sort_by(|a, b| {
            let key = match self.column {
                Column::Name => by_name(&a.name, &b.name),
                Column::Size => a.bytes.cmp(&b.bytes),
                Column::Modified => a.modified_ms.cmp(&b.modified_ms),
            };
            let key = if self.descending { key.reverse() } else { key };
            folders_first(a, b).then(key).then_with(|| by_name(&a.name, &b.name))
        });
    }
}

fn folders_first(a: &Entry, b: &Entry) -> Ordering {
    (a.kind != EntryKind::Folder).cmp(&(b.kind != EntryKind::Folder))
}

/// Letters without regard to case, runs of digits as the numbers they are: `photo 2` before `Photo 10`.
fn by_name(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (Some(x), Some(y)) = (rest_a.chars().next(), rest_b.chars().next()) else {
            return rest_a.len().cmp(&rest_b.len()).then_with(|| a.cmp(b));
        };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (number_a, tail_a) = split_digits(rest_a);
            let (number_b, tail_b) = split_digits(rest_b);
            match number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b)) {
                Ordering::Equal => (rest_a, rest_b) = (tail_a, tail_b),
                unequal => return unequal,
            }
        } else {
            match x.to_lowercase().cmp(y.to_lowercase()) {
                Ordering::Equal => (rest_a, rest_b) = (&rest_a[x.len_utf8()..], &rest_b[y.len_utf8()..]),
                unequal => return unequal,
            }
        }
    }
}

/// The digits at the start without leading zeros, and what follows them.
fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].trim_start_matches('0'), &text[end..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(name: &str, kind: EntryKind, bytes: u64, modified_ms: i64) -> Entry {
        Entry { name: name.to_owned(), kind, bytes, files: 0, modified_ms }
    }

    fn sorted(order: Order) -> Vec<String> {
        let mut entries = [
            entry("photo 10.jpg", EntryKind::File, 5, 3),
            entry("Photo 2.jpg", EntryKind::File, 9, 1),
            entry("archive", EntryKind::Folder, 7, 2),
            entry("apple", EntryKind::File, 5, 2),
            entry("Zoo", EntryKind::Folder, 1, 9),
        ];
        order.sort(&mut entries);
        entries.into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn names_read_as_people_read_them_and_folders_stand_first() {
        assert_eq!(sorted(Order::default()), ["archive", "Zoo", "apple", "Photo 2.jpg", "photo 10.jpg"]);
        let backward = Order::default().toggled(Column::Name);
        assert_eq!(sorted(backward), ["Zoo", "archive", "photo 10.jpg", "Photo 2.jpg", "apple"]);
    }

    #[test]
    fn sizes_and_dates_start_at_the_largest_and_names_decide_between_equals() {
        let sizes = Order::default().toggled(Column::Size);
        assert_eq!(sorted(sizes), ["archive", "Zoo", "Photo 2.jpg", "apple", "photo 10.jpg"]);
        let dates = sizes.toggled(Column::Modified);
        assert_eq!(sorted(dates), ["Zoo", "archive", "photo 10.jpg", "apple", "Photo 2.jpg"]);
    }

    proptest! {
        #[test]
        fn by_name_is_a_total_order(a in "[aAbB019é]{0,6}", b in "[aAbB019é]{0,6}", c in "[aAbB019é]{0,6}") {
            prop_assert_eq!(by_name(&a, &b), by_name(&b, &a).reverse());
            prop_assert_eq!(by_name(&a, &b) == Ordering::Equal, a == b);
            if by_name(&a, &b) != Ordering::Greater && by_name(&b, &c) != Ordering::Greater {
                prop_assert_ne!(by_name(&a, &c), Ordering::Greater);
            }
        }
    }
}
