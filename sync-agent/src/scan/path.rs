//! Where an entry lies beneath its folder.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use backup::{Name, NameError};
use serde::{Serialize, Serializer};

/// Names from the folder down, joined by NUL, which no name contains. So the order of bytes is the order of a walk:
/// a folder, all that is beneath it, and then its next sibling. The folder itself is the empty path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// From the bytes of [`Self::as_key`].
    pub fn from_key(key: &[u8]) -> Self {
        Self(key.to_vec())
    }

    /// From a relative path of the file system. `None` if it is absolute or goes up.
    pub fn from_relative(path: &Path) -> Option<Self> {
        let mut out = Self::default();
        for component in path.components() {
            match component {
                Component::Normal(name) => out = out.join(name.as_bytes()),
                Component::CurDir => {}
                _ => return None,
            }
        }
        Some(out)
    }

    /// The bytes that order paths.
    pub fn as_key(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is the folder itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of an entry in this directory.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        let mut key = Vec::with_capacity(self.0.len() + 1 + name.len());
        key.extend_from_slice(&self.0);
        if !key.is_empty() {
            key.push(0);
        }
        key.extend_from_slice(name);
        Self(key)
    }

    /// Its names, outermost first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == 0).filter(|name| !name.is_empty())
    }

    /// How many names it has.
    pub fn depth(&self) -> usize {
        self.components().count()
    }

    /// The directory that it lies in; the folder itself has none.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == 0).unwrap_or(0);
        Some(Self(self.0[..end].to_vec()))
    }

    /// The directories above it, outermost first, without the folder itself.
    pub fn ancestors(&self) -> Vec<Self> {
        let ends = self.0.iter().enumerate().filter(|(_, byte)| **byte == 0);
        ends.map(|(end, _)| Self(self.0[..end].to_vec())).collect()
    }

    /// Whether it is `other` or lies beneath it.
    pub fn is_within(&self, other: &Self) -> bool {
        other.is_root()
            || self
                .0
                .strip_prefix(&other.0[..])
                .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == 0))
    }

    /// The last name; the folder itself has none.
    pub fn name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// As the format has it: the names of the directories above, and its own.
    ///
    /// # Errors
    /// If a name is none, which no file system gives.
    pub fn to_names(&self) -> Result<Vec<Name>, NameError> {
        self.components().map(Name::new).collect()
    }

    /// As a relative path of the file system.
    pub fn to_path(&self) -> PathBuf {
        self.components().map(OsStr::from_bytes).collect()
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        f.write_str(&self.to_path().to_string_lossy())
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_path())
    }
}

impl Serialize for TreePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> impl Strategy<Value = Vec<Vec<u8>>> {
        proptest::collection::vec(proptest::collection::vec(1..=255u8, 1..4), 0..5)
    }

    fn path(names: &[Vec<u8>]) -> TreePath {
        names.iter().fold(TreePath::default(), |path, name| path.join(name))
    }

    proptest! {
        #[test]
        fn paths_sort_as_a_walk_meets_them(a in names(), b in names()) {
            prop_assert_eq!(path(&a).cmp(&path(&b)), a.cmp(&b));
        }

        #[test]
        fn what_lies_within_has_the_others_names_first(a in names(), b in names()) {
            prop_assert_eq!(path(&a).is_within(&path(&b)), a.starts_with(&b));
        }

        #[test]
        fn a_parent_has_all_names_but_the_last(a in names()) {
            let parent = a.split_last().map(|(_, parents)| path(parents));
            prop_assert_eq!(path(&a).parent(), parent);
            prop_assert_eq!(path(&a).ancestors().len(), a.len().saturating_sub(1));
        }
    }
}
