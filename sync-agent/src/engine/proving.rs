//! Which folder is proven when, and what follows from it: a date, or a backup that stores again what is lost.

use std::collections::HashSet;
use std::path::Path;

use client::Flaw;
use futures_util::future::LocalBoxFuture;
use protocol::id::{BlobId, SourceId};
use tokio::sync::mpsc;

use super::folder::Waiting;
use super::proof::{Proof, Proven, Sums};
use super::{Engine, EngineError, Mode};
use crate::control::{Answer, ProofReport, Reply};
use crate::exit::Exit;
use crate::index::{Damage, IndexError};
use crate::platform::{boot_ms, now_ms, random_u64};
use crate::scan::TreePath;

/// Files that are named; the web app and `status` show no more.
const NAMED_MAX: usize = 20;
const DIFFERS: &str = "the file on the disk has other bytes than were backed up, though nothing says that it changed: \
                       the disk may be failing. The backup has the file as it was";

/// The proof under way.
pub(super) struct Proving {
    pub(super) source: SourceId,
    pub(super) future: LocalBoxFuture<'static, Result<Proven, EngineError>>,
}

impl Engine {
    /// Whoever asks hears when it is over.
    pub(super) fn ask_for_proof(&mut self, path: &Path, replies: mpsc::UnboundedSender<Reply>) {
        match self.folders.values_mut().find(|folder| folder.path == path) {
            Some(folder) => {
                folder.proofs.ask(boot_ms());
                folder.waiting_for_proof.push(replies);
            }
            None => super::requests::failed(&replies, &EngineError::NoSuchFolder(path.display().to_string())),
        }
    }

    fn next_proof(&self) -> Option<(SourceId, u64)> {
        let may_be_proven = self.folders.iter().filter(|(_, folder)| {
            let is_asked = !folder.waiting_for_proof.is_empty();
            is_asked || self.mode == Mode::Service && !folder.settings.paused
        });
        may_be_proven.map(|(source, folder)| (*source, folder.proofs.due_at_ms())).min_by_key(|(_, due)| *due)
    }

    /// When [`Self::begin_proof`] will do something.
    pub(super) fn proof_due_at_ms(&self) -> u64 {
        let next = self.next_proof().filter(|_| self.proving.is_none());
        next.map_or(u64::MAX, |(_, due)| due)
    }

