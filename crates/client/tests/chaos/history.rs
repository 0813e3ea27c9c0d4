//! What the clients tried and what they were told, and what was seen of the servers meanwhile.

use std::sync::{Arc, Mutex, MutexGuard};

/// A file's content, by its BLAKE3.
pub(crate) type Content = [u8; 32];

/// What a client tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// New files; no path is used twice.
    BackUp(Vec<(String, Content)>),
    Remove(String),
    /// The snapshot that the commit with this number made.
    Forget(u64),
    Restore {
        seq: u64,
        path: String,
    },
}

/// What it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Acknowledged: the commit has one of these numbers, both included.
    Done {
        from: u64,
        to: u64,
    },
    Restored(Content),
    /// No: it has no effect, now or ever.
    Refused(String),
    /// Perhaps: the answer was lost, or nobody was there.
    Unknown(String),
    /// Something that must not be, whatever fails.
    Wrong(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) account: usize,
    pub(crate) client: usize,
    pub(crate) attempt: Attempt,
    /// None: it never came back.
    pub(crate) answer: Option<Answer>,
    /// Moments of the beginning and of the end, on one clock of all clients.
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// Shared by all that write it.
#[derive(Clone, Default)]
pub(crate) struct History(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    records: Vec<Record>,
    /// What watchers saw that must not be.
    seen: Vec<String>,
    clock: u64,
}

impl History {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nobody panics while writing it")
    }

    /// Notes an attempt before it is made. Returns its number.
    pub(crate) fn begin(&self, account: usize, client: usize, attempt: Attempt) -> usize {
        let mut inner = self.lock();
        inner.clock += 1;
        let began = inner.clock;
        inner.records.push(Record { account, client, attempt, answer: None, began, ended: u64::MAX });
        inner.records.len() - 1
    }

    pub(crate) fn end(&self, number: usize, answer: Answer) {
        let mut inner = self.lock();
        inner.clock += 1;
        let ended = inner.clock;
        let record = &mut inner.records[number];
        (record.answer, record.ended) = (Some(answer), ended);
    }

    /// Notes what must not be, once.
    pub(crate) fn see(&self, what: String) {
        let mut inner = self.lock();
        if !inner.seen.contains(&what) {
            inner.seen.push(what);
        }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.lock().records.clone()
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.lock().seen.clone()
    }
}
