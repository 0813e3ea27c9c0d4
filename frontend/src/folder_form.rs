//! The form in which a person says what to back up, and what to leave out.

use crate::message::FolderRules;

const MEGABYTE: u64 = 1_000_000;

/// What is in the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderForm {
    /// Where it is on the device.
    pub path: String,
    /// What it is called; empty for the last part of its path.
    pub name: String,
    /// One pattern a line.
    pub exclude: String,
    /// In megabytes; empty for no limit.
    pub larger_than_mb: String,
    /// What is mounted in it is left out.
    pub one_file_system: bool,
}

/// A field with what is wrong in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// The path.
    Path(&'static str),
    /// The size limit.
    LargerThan(&'static str),
}

impl FolderForm {
    /// The fields of a folder that there is.
    pub fn of(rules: &FolderRules) -> Self {
        let megabytes = |bytes: u64| match bytes % MEGABYTE {
            0 => (bytes / MEGABYTE).to_string(),
            _ => (bytes as f64 / MEGABYTE as f64).to_string(),
        };
        Self {
            path: rules.path.clone(),
            name: rules.name.clone(),
            exclude: rules.exclude.join("\n"),
            larger_than_mb: rules.larger_than.map_or_else(String::new, megabytes),
            one_file_system: rules.one_file_system,
        }
    }

    /// What the fields mean.
    ///
    /// # Errors
    /// The first field that means nothing.
    pub fn rules(&self, paused: bool) -> Result<FolderRules, Objection> {
        let path = self.path.trim();
        if path.is_empty() {
            return Err(Objection::Path("Say where the folder is on the device."));
        }
        if !is_absolute(path) {
            return Err(Objection::Path("Write the whole path, from the top: /home/me/Documents."));
        }
        let name = match self.name.trim() {
            "" => last_part(path),
            name => name,
        };
        Ok(FolderRules {
            name: name.to_owned(),
            path: path.to_owned(),
            exclude: self.patterns(),
            larger_than: self.larger_than()?,
            one_file_system: self.one_file_system,
            paused,
        })
    }

    /// The patterns: lines that are not empty. Blanks within and before them mean something; a carriage return does not.
    pub fn patterns(&self) -> Vec<String> {
        self.exclude.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    }

    /// The size limit in bytes.
    ///
    /// # Errors
    /// [`Objection::LargerThan`].
    pub fn larger_than(&self) -> Result<Option<u64>, Objection> {
        let text = self.larger_than_mb.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let megabytes = text.replace(',', ".").parse::<f64>().ok().filter(|it| it.is_finite() && *it > 0.0);
        match megabytes.map(|megabytes| (megabytes * MEGABYTE as f64).round()) {
            Some(bytes) if (1.0..9e15).contains(&bytes) => Ok(Some(bytes as u64)),
            _ => Err(Objection::LargerThan("Write a number of megabytes, or nothing for no limit.")),
        }
    }
}

/// Also as Windows writes it.
fn is_absolute(path: &str) -> bool {
    let drive = path.as_bytes();
    path.starts_with('/')
        || path.starts_with(r"\\")
        || matches!(drive, [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic())
}

fn last_part(path: &str) -> &str {
    path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(path: &str, name: &str, larger_than_mb: &str) -> FolderForm {
        FolderForm {
            path: path.to_owned(),
            name: name.to_owned(),
            larger_than_mb: larger_than_mb.to_owned(),
            ..FolderForm::default()
        }
    }

    #[test]
    fn a_folder_without_a_name_is_called_like_the_end_of_its_path() {
        let name = |path: &str, name: &str| form(path, name, "").rules(false).expect("a path").name;
        assert_eq!(name("/home/me/Documents/", " "), "Documents");
        assert_eq!(name(r"C:\Users\me", ""), "me");
        assert_eq!(name("/", ""), "/");
        assert_eq!(name("/home/me", "Mine"), "Mine");
    }

    #[test]
    fn only_a_whole_path_is_taken() {
        for path in ["", "  ", "Documents", "./a", "~/a", "C:a"] {
            assert!(matches!(form(path, "", "").rules(false), Err(Objection::Path(_))), "{path}");
        }
        for path in ["/a", r"D:\a", "d:/a", r"\\server\share"] {
            assert_eq!(form(path, "", "").rules(true).map(|rules| rules.path).as_deref(), Ok(path));
        }
    }

    #[test]
    fn sizes_are_megabytes_and_nothing_is_no_limit() {
        let bytes = |text: &str| form("/a", "", text).larger_than();
        assert_eq!(bytes(""), Ok(None));
        assert_eq!(bytes("100"), Ok(Some(100_000_000)));
        assert_eq!(bytes("0,5"), Ok(Some(500_000)));
        for wrong in ["0", "-1", "x", "NaN", "inf", "1e300", "0.0000001"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_shown_of_a_folder_means_that_folder_again() {
        let rules = FolderRules {
            name: "Photos".to_owned(),
            path: "/photos".to_owned(),
            exclude: vec!["*.tmp".to_owned(), " leading".to_owned(), "!keep.tmp".to_owned()],
            larger_than: Some(1_500_000),
            one_file_system: true,
            paused: true,
        };
        assert_eq!(FolderForm::of(&rules).rules(true), Ok(rules));
        let crlf = FolderForm { exclude: "a\r\n\r\nb\n".to_owned(), ..form("/a", "", "") };
        assert_eq!(crlf.patterns(), ["a", "b"]);
    }
}
