//! How many files and bytes lie beneath a directory, by category.

use crate::category::Category;

/// Files and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Number of files.
    pub files: u64,
    /// Bytes of their contents.
    pub bytes: u64,
}

/// One tally per category; a directory's size is their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals([Tally; Category::ALL.len()]);

impl Totals {
    /// `None` if the files or bytes of all categories together do not fit into 64 bits.
    pub fn from_tallies(tallies: [Tally; Category::ALL.len()]) -> Option<Self> {
        tallies.iter().try_fold(Tally::default(), |sum, tally| sum.checked_add(*tally))?;
        Some(Self(tallies))
    }

    /// One file of `bytes`.
    pub fn of_file(category: Category, bytes: u64) -> Self {
        let mut totals = Self::default();
        totals.0[category as usize] = Tally { files: 1, bytes };
        totals
    }

    /// In the order of [`Category::ALL`].
    pub fn tallies(&self) -> &[Tally; Category::ALL.len()] {
        &self.0
    }

    /// Of one category.
    pub fn get(&self, category: Category) -> Tally {
        self.0[category as usize]
    }

    /// Of all categories together.
    pub fn sum(&self) -> Tally {
        self.0.iter().fold(Tally::default(), |sum, tally| Tally {
            files: sum.files + tally.files,
            bytes: sum.bytes + tally.bytes,
        })
    }

    /// `None` on overflow.
    #[must_use]
    pub fn checked_add(mut self, other: &Self) -> Option<Self> {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = mine.checked_add(*theirs)?;
        }
        Self::from_tallies(self.0)
    }
}

impl Tally {
    fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            files: self.files.checked_add(other.files)?,
            bytes: self.bytes.checked_add(other.bytes)?,
        })
    }
}
