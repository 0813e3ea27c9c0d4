//! Whether a run kept the promises: a pure function of what clients were told and of how everything is in the end.
//!
//! The numbers are those of the project's invariants. I4, that a receipt survives a power cut, is the node's own
//! tests'.

use std::collections::BTreeMap;
use std::fmt;

use crate::history::{Answer, Attempt, Content, Record};

mod log;
mod snapshots;

use snapshots::Expected;

/// Bytes of memory that no server needs for what these clients do.
const MEMORY_MAX: u64 = 1 << 30;
/// Open files and connections that none needs.
const FILES_MAX: u64 = 1000;

/// The kinds of commits that matter here.
const SNAPSHOT: u8 = 1;
const FORGET: u8 = 4;

/// The files of a snapshot as they came back, or why one did not.
pub(crate) type Files = BTreeMap<String, Result<Content, String>>;
/// The kept snapshots of an account, by their commits' numbers.
pub(crate) type Snapshots = BTreeMap<u64, Files>;

/// Everything that can be restored, read by somebody new.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Nodes that were away.
    pub(crate) without: Vec<usize>,
    /// By account.
    pub(crate) accounts: Vec<Result<Snapshots, String>>,
}

/// The most that a server ever had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peak {
    pub(crate) memory_bytes: u64,
    pub(crate) open_files: u64,
    /// Files in its folder that are neither packs nor known by name.
    pub(crate) stray_files: Vec<String>,
}

/// How everything is when it is at rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct End {
    pub(crate) readings: Vec<Reading>,
    /// The numbers and kinds of each account's commits, in the order of the database.
    pub(crate) commits: Vec<Vec<(u64, u8)>>,
    /// What keeps the cluster from being at rest, with all copies of all blobs and nothing else.
    pub(crate) lacks: Vec<String>,
    /// Heads of answers with a status that no server may give.
    pub(crate) failures: Vec<String>,
    pub(crate) peaks: BTreeMap<String, Peak>,
    /// Where something stands in the clear.
    pub(crate) leaks: Vec<String>,
    /// What was seen while it ran that must not be.
    pub(crate) seen: Vec<String>,
}

/// A promise that was broken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// All promises that were broken.
pub(crate) fn check(records: &[Record], end: &End) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut note = |invariant, what: String| found.push(Violation { invariant, what });
    for record in records {
        if let Some(Answer::Wrong(what)) = &record.answer {
            note("I1", format!("client {}: {:?}: {what}", record.client, record.attempt));
        }
    }
    for (account, commits) in end.commits.iter().enumerate() {
        let of_account: Vec<&Record> = records.iter().filter(|record| record.account == account).collect();
        log::check(&of_account, commits, |what| note("I5", format!("account {account}: {what}")));
        let expected = Expected::from(&of_account);
        expected.check_restores(&of_account, |what| note("I1", format!("account {account}: {what}")));
        for reading in &end.readings {
            let place = format!("account {account} without nodes {:?}", reading.without);
            match &reading.accounts[account] {
                Ok(snapshots) => {
                    expected.check(commits, snapshots, |what| note("I1", format!("{place}: {what}")));
                }
                Err(error) => note("I1", format!("{place}: {error}")),
            }
        }
    }
    end.lacks.iter().for_each(|what| note("I2", what.clone()));
    end.seen.iter().for_each(|what| note("I3", what.clone()));
    end.failures.iter().for_each(|head| note("I6", format!("an answer that no server may give: {head}")));
    for (server, peak) in &end.peaks {
        let Peak { memory_bytes, open_files, stray_files } = peak;
        if *memory_bytes > MEMORY_MAX || *open_files > FILES_MAX || !stray_files.is_empty() {
            note(
                "I6",
                format!("{server}: {memory_bytes} bytes, {open_files} files, left over: {stray_files:?}"),
            );
        }
    }
    end.leaks.iter().for_each(|place| note("I7", format!("in the clear: {place}")));
    found
}

#[cfg(test)]
mod tests;
