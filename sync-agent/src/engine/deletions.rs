//! Whether so much vanished at once that a person should say whether it was meant: history keeps it all, but a backup
//! of an emptied folder looks as if all were well.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

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

/// Files that are no longer where they were, and those that are met elsewhere: a renamed folder deletes nothing. Eight
/// bytes for each, by which it is known again.
#[derive(Default)]
pub(super) struct Vanished {
    left: Vec<u64>,
    arrived: Vec<u64>,
}

impl Vanished {
    /// A file is no longer where it was.
    pub(super) fn leaves(&mut self, meta: &Meta) {
        self.left.extend(mark(meta));
    }

    /// A file is where it was not before.
    pub(super) fn arrives(&mut self, meta: &Meta) {
        self.arrived.extend(mark(meta));
    }

    /// Files that left and did not arrive.
    pub(super) fn count(&mut self) -> u64 {
        self.left.sort_unstable();
        self.arrived.sort_unstable();
        let mut arrived = self.arrived.iter().peekable();
        let is_gone = |mark: &&u64| {
            while arrived.next_if(|other| other < mark).is_some() {}
            arrived.next_if_eq(mark).is_none()
        };
        self.left.iter().filter(is_gone).count() as u64
    }
}

/// Renaming changes a file's ctime, and its device may have another number; nothing else.
fn mark(meta: &Meta) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    (meta.inode, meta.size, meta.mtime_ns).hash(&mut hasher);
    (meta.kind == Kind::File).then(|| hasher.finish())
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
        vanished.leaves(&file(2, 5));
        vanished.arrives(&file(2, 7));
        assert_eq!(vanished.count(), 1, "one of two links to the same file");
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
