//! Whether so much vanished at once that a person should say whether it was meant: history keeps it all, but a backup
//! of an emptied folder looks as if all were well.

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

#[cfg(test)]
mod tests {
    use super::*;

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
