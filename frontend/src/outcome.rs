//! What a backup came to, in words, or why there was none.

use crate::drop_list::DropList;
use crate::failure::Failure;
use crate::message::BackupSummary;
use crate::words;

/// Names in one sentence at most.
const NAMED_MAX: usize = 10;

/// What a person gave, beside the files that can be backed up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The names of what was given.
    pub names: Vec<String>,
    /// Folders and files beneath them that the browser would not read.
    pub unreadable: Vec<String>,
}

impl Given {
    /// The names as one text.
    pub fn title(&self) -> String {
        if self.names.is_empty() { "what you gave".to_owned() } else { words::names(&self.names, NAMED_MAX) }
    }
}

/// Why there is nothing to ask the worker for, if so.
pub fn objection(list: &DropList, given: &Given) -> Option<Failure> {
    if !list.files.is_empty() {
        return None;
    }
    let reasons = reasons(list, given, &[]);
    Some(if reasons.is_empty() {
        Failure {
            what: format!("There is nothing to back up in {}: empty folders are not kept.", given.title()),
            safe: UNCHANGED.to_owned(),
            advice: "Choose a folder with files in it.".to_owned(),
            retryable: false,
            signed_out: false,
            needs_passphrase: false,
        }
    } else {
        nothing_read(&reasons, false)
    })
}

/// What a backup did.
///
/// # Errors
/// A failure with the reasons where no file could be read.
pub fn told(summary: &BackupSummary, list: &DropList, given: &Given) -> Result<String, Failure> {
    let reasons = reasons(list, given, &summary.unreadable);
    if summary.files == 0 {
        return Err(nothing_read(&reasons, true));
    }
    let sentence = format!(
        "{} backed up, {} sent.",
        words::count(summary.files, "file", "files"),
        words::size(summary.sent_bytes)
    );
    Ok(if reasons.is_empty() {
        sentence
    } else {
        format!("{sentence} Not backed up: {}.", words::names(&reasons, NAMED_MAX))
    })
}

const UNCHANGED: &str = "Everything that was backed up before is unchanged.";

fn nothing_read(reasons: &[String], retryable: bool) -> Failure {
    Failure {
        what: format!("Nothing could be backed up: {}.", words::names(reasons, NAMED_MAX)),
        safe: UNCHANGED.to_owned(),
        advice: "Make sure that it is still there and may be read, then choose it again.".to_owned(),
        retryable,
        signed_out: false,
        needs_passphrase: false,
    }
}

/// Each path that was left out, and why.
fn reasons(list: &DropList, given: &Given, unreadable: &[(Vec<String>, String)]) -> Vec<String> {
    let refused = list.refused.iter().map(|(path, reason)| format!("{path} ({reason})"));
    let by_browser = given.unreadable.iter().map(|path| format!("{path} (the browser could not read it)"));
    let by_worker = unreadable.iter().map(|(path, reason)| format!("{} ({reason})", path.join("/")));
    refused.chain(by_browser).chain(by_worker).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drop_list::Found;

    fn list(paths: &[&str]) -> DropList {
        let found = |path: &&str| Found {
            path: path.split('/').map(str::to_owned).collect(),
            bytes: 1,
            modified_ms: 0,
        };
        DropList::new(&[], paths.iter().map(found).collect())
    }

    fn given(unreadable: &[&str]) -> Given {
        Given {
            names: vec!["photos".to_owned()],
            unreadable: unreadable.iter().map(|&path| path.to_owned()).collect(),
        }
    }

    fn summary(files: u64, unreadable: usize) -> BackupSummary {
        let unreadable =
            (0..unreadable).map(|at| (vec!["photos".to_owned(), format!("{at}.jpg")], "gone".to_owned()));
        BackupSummary { files, bytes: files, sent_bytes: 0, unreadable: unreadable.collect() }
    }

    #[test]
    fn empty_folders_are_named_and_nothing_is_asked_of_the_worker() {
        let failure = objection(&list(&[]), &given(&[])).expect("there is nothing");
        assert_eq!(failure.what, "There is nothing to back up in photos: empty folders are not kept.");
        assert!(!failure.retryable);
        assert_eq!(objection(&list(&["photos/a.jpg"]), &given(&["photos/b"])), None);
    }

    #[test]
    fn what_could_not_be_read_at_all_fails_with_the_reasons() {
        let failure = objection(&list(&[".."]), &given(&["photos/deep"])).expect("nothing can be stored");
        assert_eq!(
            failure.what,
            "Nothing could be backed up: .. (it has a name that only stands for a place), photos/deep (the browser \
             could not read it)."
        );
        let failure =
            told(&summary(0, 1), &list(&["photos/0.jpg"]), &given(&[])).expect_err("no file was read");
        assert_eq!(failure.what, "Nothing could be backed up: photos/0.jpg (gone).");
    }

    #[test]
    fn what_was_left_out_is_named_up_to_ten() {
        let all = told(&summary(3, 0), &list(&["a", "b", "c"]), &given(&[]));
        assert_eq!(all, Ok("3 files backed up, 0 bytes sent.".to_owned()));
        let some = told(&summary(1, 12), &list(&["a"]), &given(&[])).expect("one was read");
        assert!(
            some.starts_with("1 file backed up, 0 bytes sent. Not backed up: photos/0.jpg (gone), "),
            "{some}"
        );
        assert!(some.ends_with("photos/9.jpg (gone), and 2 more."), "{some}");
    }
}
