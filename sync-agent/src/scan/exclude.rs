//! What is left out of a folder: patterns as in a `.gitignore`, files above a size, what lies on other file systems,
//! and always the content of folders that a `CACHEDIR.TAG` marks as a cache.

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::TreePath;

/// What is left out of one folder.
#[derive(Debug, Clone)]
pub struct Exclude {
    patterns: Gitignore,
    /// Files of more bytes.
    pub larger_than: Option<u64>,
    /// What lies on other file systems than the folder.
    pub one_file_system: bool,
}

/// A line that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExcludeError {
    /// Not a pattern.
    #[error("{line:?} is not a pattern: {reason}")]
    Pattern {
        /// The line.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Bytes that are not text.
    #[error("{0:?} is not UTF-8")]
    NotText(String),
}

impl Default for Exclude {
    fn default() -> Self {
        Self { patterns: Gitignore::empty(), larger_than: None, one_file_system: false }
    }
}

impl Exclude {
    /// Reads patterns as they stand in a source's settings.
    ///
    /// # Errors
    /// At the first line that means nothing.
    pub fn parse<L: AsRef<[u8]>>(lines: &[L]) -> Result<Self, ExcludeError> {
        let mut patterns = GitignoreBuilder::new("");
        for line in lines {
            let line = str::from_utf8(line.as_ref())
                .map_err(|_| ExcludeError::NotText(String::from_utf8_lossy(line.as_ref()).into_owned()))?;
            patterns.add_line(None, line).map_err(|error| ExcludeError::pattern(line, &error))?;
        }
        let patterns = patterns.build().map_err(|error| ExcludeError::pattern("", &error))?;
        Ok(Self { patterns, ..Self::default() })
    }

    /// These patterns with the rules that are none.
    #[must_use]
    pub fn with_limits(self, larger_than: Option<u64>, one_file_system: bool) -> Self {
        Self { larger_than, one_file_system, ..self }
    }

    /// The pattern that leaves an entry out, given that none of the directories above it is left out.
    pub fn matching(&self, path: &TreePath, is_directory: bool) -> Option<&str> {
        if self.patterns.is_empty() {
            return None;
        }
        match self.patterns.matched(path.to_path(), is_directory) {
            Match::Ignore(glob) => Some(glob.original()),
            Match::None | Match::Whitelist(_) => None,
        }
    }

    /// Whether a file of so many bytes is left out.
    pub fn is_too_large(&self, size: u64) -> bool {
        self.larger_than.is_some_and(|limit| size > limit)
    }
}

impl ExcludeError {
    fn pattern(line: &str, error: &ignore::Error) -> Self {
        Self::Pattern { line: line.to_owned(), reason: error.to_string() }
    }
}

/// Bytes from text like `4096`, `100K`, `1.5 GiB` or `2GB`; all units are powers of 1024.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let shift = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    if fraction.is_empty() {
        return Some(whole);
    }
    // Up to nine digits after the point: more say nothing about bytes.
    let digits = &fraction[..fraction.len().min(9)];
    let part = u128::from(digits.parse::<u64>().ok()?) << shift;
    whole.checked_add((part / 10_u128.pow(digits.len() as u32)) as u64)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn is_excluded(lines: &[&str], path: &str, is_directory: bool) -> bool {
        let path = TreePath::from_relative(path.as_ref()).unwrap();
        Exclude::parse(lines).unwrap().matching(&path, is_directory).is_some()
    }

    #[test]
    fn patterns_mean_what_they_mean_in_a_gitignore() {
        assert!(is_excluded(&["*.tmp"], "a/b/c.tmp", false));
        assert!(is_excluded(&["/build/"], "build", true));
        assert!(!is_excluded(&["/build/"], "build", false), "a slash at the end: folders only");
        assert!(!is_excluded(&["/build/"], "a/build", true), "a slash at the start: here only");
        assert!(is_excluded(&["a/**/z"], "a/b/c/z", false));
        assert!(!is_excluded(&["*.tmp", "!keep.tmp"], "keep.tmp", false), "the last match counts");
        assert!(!is_excluded(&["# a comment", ""], "# a comment", false));
        assert!(is_excluded(&["ä*.txt"], "d/äö.txt", false));
    }

    #[test]
    fn lines_that_mean_nothing_are_refused() {
        assert!(matches!(Exclude::parse(&["a[z-a]"]), Err(ExcludeError::Pattern { .. })));
        assert!(matches!(Exclude::parse(&[b"\xff"]), Err(ExcludeError::NotText(_))));
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        let sizes = ["0", "4096", "100K", "1.5 GiB", "2gb", "3 MB", "1x", "", "-1", "99999999999T"];
        assert_eq!(
            sizes.map(parse_size),
            [
                Some(0),
                Some(4096),
                Some(100 << 10),
                Some(3 << 29),
                Some(2 << 30),
                Some(3 << 20),
                None,
                None,
                None,
                None
            ]
        );
    }
}