    /// Begins what is due longest, if nothing is being proven or backed up: that goes first.
    pub(super) fn begin_proof(&mut self) {
        let is_busy = self.proving.is_some() || self.working.is_some();
        let now = boot_ms();
        let Some((source, _)) = self.next_proof().filter(|(_, due)| !is_busy && *due <= now) else { return };
        let Some(folder) = self.folders.get(&source) else { return };
        let target = folder.target(self.parts.own.clone());
        let (vault, index) = (self.parts.vault.clone(), self.parts.index.clone());
        let interval_ms = self.parts.config.prove_seconds.get().saturating_mul(1000);
        let fresh_ms = (!folder.proofs.is_asked()).then_some(interval_ms);
        let future: LocalBoxFuture<'static, _> = match target {
            Ok(target) => Box::pin(Proof { vault, index, target, fresh_ms }.run()),
            Err(error) => Box::pin(async { Err(error.into()) }),
        };
        self.proving = Some(Proving { source, future });
    }

    pub(super) fn finish_proof(&mut self, result: Result<Proven, EngineError>) -> Result<(), EngineError> {
        let Some(Proving { source, .. }) = self.proving.take() else { return Ok(()) };
        let Some(folder) = self.folders.get_mut(&source) else { return Ok(()) };
        let (now, random) = (boot_ms(), random_u64());
        let waiting = std::mem::take(&mut folder.waiting_for_proof);
        let proven = match result {
            Ok(proven) => proven,
            Err(EngineError::Client(error @ client::Error::NotAdmitted(_))) => return Err(error.into()),
            Err(error) => {
                let message = error.chain();
                tracing::warn!(folder = %folder.path.display(), message, "not proven, tried again later");
                folder.proofs.failed(now, random);
                tell(waiting, Err(message));
                return if error.index_error().is_some() { Err(self.give_up_index(error)) } else { Ok(()) };
            }
        };
        match proven {
            Proven::Restored(sums) => {
                let Sums { files, bytes, compared_bytes } = sums;
                tracing::info!(folder = %folder.path.display(), files, bytes, compared_bytes, "proven");
                folder.proofs.proven(now, 0, random);
                self.note_proof(source, now_ms())?;
                tell(waiting, Ok(sums));
            }
            Proven::Elsewhere(proven_ms) => {
                folder.proofs.proven(now, now_ms().saturating_sub(proven_ms), random);
                if !waiting.is_empty() {
                    // They asked after this began, and want one of their own.
                    folder.proofs.ask(now);
                    folder.waiting_for_proof = waiting;
                }
                self.note_proof(source, proven_ms)?;
            }
            Proven::NotYet => {
                folder.proofs.failed(now, random);
                tell(waiting, Err("there is no backup of all of it yet".to_owned()));
            }
            Proven::Damaged { lost, differ } => {
                folder.proofs.failed(now, random);
                // Whatever can be stored again is stored again now.
                folder.schedule.ask(now);
                let damage = damage(&lost, &differ);
                let told: Vec<String> =
                    damage.files.iter().map(|(path, reason)| format!("{path}: {reason}")).collect();
                tell(waiting, Err(format!("not everything could be restored: {}", told.join("; "))));
                self.note_damage(source, &lost, damage)?;
            }
        }
        Ok(())
    }

    fn note_proof(&self, source: SourceId, proven_ms: u64) -> Result<(), IndexError> {
        let note = |state: &mut crate::index::FolderState| {
            state.proven_ms = Some(proven_ms);
            // What is still to be stored again, another proof knows of.
            state.damage = state.damage.take().filter(Damage::is_open);
        };
        self.parts.index.update_folder(&source, note).map(drop)
    }

    fn note_damage(
        &self,
        source: SourceId,
        lost: &[(TreePath, Flaw)],
        mut damage: Damage,
    ) -> Result<(), IndexError> {
        let index = &self.parts.index;
        let paths = lost.iter().map(|(path, _)| path.clone()).collect();
        index.distrust(&source, &damage.blobs.iter().copied().collect(), &paths)?;
        let note = |state: &mut crate::index::FolderState| {
            if let Some(before) = state.damage.take() {
                damage.blobs.extend(before.blobs);
                damage.in_tree |= before.in_tree;
            }
            state.damage = Some(damage);
        };
        index.update_folder(&source, note).map(drop)
    }
}

fn damage(lost: &[(TreePath, Flaw)], differ: &[TreePath]) -> Damage {
    let lost_files = lost.iter().map(|(path, flaw)| (path.to_string(), flaw.reason.clone()));
    let differing = differ.iter().map(|path| (path.to_string(), DIFFERS.to_owned()));
    let blobs: HashSet<BlobId> = lost.iter().flat_map(|(_, flaw)| flaw.blobs.iter().copied()).collect();
    Damage {
        files: lost_files.chain(differing).take(NAMED_MAX).collect(),
        blobs: blobs.into_iter().collect(),
        in_tree: lost.iter().any(|(_, flaw)| flaw.in_tree),
    }
}

fn tell(waiting: Vec<Waiting>, result: Result<Sums, String>) {
    let reply = match result {
        Ok(Sums { files, bytes, compared_bytes }) => {
            Reply::Done { answer: Answer::Proof(ProofReport { files, bytes, compared_bytes }) }
        }
        Err(message) => Reply::Failed { exit: Exit::Failed.code(), message },
    };
    for waiting in waiting {
        // Whoever asked may have gone.
        let _ = waiting.send(reply.clone());
    }
}
