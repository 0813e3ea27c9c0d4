//! Which folders the engine has, as the vault's settings say, and how each is watched.

use std::collections::BTreeMap;

use protocol::id::SourceId;

use super::folder::{self, Folder};
use super::proof_schedule::ProofSchedule;
use super::schedule::Schedule;
use super::{Engine, EngineError, Mode};
use crate::platform::{boot_ms, now_ms, random_u64};
use crate::watch::{Hint, WatchError};

impl Engine {
    pub(super) fn take_hints(&mut self) {
        let now = boot_ms();
        for (source, hint) in self.hints.take() {
            let Some(folder) = self.folders.get_mut(&source) else { continue };
            match &hint {
                Hint::Everything => {
                    folder.overflows += 1;
                    tracing::warn!(folder = %folder.path.display(), "events were lost; everything is scanned");
                }
                Hint::LimitReached => self.poll(source, WatchError::LimitReached.to_string()),
                Hint::Paths(_) => {}
            }
            if let Some(folder) = self.folders.get_mut(&source) {
                folder.schedule.hint(hint, now);
            }
        }
    }

    /// Its watches may lie on what is no longer there. What happens meanwhile is not heard: everything is to be looked
    /// at after this.
    pub(super) fn renew_watch(&mut self, source: SourceId) {
        let (Some(watcher), Some(folder)) = (&mut self.watcher, self.folders.get_mut(&source)) else {
            return;
        };
        match watcher.renew(source, &folder.path) {
            Ok(()) if folder.polling.is_some() => {
                folder.schedule.set_pace(self.parts.config.pace(false));
                folder.polling = None;
            }
            Ok(()) => {}
            Err(error) => self.poll(source, EngineError::chain_of(&error)),
        }
    }

    /// From now on scans alone find what changes in a folder.
    fn poll(&mut self, source: SourceId, why: String) {
        let Some(folder) = self.folders.get_mut(&source) else { return };
        if folder.polling.is_none() {
            tracing::warn!(folder = %folder.path.display(), why, "not watched, scanned from time to time");
            folder.schedule.set_pace(self.parts.config.pace(true));
            folder.polling = Some(why);
        }
        if let Some(watcher) = &mut self.watcher {
            watcher.unwatch(source);
        }
    }

    /// Takes over which folders there are, and how they are to be backed up.
    pub(super) fn read_settings(&mut self) {
        let now = boot_ms();
        let sources = self.parts.vault.settings().sources;
        let own: BTreeMap<SourceId, client::Source> = sources
            .into_iter()
            .filter(|source| folder::is_own(source, self.parts.device))
            .map(|source| (source.source, source))
            .collect();
        let gone: Vec<SourceId> =
            self.folders.keys().filter(|source| !own.contains_key(source)).copied().collect();
        for source in gone {
            self.folders.remove(&source);
            if let Some(watcher) = &mut self.watcher {
                watcher.unwatch(source);
            }
            if let Err(error) = self.parts.index.forget(&source) {
                tracing::warn!(%error, "the index still has rows of a folder that was removed");
            }
        }
        for (source, settings) in own {
            match self.folders.get_mut(&source) {
                Some(folder) if folder.settings == settings => {}
                Some(folder) if folder.path == folder::path_of(&settings) => {
                    folder.settings = settings;
                    folder.schedule.ask(now);
                }
                _ => self.add_folder(settings, now),
            }
        }
    }

    fn add_folder(&mut self, settings: client::Source, now: u64) {
        let source = settings.source;
        let state = self.parts.index.folder(&source).unwrap_or_default();
        let since_commit = state.backup_ms.map(|at| now_ms().saturating_sub(at));
        let schedule = Schedule::new(self.parts.config.pace(false), now, since_commit);
        let since_proof = state.proven_ms.map(|at| now_ms().saturating_sub(at));
        let interval_ms = self.parts.config.prove_seconds.get().saturating_mul(1000);
        let proofs = ProofSchedule::new(interval_ms, now, since_proof, random_u64());
        let folder = Folder::new(settings, schedule, proofs);
        self.folders.insert(source, folder);
        // The first scan of everything begins to watch it.
        if self.mode == Mode::Service && self.watcher.is_none() {
            self.poll(source, "the configuration says so, or the system gives no watcher".to_owned());
        }
    }
}
