//! Which entries of a snapshot are wanted: patterns with the meaning that they have in a `.gitignore`, where a pattern
//! for a folder takes all that is beneath it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Patterns of what to take and what to leave out. The default takes everything.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    include: Option<Gitignore>,
    exclude: Option<Gitignore>,
}

impl Filter {
    /// No `include` at all includes everything; `exclude` wins.
    ///
    /// # Errors
    /// If one is not a pattern.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, ignore::Error> {
        Ok(Self { include: build(include)?, exclude: build(exclude)? })
    }

    /// Whether the entry at this path, beneath what is restored, is wanted.
    pub fn takes(&self, path: &[u8], is_directory: bool) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        let matches =
            |patterns: &Gitignore| patterns.matched_path_or_any_parents(path, is_directory).is_ignore();
        self.include.as_ref().is_none_or(matches) && !self.exclude.as_ref().is_some_and(matches)
    }

    /// Whether it takes everything.
    pub fn takes_all(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }
}

fn build(patterns: &[String]) -> Result<Option<Gitignore>, ignore::Error> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut builder = GitignoreBuilder::new("");
    for pattern in patterns {
        builder.add_line(None, pattern)?;
    }
    builder.build().map(Some)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn takes(include: &[&str], exclude: &[&str], path: &str) -> bool {
        let owned = |patterns: &[&str]| patterns.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        Filter::new(&owned(include), &owned(exclude)).unwrap().takes(path.as_bytes(), false)
    }

    #[test]
    fn a_folder_stands_for_what_is_beneath_it_and_excludes_win() {
        assert!(takes(&[], &[], "a/b"));
        assert!(takes(&["photos"], &[], "x/photos/2024/a.jpg"));
        assert!(takes(&["/photos/**/*.jpg"], &[], "photos/2024/a.jpg"));
        assert!(!takes(&["/photos"], &[], "x/photos/a.jpg"), "a leading / begins at the root");
        assert!(!takes(&["*.jpg"], &[], "a.png"));
        assert!(!takes(&["photos"], &["*.tmp"], "photos/a.tmp"));
        assert!(!takes(&[], &["cache/"], "home/cache/a"));
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        assert!(Filter::new(&["a[z-a]".to_owned()], &[]).is_err());
    }
}
