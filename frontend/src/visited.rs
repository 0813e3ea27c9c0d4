//! Which places the browser's back and forward buttons lead to.
//!
//! The history, which browsers write to disk and servers see after a reload, holds a meaningless number; the folders'
//! names stay in memory.

use crate::spot::Spot;

/// The places of this sitting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visited {
    salt: u32,
    spots: Vec<Spot>,
}

impl Visited {
    /// `salt` tells this sitting's numbers from those of an earlier one.
    pub fn new(salt: u32) -> Self {
        Self { salt, spots: Vec::new() }
    }

    /// The number to leave in the history for a place.
    pub fn remember(&mut self, spot: Spot) -> String {
        let place = self.spots.iter().position(|known| *known == spot).unwrap_or_else(|| {
            self.spots.push(spot);
            self.spots.len() - 1
        });
        format!("{}.{place}", self.salt)
    }

    /// The place behind a number; the top of the uploads for one that is not of this sitting.
    pub fn recall(&self, mark: Option<&str>) -> Spot {
        mark.and_then(|mark| mark.split_once('.'))
            .filter(|(salt, _)| salt.parse() == Ok(self.salt))
            .and_then(|(_, place)| self.spots.get(place.parse::<usize>().ok()?))
            .cloned()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(names: &[&str]) -> Spot {
        Spot::default().inside(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn a_mark_leads_back_and_says_nothing() {
        let mut visited = Visited::new(7);
        let taxes = spot(&["taxes", "2024"]);
        let mark = visited.remember(taxes.clone());
        assert_eq!(mark, "7.0");
        assert_eq!(visited.remember(spot(&["photos"])), "7.1");
        assert_eq!(visited.remember(taxes.clone()), mark);
        assert_eq!(visited.recall(Some(&mark)), taxes);
    }

    #[test]
    fn foreign_marks_lead_to_the_top() {
        let mut visited = Visited::new(7);
        visited.remember(spot(&["taxes"]));
        for mark in [None, Some(""), Some("8.0"), Some("7.1"), Some("7.x"), Some("7")] {
            assert_eq!(visited.recall(mark), Spot::default(), "{mark:?}");
        }
    }
}
