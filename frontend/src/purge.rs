//! What deleting for good takes and leaves, in words.

use crate::message::{PurgePreview, StillIn};
use crate::words;

/// What goes.
pub fn what_goes(preview: &PurgePreview) -> String {
    let stays = preview.bytes.saturating_sub(preview.bytes_gone);
    if preview.bytes_gone == 0 {
        return "Nothing of its content can be deleted by itself.".to_owned();
    }
    let whose = if preview.one_version { "in the version of this moment" } else { "in all versions" };
    let contents = words::count(preview.files, "file", "files");
    let size = words::size(preview.bytes_gone);
    let rest = match stays {
        0 => String::new(),
        stays => {
            format!(" Another {} stay, because something else has the same content.", words::size(stays))
        }
    };
    format!("The content of {contents}, {whose}: {size}.{rest}")
}

/// What stays although it was asked for, each in a sentence.
pub fn what_stays(preview: &PurgePreview) -> Vec<String> {
    let mut stays = Vec::new();
    if preview.still_in == StillIn::Folder {
        stays.push(
            "It is still in its folder on the device, and in the newest snapshot: that version stays until a backup \
             lacks it."
                .to_owned(),
        );
    }
    if preview.embedded > 0 {
        let files = words::count(preview.embedded, "file is", "files are");
        stays.push(format!("{files} no larger than 1,024 bytes, and so part of the folder, which stays."));
    }
    if preview.snapshots > 0 {
        let snapshots = words::count(preview.snapshots, "older snapshot", "older snapshots");
        stays.push(format!("Names, links and small files stay in {snapshots} unless you forget these."));
    }
    stays
}

/// A pattern that leaves out just what is at a path, as in a .gitignore file.
pub fn exclusion(path: &[String]) -> String {
    let mut pattern = String::new();
    for name in path {
        pattern.push('/');
        for character in name.chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '!' | '#' | '\\' | ' ') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_told_with_what_something_else_has() {
        let preview =
            PurgePreview { files: 2, bytes: 3_000_000, bytes_gone: 2_000_000, ..Default::default() };
        assert_eq!(
            what_goes(&preview),
            "The content of 2 files, in all versions: 2.0 MB. Another 1.0 MB stay, because something else has the same \
             content."
        );
        let all =
            PurgePreview { files: 1, bytes: 5000, bytes_gone: 5000, one_version: true, ..Default::default() };
        assert_eq!(what_goes(&all), "The content of 1 file, in the version of this moment: 5.0 kB.");
        let nothing = PurgePreview { files: 1, bytes: 900, embedded: 1, ..Default::default() };
        assert_eq!(what_goes(&nothing), "Nothing of its content can be deleted by itself.");
    }

    #[test]
    fn what_stays_is_told_only_where_it_does() {
        assert_eq!(what_stays(&PurgePreview::default()), Vec::<String>::new());
        let preview =
            PurgePreview { embedded: 2, snapshots: 1, still_in: StillIn::Folder, ..Default::default() };
        let stays = what_stays(&preview);
        assert_eq!(stays.len(), 3);
        assert_eq!(
            stays[1],
            "2 files are no larger than 1,024 bytes, and so part of the folder, which stays."
        );
        assert_eq!(
            stays[2],
            "Names, links and small files stay in 1 older snapshot unless you forget these."
        );
    }

    #[test]
    fn an_exclusion_is_of_one_path_and_reads_nothing_into_its_names() {
        let path = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(exclusion(&path(&["a", "b.txt"])), "/a/b.txt");
        assert_eq!(exclusion(&path(&["[x]*", "#1 !"])), "/\\[x\\]\\*/\\#1\\ \\!");
    }
}
