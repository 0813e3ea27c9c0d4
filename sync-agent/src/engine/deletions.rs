//! Whether so much vanished at once that a person should say whether it was meant: history keeps it all, but a backup
//! of an emptied folder looks as if all were well.

use std::collections::HashMap;

use crate::scan::{Kind, Meta};

/// More than these files, and more than half of them.
const FEW: u64 = 100;
/// More than these files, and more than a quarter of them.
const MANY: u64 = 1000;

/// Whether `removed` of `files` files are to be asked about.
pub(super) fn is_mass_deletion(removed: u64, files: u64) -> bool {
    let removed = u128::from(removed);
    let files = u128::from(files);
    removed > FEW.into() && removed * 2 > files || removed > MANY.into() && removed * 4 > files
}

/// Files that are no longer where they were, and those that are met elsewhere: a renamed folder deletes nothing.
#[derive(Default)]
pub(super) struct Vanished(HashMap<(u64, u64, i64), i64>);

impl Vanished {
    /// A file is no longer where it was.
    pub(super) fn leaves(&mut self, meta: &Meta) {
        self.add(meta, 1);
    }

    /// A file is where it was not before.
    pub(super) fn arrives(&mut self, meta: &Meta) {
        self.add(meta, -1);
    }

    /// Renaming changes the file's ctime, and its device may have another number; nothing else.
    fn add(&mut self, meta: &Meta, number: i64) {
        if meta.kind == Kind::File {
            *self.0.entry((meta.inode, meta.size, meta.mtime_ns)).or_default() += number;
        }
    }

    /// Files that left and did not arrive.
    pub(super) fn count(&self) -> u64 {
        self.0.values().map(|left| left.max(&0).cast_unsigned()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inode: u64, ctime_ns: i64) -> Meta {
        Meta { kind: Kind::File, mode: 0o644, size: 1, mtime_ns: 2, ctime_ns, inode, device: 3 }
    }

    #[test]
    fn what_is_found_again_by_its_inode_did_not_vanish() {
        let mut vanished = Vanished::default();
        vanished.arrives(&file(1, 10));
        vanished.leaves(&file(1, 5));
        vanished.leaves(&file(2, 5));
        vanished.arrives(&file(3, 5));
        vanished.leaves(&Meta { kind: Kind::Directory, ..file(4, 5) });
        assert_eq!(vanished.count(), 1);
    }

    #[test]
    fn half_of_some_and_a_quarter_of_many_are_asked_about() {
        assert!(!is_mass_deletion(100, 100), "few files may all go");
        assert!(is_mass_deletion(101, 101));
        assert!(is_mass_deletion(101, 201));
        assert!(!is_mass_deletion(101, 202));
        assert!(!is_mass_deletion(1000, 3000));
        assert!(is_mass_deletion(1001, 4003));
        assert!(!is_mass_deletion(1001, 4004));
        assert!(is_mass_deletion(u64::MAX, u64::MAX));
    }
}
