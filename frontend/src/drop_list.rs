//! What a person dropped or picked, made into a list of files to back up.

use std::collections::HashMap;

use crate::folder::objection;
use crate::message::NewFile;
use crate::words::{count, grouped};

/// A file as the browser found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The folders it was in and its name, from what was dropped on.
    pub path: Vec<String>,
    /// Its size.
    pub bytes: u64,
    /// Last change, in Unix milliseconds.
    pub modified_ms: i64,
}

/// What will be backed up, and what will not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DropList {
    /// For each file, its place among those found, and what to ask the worker for.
    pub files: Vec<(usize, NewFile)>,
    /// What cannot be stored, and why.
    pub refused: Vec<(String, &'static str)>,
}

impl DropList {
    /// Puts what was found into `folder`. Of two with the same path the later one counts.
    pub fn new(folder: &[String], found: Vec<Found>) -> Self {
        let mut list = Self::default();
        let mut places = HashMap::<Vec<String>, usize>::new();
        for (at, file) in found.into_iter().enumerate() {
            let path = [folder, &file.path].concat();
            if let Some(reason) = objection(&path) {
                list.refused.push((file.path.join("/"), reason));
                continue;
            }
            let new = NewFile { path: path.clone(), bytes: file.bytes, modified_ms: file.modified_ms };
            if let Some(&place) = places.get(&path) {
                list.files[place] = (at, new);
            } else {
                places.insert(path, list.files.len());
                list.files.push((at, new));
            }
        }
        list
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, file)| file.bytes).sum()
    }

    /// What a person would call it: a file, a folder, or how many files.
    pub fn title(&self, folder: &[String]) -> String {
        let mut tops: Vec<&str> =
            self.files.iter().map(|(_, file)| file.path[folder.len()].as_str()).collect();
        tops.dedup();
        match (tops.as_slice(), self.files.as_slice()) {
            ([], _) => "nothing".to_owned(),
            ([top], [(_, file)]) if file.path.len() == folder.len() + 1 => (*top).to_owned(),
            ([top], files) => format!("{top} ({})", count(files.len() as u64, "file", "files")),
            (_, files) => format!("{} files", grouped(files.len() as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, bytes: u64) -> Found {
        Found { path: path.split('/').map(str::to_owned).collect(), bytes, modified_ms: 0 }
    }

    fn list(folder: &str, found: Vec<Found>) -> (DropList, String) {
        let folder: Vec<String> =
            folder.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let list = DropList::new(&folder, found);
        let title = list.title(&folder);
        (list, title)
    }

    #[test]
    fn files_go_into_the_open_folder_with_the_folders_they_came_in() {
        let (list, title) = list("2024", vec![found("may/a.jpg", 5), found("may/deep/b.jpg", 7)]);
        let paths: Vec<_> = list.files.iter().map(|(_, file)| file.path.join("/")).collect();
        assert_eq!(paths, ["2024/may/a.jpg", "2024/may/deep/b.jpg"]);
        assert_eq!(list.bytes(), 12);
        assert_eq!(title, "may (2 files)");
    }

    #[test]
    fn it_is_called_what_a_person_would_call_it() {
        assert_eq!(list("", vec![found("a.jpg", 1)]).1, "a.jpg");
        assert_eq!(list("x", vec![found("may/a.jpg", 1)]).1, "may (1 file)");
        assert_eq!(list("", vec![found("a.jpg", 1), found("b.jpg", 1)]).1, "2 files");
    }

    #[test]
    fn of_two_with_one_path_the_later_counts() {
        let (list, _) = list("", vec![found("a", 1), found("b", 2), found("a", 3)]);
        let kept: Vec<_> = list.files.iter().map(|(at, file)| (*at, file.bytes)).collect();
        assert_eq!(kept, [(2, 3), (1, 2)]);
    }

    #[test]
    fn what_cannot_be_stored_is_named_and_the_rest_goes_on() {
        let (list, _) = list("", vec![found("..", 1), found("good", 1)]);
        assert_eq!(list.files.len(), 1);
        assert_eq!(list.refused[0].0, "..");
    }
}
