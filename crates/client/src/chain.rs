//! The verified log of a vault: settings in force, and the snapshots of each source.
//!
//! A wrong signature, chain, state or role is a hard stop. A body that does not open or decode is not: the commit
//! stays in the chain, is otherwise ignored, and the next snapshot of its source is a baseline.

use std::collections::BTreeMap;

use crypto::Backend;
use crypto::commit::{Body, Settings, Snapshot, open_commit};
use crypto::vault::VaultKeys;
use protocol::envelope::EnvelopeHash;
use protocol::envelope::commit::{CommitEnvelope, Kind};
use protocol::envelope::device_certificate::Role;
use protocol::id::{DeviceId, SourceId};

use crate::account::Account;
use crate::error::Error;
use crate::pin::ChainPin;

/// A vault's log as far as it was verified.
#[derive(Clone, Default)]
pub(crate) struct Chain {
    head: Option<Head>,
    settings: Option<Settings>,
    sources: BTreeMap<SourceId, SourceLog>,
}

#[derive(Clone, Copy)]
struct Head {
    seq: u64,
    hash: EnvelopeHash,
    account_state_seq: u64,
}

/// The snapshots of one source.
#[derive(Clone, Default)]
pub(crate) struct SourceLog {
    /// Number and content, ascending.
    pub(crate) snapshots: Vec<(u64, Snapshot)>,
    /// Increments may not stand on the newest commit: it could not be read, or a device wrote it that may be wrong
    /// about its own source alone.
    pub(crate) needs_baseline: bool,
    /// Who wrote its first commit. A device that may only append writes to no other source.
    writer: Option<DeviceId>,
}

impl Chain {
    /// The number of the next commit, and the hash that it must name.
    pub(crate) fn next(&self) -> (u64, EnvelopeHash) {
        self.head.map_or((0, [0; 32]), |head| (head.seq + 1, head.hash))
    }

    /// The settings in force. A verified vault has them from its first commit on.
    pub(crate) fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    pub(crate) fn source(&self, source: &SourceId) -> Option<&SourceLog> {
        self.sources.get(source)
    }

    /// Verifies the next envelope and takes it in.
    pub(crate) async fn append(
        &mut self,
        account: &Account,
        backend: &Backend,
        keys: &VaultKeys,
        envelope: Vec<u8>,
        pin: Option<ChainPin>,
    ) -> Result<(), Error> {
        let commit = CommitEnvelope::parse(envelope)?;
        let head = &commit.head;
        if head.vault != keys.vault() || (head.seq, head.prev) != self.next() {
            return Err(Error::untrusted("the vault's log is not in one piece"));
        }
        if self.head.is_some_and(|last| head.account_state_seq < last.account_state_seq) {
            return Err(Error::untrusted("a commit names an older account state than the one before it"));
        }
        let mut state = account.state(head.account_state_seq);
        if state.is_none() {
            account.refresh_states().await?;
            state = account.state(head.account_state_seq);
        }
        let state =
            state.ok_or_else(|| Error::untrusted("a commit names an account state that does not exist"))?;
        commit.verify(&state, &account.identity().public())?;
        if pin.is_some_and(|pin| pin.seq == head.seq && pin.hash.0 != commit.hash) {
            return Err(Error::untrusted("the server rolled back or forked this vault"));
        }
        let appender = head.device.filter(|device| {
            state.device(device).is_some_and(|certificate| certificate.role == Role::Append)
        });
        let bound_to = head.source.and_then(|source| self.sources.get(&source)).map(|log| log.writer);
        if appender.is_some() && bound_to.is_some_and(|writer| writer != appender) {
            return Err(Error::untrusted("a device wrote to a source that is not its own"));
        }
        let body = open_commit(backend, keys, &commit).await.ok().filter(|body| match body {
            Body::Snapshot(snapshot) => snapshot.check_account_state(&state).is_ok(),
            Body::SourceClosed | Body::Settings(_) | Body::SourceSettings(_) => true,
        });
        self.apply(&commit, body, appender.is_some());
        self.head =
            Some(Head { seq: head.seq, hash: commit.hash, account_state_seq: head.account_state_seq });
        Ok(())
    }

    fn apply(&mut self, commit: &CommitEnvelope, body: Option<Body>, by_appender: bool) {
        let writer = commit.head.device;
        let fresh = || SourceLog { writer, ..SourceLog::default() };
        match (commit.head.kind, commit.head.source, body) {
            (Kind::Settings, _, Some(Body::Settings(settings))) => self.settings = Some(settings),
            (Kind::Snapshot(_), Some(source), Some(Body::Snapshot(snapshot))) => {
                let log = self.sources.entry(source).or_insert_with(fresh);
                log.snapshots.push((commit.head.seq, snapshot));
                log.needs_baseline = by_appender;
            }
            (Kind::Snapshot(_), Some(source), _) => {
                self.sources.entry(source).or_insert_with(fresh).needs_baseline = true;
            }
            _ => {}
        }
    }
}
