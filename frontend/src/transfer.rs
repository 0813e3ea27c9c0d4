//! The state of backups and restores that a page shows.

use crate::estimate::Estimate;
use crate::failure::Failure;
use crate::message::Phase;
use crate::words;

/// Counts transfers.
pub type TransferId = u32;

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Into the vault.
    Backup,
    /// Out of it.
    Restore,
}

/// How a transfer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Under way.
    Running(Phase),
    /// Finished, with a sentence about it.
    Done(String),
    /// Ended early.
    Failed(Failure),
    /// Stopped by the person.
    Cancelled,
}

/// One backup or restore.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// Which.
    pub id: TransferId,
    /// Which way.
    pub direction: Direction,
    /// What a person calls it.
    pub title: String,
    /// Files to move.
    pub files: u64,
    /// Files moved.
    pub files_done: u64,
    /// Bytes to move, where known.
    pub bytes: Option<u64>,
    /// Bytes moved.
    pub bytes_done: u64,
    /// How it is.
    pub state: State,
    /// Its speed.
    pub estimate: Estimate,
}

/// What happens to transfers.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Starts, or starts again with the same number.
    Started {
        /// Which way.
        direction: Direction,
        /// What a person calls it.
        title: String,
        /// Files to move.
        files: u64,
        /// Bytes to move, where known.
        bytes: Option<u64>,
    },
    /// Moves on.
    Progress {
        /// On a clock that never goes back.
        now_ms: f64,
        /// What it is doing.
        phase: Phase,
        /// Files moved.
        files_done: u64,
        /// Bytes moved.
        bytes_done: u64,
    },
    /// Finished.
    Done(String),
    /// Ended early.
    Failed(Failure),
    /// Stopped by the person.
    Cancelled,
    /// Not of interest any more.
    Dismissed,
}

/// All transfers of this sitting, the newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transfers(Vec<Transfer>);

impl Transfers {
    /// The newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Transfer> {
        self.0.iter()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Any is under way.
    pub fn any_running(&self) -> bool {
        self.0.iter().any(Transfer::is_running)
    }

    /// The state after `event` happened to transfer `id`. Events of a transfer that has ended, or is not known, come
    /// too late and change nothing.
    #[must_use]
    pub fn after(&self, id: TransferId, event: Event) -> Self {
        let mut next = self.clone();
        match event {
            Event::Started { direction, title, files, bytes } => {
                next.0.retain(|transfer| transfer.id != id);
                next.0.insert(0, Transfer::new(id, direction, title, files, bytes));
            }
            Event::Dismissed => next.0.retain(|transfer| transfer.id != id || transfer.is_running()),
            event => {
                if let Some(transfer) =
                    next.0.iter_mut().find(|transfer| transfer.id == id && transfer.is_running())
                {
                    transfer.apply(event);
                }
            }
        }
        next
    }
}

impl Transfer {
    fn new(id: TransferId, direction: Direction, title: String, files: u64, bytes: Option<u64>) -> Self {
        Self {
            id,
            direction,
            title,
            files,
            files_done: 0,
            bytes,
            bytes_done: 0,
            state: State::Running(Phase::Preparing),
            estimate: Estimate::default(),
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Progress { now_ms, phase, files_done, bytes_done } => {
                self.state = State::Running(phase);
                self.files_done = files_done;
                self.bytes_done = bytes_done;
                self.estimate.record(now_ms, bytes_done);
            }
            Event::Done(sentence) => {
                self.files_done = self.files;
                self.bytes_done = self.bytes.unwrap_or(self.bytes_done);
                self.state = State::Done(sentence);
            }
            Event::Failed(failure) => self.state = State::Failed(failure),
            Event::Cancelled => self.state = State::Cancelled,
            Event::Started { .. } | Event::Dismissed => {
                unreachable!("these concern the list, not one transfer")
            }
        }
    }

    /// Under way.
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    /// From 0 to 1, where the whole is known. Nothing to move is all moved.
    pub fn fraction(&self) -> Option<f64> {
        match self.bytes? {
            0 if self.files == 0 => Some(1.0),
            0 => Some(self.files_done as f64 / self.files as f64),
            bytes => Some((self.bytes_done as f64 / bytes as f64).min(1.0)),
        }
    }

