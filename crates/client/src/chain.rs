//! The verified log of a vault: settings in force, and the snapshots of each source.
//!
//! A wrong signature, chain, state or role is a hard stop. A body that does not open or decode, or says what its
//! author may not say, is not: the commit stays in the chain, is listed as unreadable, is otherwise ignored, and the
//! next snapshot of its source is a baseline.

use std::collections::BTreeMap;

use crypto::commit::{Body, CommitError, PurgedPath, Settings, Snapshot, Source, open_commit};
use crypto::vault::VaultKeys;
use crypto::{Backend, OpenError};
use protocol::envelope::EnvelopeHash;
use protocol::envelope::commit::{CommitEnvelope, CommitHead, Kind};
use protocol::envelope::device_certificate::Role;
use protocol::id::{DeviceId, SourceId};

use crate::account::Account;
use crate::error::Error;
use crate::keys::KeyRing;
use crate::pin::ChainPin;

/// A vault's log as far as it was verified.
#[derive(Clone, Default)]
pub(crate) struct Chain {
    head: Option<Head>,
    settings: Option<Settings>,
    sources: BTreeMap<SourceId, SourceLog>,
    unreadable: Vec<UnreadableCommit>,
    purged: Vec<Purged>,
}

/// What the owner deleted for good.
#[derive(Clone)]
struct Purged {
    /// The commit that says so.
    seq: u64,
    at: PurgedPath,
}

#[derive(Clone, Copy)]
struct Head {
    seq: u64,
    hash: EnvelopeHash,
    account_state_seq: u64,
}

/// A commit that was signed by who may, and whose content cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadableCommit {
    /// Its number in the vault's log.
    pub seq: u64,
    /// The source that it is about, unless it is about the whole vault.
    pub source: Option<SourceId>,
    /// The device that made it, or the account's owner.
    pub device: Option<DeviceId>,
}

/// What the log says of one source.
#[derive(Clone, Default)]
pub(crate) struct SourceLog {
    /// Ascending by number.
    pub(crate) snapshots: Vec<LoggedSnapshot>,
    /// As the settings had it, oldest first; the last also when they have it no more.
    pub(crate) entries: Vec<Source>,
    /// It takes no more commits.
    pub(crate) closed: bool,
    /// It has a snapshot that is not partial.
    pub(crate) complete: bool,
    binding: Binding,
    /// Who made the newest snapshot; `None` also if it cannot be read.
    newest_by: Option<Writer>,
}

/// A snapshot that can be read.
#[derive(Clone)]
pub(crate) struct LoggedSnapshot {
    pub(crate) seq: u64,
    pub(crate) device: Option<DeviceId>,
    pub(crate) content: Snapshot,
}

/// Which devices of role 2 may write to a source. Devices of role 1 and the owner always may.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Binding {
    /// The one that does so first.
    #[default]
    Unbound,
    /// None: the owner did so first.
    Owner,
    /// This one.
    Device(DeviceId),
}

/// Who made a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// The owner, or a device that may do the same.
    Owner,
    /// A device that may only append, and may be wrong about its own source.
    Appender(DeviceId),
}

impl SourceLog {
    /// Whether increments of `author` may stand on the newest snapshot: it can be read, and who made it is trusted
    /// by its author, as everybody trusts the owner and themselves.
    pub(crate) fn takes_increments_of(&self, author: Option<DeviceId>) -> bool {
        match self.newest_by {
            None => false,
            Some(Writer::Owner) => true,
            Some(Writer::Appender(device)) => author == Some(device),
        }
    }
}

impl Chain {
    /// The number of the next commit, and the hash that it must name.
    pub(crate) fn next(&self) -> (u64, EnvelopeHash) {
        self.head.map_or((0, [0; 32]), |head| (head.seq + 1, head.hash))
    }

    pub(crate) fn account_state_seq(&self) -> Option<u64> {
        self.head.map(|head| head.account_state_seq)
    }

