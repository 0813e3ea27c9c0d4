//! What a snapshot must hold, may hold and must not hold, by what was tried and what was answered.

use std::collections::{BTreeMap, BTreeSet};

use super::{SNAPSHOT, Snapshots};
use crate::history::{Answer, Attempt, Content, Record};

/// What is known of an account's files and snapshots.
pub(super) struct Expected<'a> {
    files: BTreeMap<&'a str, File>,
    /// Snapshots that somebody wanted forgotten, and whether that was acknowledged.
    forgets: BTreeMap<u64, bool>,
}

/// A file's life, in numbers of commits, each as the first and the last that it can be.
struct File {
    content: Content,
    /// None: never, for its backup was refused.
    put: Option<(u64, u64)>,
    removed: Option<(u64, u64)>,
}

const PERHAPS: (u64, u64) = (0, u64::MAX);

impl<'a> Expected<'a> {
    pub(super) fn from(records: &[&'a Record]) -> Self {
        let mut expected = Self { files: BTreeMap::new(), forgets: BTreeMap::new() };
        for record in records {
            let Attempt::BackUp(files) = &record.attempt else { continue };
            for (path, content) in files {
                let file = File { content: *content, put: effect(record), removed: None };
                expected.files.insert(path, file);
            }
        }
        for record in records {
            match (&record.attempt, effect(record)) {
                (Attempt::Remove(path), Some(moment)) => {
                    let Some(file) = expected.files.get_mut(path.as_str()) else { continue };
                    // Of several attempts that may have had an effect, one that surely had says the latest moment.
                    let before = file.removed.unwrap_or(moment);
                    file.removed = Some((before.0.min(moment.0), before.1.min(moment.1)));
                }
                (Attempt::Forget(seq), Some(moment)) => {
                    *expected.forgets.entry(*seq).or_default() |= moment != PERHAPS;
                }
                _ => {}
            }
        }
        expected
    }

    /// What clients restored while things failed.
    pub(super) fn check_restores(&self, records: &[&Record], mut note: impl FnMut(String)) {
        for record in records {
            let Attempt::Restore { seq, path } = &record.attempt else { continue };
            match &record.answer {
                Some(Answer::Restored(content)) => match self.files.get(path.as_str()) {
                    Some(file) if file.content == *content => {}
                    _ => note(format!("{path} of snapshot {seq} came back as something else")),
                },
                Some(Answer::Refused(why)) if !self.forgets.contains_key(seq) => {
                    note(format!("snapshot {seq} is not to be had, and nobody forgot it: {why}"));
                }
                _ => {}
            }
        }
    }

    /// All that can be restored in the end.
    pub(super) fn check(&self, commits: &[(u64, u8)], kept: &Snapshots, mut note: impl FnMut(String)) {
        for (seq, _) in commits.iter().filter(|(_, kind)| *kind == SNAPSHOT) {
            match (kept.contains_key(seq), self.forgets.get(seq)) {
                (false, None) => note(format!("snapshot {seq} is gone, and nobody forgot it")),
                (true, Some(true)) => note(format!("snapshot {seq} is there, and was forgotten")),
                _ => {}
            }
        }
        let mut seen = BTreeSet::new();
        for (seq, files) in kept {
            for (path, content) in files {
                match (self.files.get(path.as_str()), content) {
                    (None, _) => note(format!("snapshot {seq} has {path}, which nobody put there")),
                    (_, Err(error)) => note(format!("{path} of snapshot {seq} cannot be restored: {error}")),
                    (Some(file), Ok(content)) if file.content != *content => {
                        note(format!("{path} of snapshot {seq} came back as something else"));
                    }
                    _ => {}
                }
            }
            for (path, file) in &self.files {
                let is_there = files.contains_key(*path);
                let is_known = is_there && seen.insert(*path) || seen.contains(*path);
                if let Some(why) = file.misfit(*seq, is_there, is_known) {
                    note(format!("snapshot {seq}: {path} {why}"));
                }
            }
        }
    }
}

impl File {
    /// Why the file may not be in the snapshot, or must be. `is_known`: this snapshot or one before has it.
    fn misfit(&self, seq: u64, is_there: bool, is_known: bool) -> Option<&'static str> {
        let Some((first, last)) = self.put else {
            return is_there.then_some("is there, and its backup was refused");
        };
        let may_be_gone = self.removed.is_some_and(|(first, _)| first <= seq);
        let must_be_gone = self.removed.is_some_and(|(_, last)| last <= seq);
        match is_there {
            true if seq < first => Some("is there before it was backed up"),
            true if must_be_gone => Some("is there, and was removed"),
            false if seq >= last && !may_be_gone => Some("is missing, and was acknowledged"),
            false if is_known && !may_be_gone => Some("is missing, and was there before"),
            _ => None,
        }
    }
}

/// The first and the last number that an attempt's commit can have; none if it has none.
fn effect(record: &Record) -> Option<(u64, u64)> {
    match &record.answer {
        Some(Answer::Done { from, to }) => Some((*from, *to)),
        Some(Answer::Unknown(_)) | None => Some(PERHAPS),
        _ => None,
    }
}
