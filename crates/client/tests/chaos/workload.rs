//! What clients do all the time: back up, delete, forget and restore, several of them in one vault.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use client::{At, Error, SnapshotRef, Vault};
use protocol::id::SourceId;
use tokio::time::timeout;

use crate::dice::Dice;
use crate::history::{Answer, Attempt, Content, History};
use crate::platform::{Device, file, noise, path, restore};

/// Contents that are backed up again and again: what was given up comes back, perhaps just now.
const COMMON_CONTENTS: u64 = 8;

/// Who works, and on what.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) origin: String,
    pub(crate) account: usize,
    pub(crate) client: usize,
    pub(crate) login: String,
    pub(crate) passphrase: String,
    /// Stands in every name and every content.
    pub(crate) mark: String,
    pub(crate) seed: u64,
}

/// Starts a client on a thread of its own. It says when it has signed in, and works until it is told to stop.
pub(crate) fn start(
    seat: Seat,
    history: History,
    stop: Arc<AtomicBool>,
    ready: mpsc::Sender<()>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let account = Device::default().client(&seat.origin).sign_in(&seat.login, &seat.passphrase).await;
            let vault = account.expect("signs in").open_vault().await.expect("opens");
            let source = vault.uploads().expect("a vault takes uploads");
            ready.send(()).expect("somebody waits");
            let dice = Dice::new(seat.seed);
            let mut client = Client { seat, vault, source, dice, history, made: 0 };
            while !stop.load(Ordering::Relaxed) {
                client.do_something().await;
                tokio::time::sleep(client.dice.milliseconds(0, 300)).await;
            }
        });
    })
}

struct Client {
    seat: Seat,
    vault: Vault,
    source: SourceId,
    dice: Dice,
    history: History,
    made: u64,
}

impl Client {
    async fn do_something(&mut self) {
        // Others work on the vault as well. Whatever the attempt itself meets is noted there.
        for refreshed in [self.vault.refresh().await.map(drop), self.vault.refresh_kept().await] {
            if let Err(error) = refreshed
                && let Answer::Wrong(what) = judge(&error)
            {
                self.history.see(format!("client {}: {what}", self.seat.client));
            }
        }
        match self.dice.roll(100) {
            0..55 => self.back_up().await,
            55..70 => self.remove().await,
            70..82 => self.forget().await,
            _ => self.restore().await,
        }
    }

    /// How long the next attempt may take: now and then less than it needs, as when the client dies meanwhile.
    fn patience(&mut self) -> Duration {
        if self.dice.roll(4) == 0 { self.dice.milliseconds(5, 800) } else { Duration::MAX }
    }

    async fn attempt(
        &self,
        attempt: Attempt,
        patience: Duration,
        doing: impl Future<Output = Result<Answer, Error>>,
    ) {
        let number = self.history.begin(self.seat.account, self.seat.client, attempt);
        let answer = match timeout(patience, doing).await {
            Ok(answer) => answer.unwrap_or_else(|error| judge(&error)),
            Err(_) => Answer::Unknown("the client was gone".to_owned()),
        };
        self.history.end(number, answer);
    }

    async fn back_up(&mut self) {
        let mut contents = Vec::new();
        for _ in 0..=self.dice.roll(3) {
            self.made += 1;
            let own = ((self.seat.client as u64 + 1) << 32) + self.made;
            let common = self.dice.roll(COMMON_CONTENTS);
            let number = if self.dice.roll(3) == 0 { common } else { own };
            let name = format!("{}-{}-{}.txt", self.seat.mark, self.seat.client, self.made);
            contents.push((name, content(&self.seat.mark, ((self.seat.account as u64) << 48) + number)));
        }
        let attempted = contents.iter().map(|(name, content)| (name.clone(), hash(content))).collect();
        let files = contents.iter().map(|(name, content)| file(name, content)).collect();
        let patience = self.patience();
        let doing = async {
            let summary = Box::pin(self.vault.backup(files, &Rc::default())).await?;
            Ok(Answer::Done { from: summary.seq, to: summary.seq })
        };
        self.attempt(Attempt::BackUp(attempted), patience, doing).await;
    }

    async fn remove(&mut self) {
        let Some(name) = self.some_file(self.source).await else { return };
        let patience = self.patience();
        let doing = async {
            let newest = || self.vault.snapshots(self.source).last().map_or(0, |newest| newest.seq);
            let before = newest();
            Box::pin(self.vault.remove(self.source, &[path(&name)])).await?;
            // It does not say which commit it was: one that is known now and was not before.
            Ok(Answer::Done { from: before + 1, to: newest() })
        };
        self.attempt(Attempt::Remove(name.clone()), patience, doing).await;
    }

    async fn forget(&mut self) {
        let snapshots = self.vault.snapshots(self.source);
        let Some((_, older)) = snapshots.split_last().filter(|(_, older)| !older.is_empty()) else { return };
        let seq = older[self.dice.roll(older.len() as u64) as usize].seq;
        let patience = self.patience();
        let doing = async {
            let done = self.vault.forget(self.source, &BTreeSet::from([seq])).await?;
            Ok(Answer::Done { from: done, to: done })
        };
        self.attempt(Attempt::Forget(seq), patience, doing).await;
    }

    async fn restore(&mut self) {
        let snapshots = self.vault.snapshots(self.source);
        if snapshots.is_empty() {
            return;
        }
        let seq = snapshots[self.dice.roll(snapshots.len() as u64) as usize].seq;
        let snapshot = SnapshotRef { source: self.source, at: At::Seq(seq) };
        let Some(name) = self.some_file(snapshot).await else { return };
        let patience = self.patience();
        let doing = async { Ok(Answer::Restored(hash(&restore(&self.vault, snapshot, &name).await?))) };
        self.attempt(Attempt::Restore { seq, path: name.clone() }, patience, doing).await;
    }

    /// The name of some file in a snapshot, if it can be listed.
    async fn some_file(&mut self, snapshot: impl Into<SnapshotRef>) -> Option<String> {
        let entries = match self.vault.tree_entries(snapshot, &path("")).await {
            Ok(entries) if !entries.is_empty() => entries,
            Ok(_) => return None,
            Err(error) => {
                if let Answer::Wrong(what) = judge(&error) {
                    self.history.see(format!("client {}: a folder: {what}", self.seat.client));
                }
                return None;
            }
        };
        let entry = &entries[self.dice.roll(entries.len() as u64) as usize];
        Some(String::from_utf8(entry.name.clone()).expect("all names are text"))
    }
}

/// What an error says of the attempt.
fn judge(error: &Error) -> Answer {
    let text = chain(error);
    match error {
        Error::Api { code, .. } => match code.status() {
            500 => Answer::Wrong(text),
            400..500 => Answer::Refused(text),
            _ => Answer::Unknown(text),
        },
        Error::TooFewCopies(_)
        | Error::Gone(_)
        | Error::Busy
        | Error::NotFound(_)
        | Error::Clash { .. }
        | Error::Unverified(_) => Answer::Refused(text),
        error if error.is_retryable() => Answer::Unknown(text),
        _ => Answer::Wrong(text),
    }
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

pub(crate) fn hash(content: &[u8]) -> Content {
    *blake3::hash(content).as_bytes()
}

/// Of a hundred bytes to a megabyte, as likely small as large, and with the mark in it.
fn content(mark: &str, seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let magnitude = dice.roll(13);
    let len = dice.roll(200 << magnitude) as usize;
    [mark.as_bytes(), &noise(seed, 100 + len)].concat()
}