    /// The settings in force. A verified vault has them from its first commit on.
    pub(crate) fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    pub(crate) fn source(&self, source: &SourceId) -> Option<&SourceLog> {
        self.sources.get(source)
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = (&SourceId, &SourceLog)> {
        self.sources.iter()
    }

    pub(crate) fn unreadable(&self) -> &[UnreadableCommit] {
        &self.unreadable
    }

    /// Whether a path, or a folder that it is in, was deleted for good after this snapshot. Its bytes may be there all
    /// the same: if something else needs them, or if they were backed up again.
    pub(crate) fn was_purged(&self, source: &SourceId, seq: u64, path: &[u8]) -> bool {
        let has = |above: &[u8]| path.strip_prefix(above).is_some_and(|rest| matches!(rest, [] | [b'/', ..]));
        let mut later = self.purged.iter().filter(|purged| purged.seq > seq && purged.at.source == *source);
        later.any(|purged| purged.at.path.is_empty() || has(&purged.at.path))
    }

    /// Verifies the next envelope and takes it in.
    pub(crate) async fn append(
        &mut self,
        account: &Account,
        backend: &Backend,
        keys: &KeyRing,
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
        commit.verify(&state, &account.identity())?;
        let keys = keys.get();
        if pin.is_some_and(|pin| pin.seq == head.seq && pin.hash.0 != commit.hash) {
            return Err(Error::untrusted("the server rolled back or forked this vault"));
        }
        let appender = head.device.filter(|device| {
            state.device(device).is_some_and(|certificate| certificate.role == Role::Append)
        });
        let writer = appender.map_or(Writer::Owner, Writer::Appender);
        self.check_rules(head, writer)?;
        let body = open_body(backend, &keys, &commit).await?.filter(|body| match body {
            Body::Snapshot(snapshot) => snapshot.check_account_state(&state).is_ok(),
            Body::SourceClosed
            | Body::Settings(_)
            | Body::Forget
            | Body::Purge(_)
            | Body::SourceSettings(_) => true,
        });
        self.apply(head, writer, body);
        self.head =
            Some(Head { seq: head.seq, hash: commit.hash, account_state_seq: head.account_state_seq });
        Ok(())
    }

    /// The rules that a server can enforce, because they need nothing but the heads.
    fn check_rules(&self, head: &CommitHead, writer: Writer) -> Result<(), Error> {
        let Some(log) = head.source.and_then(|source| self.sources.get(&source)) else { return Ok(()) };
        if log.closed {
            return Err(Error::untrusted("a commit of a source that was closed before"));
        }
        let is_foreign = match (writer, log.binding) {
            (Writer::Owner, _) | (Writer::Appender(_), Binding::Unbound) => false,
            (Writer::Appender(_), Binding::Owner) => true,
            (Writer::Appender(device), Binding::Device(bound_to)) => device != bound_to,
        };
        if is_foreign {
            return Err(Error::untrusted("a device wrote to a source that is not its own"));
        }
        match head.kind {
            Kind::Snapshot(flags) if flags.partial && log.complete => {
                Err(Error::untrusted("a partial snapshot of a source that has a complete one"))
            }
            _ => Ok(()),
        }
    }

    fn apply(&mut self, head: &CommitHead, writer: Writer, body: Option<Body>) {
        if let Some(source) = head.source {
            self.sources.entry(source).or_default().apply_head(head, writer);
        }
        let body = body.filter(|body| self.may_say(head, writer, body));
        match (head.source, body) {
            (_, Some(Body::Settings(settings))) => self.set_settings(settings),
            (Some(source), Some(Body::Snapshot(content))) => {
                let log = self.sources.entry(source).or_default();
                log.snapshots.push(LoggedSnapshot { seq: head.seq, device: head.device, content });
                log.newest_by = Some(writer);
            }
            (Some(source), Some(Body::SourceSettings(settings))) => {
                self.set_source(source, settings.entry);
            }
            (_, Some(Body::Purge(purge))) => {
                self.purged.extend(purge.paths.into_iter().map(|at| Purged { seq: head.seq, at }));
            }
            (_, Some(Body::SourceClosed | Body::Forget)) => {}
            (source, _) => {
                self.unreadable.push(UnreadableCommit { seq: head.seq, source, device: head.device });
            }
        }
    }

    /// The rules that only who reads the bodies can see: whose folder is it, is there one place for uploads, and do
    /// the settings stay within their limits?
    fn may_say(&self, head: &CommitHead, writer: Writer, body: &Body) -> bool {
        let listed = |source| self.settings.iter().flat_map(|it| &it.sources).find(|it| it.source == source);
        if let Writer::Appender(device) = writer
            && head.source.and_then(listed).is_some_and(|source| source.device != Some(device))
        {
            return false;
        }
        let Body::SourceSettings(settings) = body else { return true };
        let Some(entry) = &settings.entry else { return true };
        let fits = self.settings.as_ref().is_none_or(|settings| {
            let mut settings = settings.clone();
            settings.put(entry.clone());
            settings.check().is_ok()
        });
        fits && match (writer, entry.device) {
            (Writer::Appender(device), named) => named == Some(device),
            (Writer::Owner, Some(_)) => true,
            (Writer::Owner, None) => {
                let mut sources = self.settings.iter().flat_map(|it| &it.sources);
                sources.all(|other| other.device.is_some() || other.source == entry.source)
            }
        }
    }

    fn set_settings(&mut self, settings: Settings) {
        for source in &settings.sources {
            self.sources.entry(source.source).or_default().set(source);
        }
        self.settings = Some(settings);
    }

    fn set_source(&mut self, source: SourceId, entry: Option<Source>) {
        let Some(settings) = &mut self.settings else { return };
        match entry {
            None => settings.sources.retain(|listed| listed.source != source),
            Some(entry) => {
                self.sources.entry(source).or_default().set(&entry);
                settings.put(entry);
            }
        }
    }
}

impl SourceLog {
    fn set(&mut self, entry: &Source) {
        if self.entries.last() != Some(entry) {
            self.entries.push(entry.clone());
        }
    }

    /// What the head alone changes, whether the body can be read or not.
    fn apply_head(&mut self, head: &CommitHead, writer: Writer) {
        match (head.kind, writer) {
            (Kind::SourceClosed, _) => self.closed = true,
            (Kind::Snapshot(_) | Kind::SourceSettings, Writer::Appender(device)) => {
                self.binding = Binding::Device(device);
            }
            (Kind::Snapshot(_), Writer::Owner) if self.binding == Binding::Unbound => {
                self.binding = Binding::Owner;
            }
            (Kind::Snapshot(_) | Kind::SourceSettings, Writer::Owner) => {}
            (Kind::Settings | Kind::Forget | Kind::Purge, _) => unreachable!("verified: it names no source"),
        }
        if let Kind::Snapshot(flags) = head.kind {
            self.complete |= !flags.partial;
            self.newest_by = None;
        }
    }
}

/// `None` if the body cannot be used and never will; an error if that cannot be known here and now.
async fn open_body(
    backend: &Backend,
    keys: &VaultKeys,
    commit: &CommitEnvelope,
) -> Result<Option<Body>, Error> {
    match open_commit(backend, keys, commit).await {
        Ok(body) => Ok(Some(body)),
        Err(CommitError::UnknownEpoch { epoch }) => Err(Error::UnknownEpoch(epoch)),
        Err(CommitError::Open(OpenError::Platform(error))) => Err(error.into()),
        Err(CommitError::Open(OpenError::Refused) | CommitError::Body(_) | CommitError::OtherVault) => {
            Ok(None)
        }
    }
}