    /// How far it is, how fast, and how long still.
    pub fn detail(&self) -> String {
        match self.state {
            State::Running(Phase::Preparing) => "Getting ready…".to_owned(),
            State::Running(Phase::Waiting) => {
                "The server is away. This goes on as soon as it is back.".to_owned()
            }
            State::Running(Phase::Committing) => "Sealing the snapshot…".to_owned(),
            _ => {
                let of_files = match self.files {
                    0 | 1 => None,
                    files => Some(format!(
                        "{} of {}",
                        words::grouped(self.files_done),
                        words::count(files, "file", "files")
                    )),
                };
                let of_bytes = match self.bytes {
                    Some(bytes) => format!("{} of {}", words::size(self.bytes_done), words::size(bytes)),
                    None => words::size(self.bytes_done),
                };
                let speed = self.estimate.speed().filter(|_| self.is_running()).map(words::speed);
                let left = self
                    .bytes
                    .filter(|_| self.is_running())
                    .and_then(|bytes| self.estimate.seconds_left(bytes));
                let left = left.map(|seconds| match seconds {
                    0 => "waiting for the last of it".to_owned(),
                    seconds => format!("{} left", words::duration(seconds)),
                });
                [of_files, Some(of_bytes), speed, left].into_iter().flatten().collect::<Vec<_>>().join(" · ")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(bytes: Option<u64>) -> Event {
        Event::Started { direction: Direction::Backup, title: "photos".to_owned(), files: 50, bytes }
    }

    fn progress(now_ms: f64, bytes_done: u64) -> Event {
        Event::Progress { now_ms, phase: Phase::Transferring, files_done: 20, bytes_done }
    }

    fn run(events: Vec<Event>) -> Transfers {
        events.into_iter().fold(Transfers::default(), |transfers, event| transfers.after(1, event))
    }

    #[test]
    fn a_running_transfer_says_how_far_how_fast_and_how_long() {
        let transfers = run(vec![started(Some(10_000_000)), progress(0.0, 0), progress(2000.0, 4_000_000)]);
        let transfer = transfers.iter().next().expect("one was started");
        assert_eq!(transfer.fraction(), Some(0.4));
        assert_eq!(transfer.detail(), "20 of 50 files · 4.0 MB of 10 MB · 2.0 MB/s · 3 seconds left");
        assert!(transfers.any_running());
    }

    #[test]
    fn what_is_all_read_but_not_stored_yet_is_not_called_done() {
        let transfers = run(vec![started(Some(4_000_000)), progress(0.0, 0), progress(2000.0, 4_000_000)]);
        let transfer = transfers.iter().next().expect("one was started");
        assert!(transfer.detail().ends_with("waiting for the last of it"), "{}", transfer.detail());
    }

    #[test]
    fn what_comes_after_the_end_changes_nothing() {
        let cancelled = run(vec![started(Some(10)), Event::Cancelled]);
        assert!(!cancelled.any_running());
        assert_eq!(cancelled.after(1, progress(1.0, 5)), cancelled);
        assert_eq!(cancelled.after(1, Event::Done("late".to_owned())), cancelled);
        assert_eq!(cancelled.after(2, Event::Cancelled), cancelled);
    }

    #[test]
    fn a_retry_starts_from_nothing_under_the_same_number() {
        let failed = run(vec![started(Some(10)), progress(0.0, 5), Event::Failed(Failure::broken("x"))]);
        let again = failed.after(1, started(Some(10)));
        assert_eq!(again, run(vec![started(Some(10))]));
    }

    #[test]
    fn only_what_has_ended_can_be_dismissed() {
        let running = run(vec![started(None)]);
        assert_eq!(running.after(1, Event::Dismissed), running);
        assert!(running.after(1, Event::Cancelled).after(1, Event::Dismissed).is_empty());
    }

    #[test]
    fn a_finished_transfer_is_complete_even_if_its_last_progress_was_not_seen() {
        let done = run(vec![started(Some(10)), progress(0.0, 5), Event::Done("kept".to_owned())]);
        assert_eq!(done.iter().next().and_then(Transfer::fraction), Some(1.0));
        let empty_files = run(vec![started(Some(0))]);
        assert_eq!(empty_files.iter().next().and_then(Transfer::fraction), Some(0.0));
    }
}
