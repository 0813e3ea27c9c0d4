//! The numbers of commits: the log has no gap, holds what was acknowledged, and no more than was tried.

use std::collections::BTreeMap;

use super::{FORGET, SNAPSHOT};
use crate::history::{Answer, Attempt, Record};

/// An attempt that has a commit, or may have one.
struct Tried<'a> {
    record: &'a Record,
    kind: u8,
    /// The first and the last number that it was told to have; none if it was told nothing.
    told: Option<(u64, u64)>,
}

pub(super) fn check(records: &[&Record], commits: &[(u64, u8)], mut note: impl FnMut(String)) {
    for (place, (seq, _)) in commits.iter().enumerate() {
        if *seq != place as u64 {
            note(format!("commit {place} of the log has the number {seq}"));
        }
    }
    let tried: Vec<Tried<'_>> = records.iter().filter_map(|record| tried(record)).collect();
    check_acknowledged(&tried, commits, &mut note);
    check_others(&tried, commits, &mut note);
}

fn tried(record: &Record) -> Option<Tried<'_>> {
    let kind = match record.attempt {
        Attempt::BackUp(_) | Attempt::Remove(_) => SNAPSHOT,
        Attempt::Forget(_) => FORGET,
        Attempt::Restore { .. } => return None,
    };
    let told = match record.answer {
        Some(Answer::Done { from, to }) => Some((from, to)),
        Some(Answer::Unknown(_)) | None => None,
        _ => return None,
    };
    Some(Tried { record, kind, told })
}

impl Tried<'_> {
    /// Its number, where it is known to be one.
    fn number(&self) -> Option<u64> {
        self.told.filter(|(from, to)| from == to).map(|(from, _)| from)
    }
}

/// What was acknowledged is in the log, nothing under the number of another, all in the order of time.
fn check_acknowledged(tried: &[Tried<'_>], commits: &[(u64, u8)], mut note: impl FnMut(String)) {
    let mut numbers = BTreeMap::new();
    for Tried { record, kind, told } in tried {
        let (Some((from, to)), attempt) = (*told, &record.attempt) else { continue };
        if !commits.iter().any(|(seq, of)| (from..=to).contains(seq) && of == kind) {
            note(format!("{attempt:?} was acknowledged as {from} to {to} and is not in the log"));
        }
        // Those that had ended when this one began.
        let before = numbers.iter().filter(|(_, ended)| **ended < record.began);
        if before.map(|(seq, _)| *seq).max().is_some_and(|newest: u64| newest > to) {
            note(format!("{attempt:?} came later than what it stands before, as {to}"));
        }
        if from == to && numbers.insert(from, record.ended).is_some() {
            note(format!("{attempt:?} was told the number {from} of another"));
        }
    }
}

/// Each commit that nobody was told of is that of one attempt without an answer.
fn check_others(tried: &[Tried<'_>], commits: &[(u64, u8)], mut note: impl FnMut(String)) {
    let told: Vec<u64> = tried.iter().filter_map(Tried::number).collect();
    for kind in [SNAPSHOT, FORGET] {
        let others = commits.iter().filter(|(seq, of)| *of == kind && !told.contains(seq)).count();
        let attempts = tried.iter().filter(|it| it.kind == kind && it.number().is_none()).count();
        if others > attempts {
            note(format!(
                "{others} commits of kind {kind} that nobody was told of, and {attempts} attempts at it"
            ));
        }
    }
}
