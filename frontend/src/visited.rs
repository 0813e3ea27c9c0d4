//! Which folders the browser's back and forward buttons lead to.
//!
//! The history, which browsers write to disk and servers see after a reload, holds a meaningless number; the folders'
//! names stay in memory.

use crate::folder::Folder;

/// The folders of this sitting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visited {
    salt: u32,
    folders: Vec<Folder>,
}

impl Visited {
    /// `salt` tells this sitting's numbers from those of an earlier one.
    pub fn new(salt: u32) -> Self {
        Self { salt, folders: Vec::new() }
    }

    /// The number to leave in the history for a folder.
    pub fn remember(&mut self, folder: Folder) -> String {
        let place = self.folders.iter().position(|known| *known == folder).unwrap_or_else(|| {
            self.folders.push(folder);
            self.folders.len() - 1
        });
        format!("{}.{place}", self.salt)
    }

    /// The folder behind a number; the top for one that is not of this sitting.
    pub fn recall(&self, mark: Option<&str>) -> Folder {
        mark.and_then(|mark| mark.split_once('.'))
            .filter(|(salt, _)| salt.parse() == Ok(self.salt))
            .and_then(|(_, place)| self.folders.get(place.parse::<usize>().ok()?))
            .cloned()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_leads_back_and_says_nothing() {
        let mut visited = Visited::new(7);
        let taxes = vec!["taxes".to_owned(), "2024".to_owned()];
        let mark = visited.remember(taxes.clone());
        assert_eq!(mark, "7.0");
        assert_eq!(visited.remember(vec!["photos".to_owned()]), "7.1");
        assert_eq!(visited.remember(taxes.clone()), mark);
        assert_eq!(visited.recall(Some(&mark)), taxes);
    }

    #[test]
    fn foreign_marks_lead_to_the_top() {
        let mut visited = Visited::new(7);
        visited.remember(vec!["taxes".to_owned()]);
        for mark in [None, Some(""), Some("8.0"), Some("7.1"), Some("7.x"), Some("7")] {
            assert!(visited.recall(mark).is_empty(), "{mark:?}");
        }
    }
}
