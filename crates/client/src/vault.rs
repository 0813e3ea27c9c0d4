//! An opened vault: its verified log, and its sources.

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crypto::commit::Source;
use crypto::vault::VaultKeys;
use protocol::id::{DeviceId, SourceId, VaultId};
use protocol::sources::SourcesResponse;
use tokio::sync::Mutex;

use crate::account::Account;
use crate::api::Client;
use crate::chain::{Chain, SourceLog};
use crate::error::Error;
use crate::fetch::Fetcher;
use crate::history::{self, SnapshotInfo};
use crate::keys::KeyRing;
use crate::retention::Kept;

/// An opened vault. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Rc<Inner>);

struct Inner {
    account: Account,
    vault: VaultId,
    keys: KeyRing,
    chain: RefCell<Chain>,
    kept: RefCell<Kept>,
    /// Held while the chain is read on: two at a time would verify the same commits twice.
    refreshing: Mutex<()>,
    fetcher: Fetcher,
}

/// One source of snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// The source.
    pub source: SourceId,
    /// What its owner calls it.
    pub name: String,
    /// Whether it is the browser's uploads, or else a device's folder.
    pub uploads: bool,
    /// The device whose folder it is.
    pub device: Option<DeviceId>,
    /// Taken out of the settings: its snapshots are kept, and there will be no more.
    pub removed: bool,
    /// It takes no more commits.
    pub closed: bool,
    /// Its newest snapshot that can be read.
    pub newest: Option<SnapshotInfo>,
}

impl Vault {
    pub(crate) async fn open(account: Account, vault: VaultId, keys: KeyRing) -> Result<Self, Error> {
        let fetcher = Fetcher::new(account.client().clone(), keys.clone());
        let opened = Self(Rc::new(Inner {
            account,
            vault,
            keys,
            chain: RefCell::default(),
            kept: RefCell::default(),
            refreshing: Mutex::default(),
            fetcher,
        }));
        opened.refresh().await?;
        if opened.chain().settings().is_none() {
            return Err(Error::untrusted("the vault's settings cannot be read"));
        }
        Ok(opened)
    }

    /// Reads and verifies the commits that came since; returns whether there were any.
    ///
    /// # Errors
    /// [`Error::Untrusted`]: a hard stop.
    pub async fn refresh(&self) -> Result<bool, Error> {
        let Inner { account, vault, keys, .. } = &*self.0;
        let _alone = self.0.refreshing.lock().await;
        let pin = account.pinned_head(vault);
        let backend = account.client().platform.backend();
        // A copy grows, so that nobody sees it half-way and a cancelled refresh loses nothing; it is kept even if an
        // envelope is refused.
        let mut chain = self.chain().clone();
        let before = chain.next().0;
        let result = async {
            loop {
                let envelopes = account.client().commits(*vault, chain.next().0).await?;
                if envelopes.is_empty() {
                    return Ok::<(), Error>(());
                }
                for envelope in envelopes {
                    chain.append(account, &backend, keys, envelope, pin).await?;
                }
            }
        }
        .await;
        let (next, hash) = chain.next();
        self.0.chain.replace(chain);
        if next > before {
            // Also before an envelope that was refused: what came until there is verified.
            account.pin_head(*vault, next - 1, hash).await;
        }
        result?;
        if pin.is_some_and(|pin| next <= pin.seq) {
            return Err(Error::untrusted("the server shows less of this vault than before"));
        }
        Ok(next > before)
    }

    /// All sources: those in force in the order of the settings, then those that were removed.
    pub fn sources(&self) -> Vec<SourceInfo> {
        let chain = self.chain();
        let in_force = || chain.settings().into_iter().flat_map(|settings| &settings.sources);
        let removed = chain.sources().filter_map(|(source, log)| {
            let is_listed = in_force().any(|listed| listed.source == *source);
            log.entries.last().filter(|_| !is_listed)
        });
        let listed = in_force().map(|source| self.source_info(source, chain.source(&source.source), false));
        listed
            .chain(removed.map(|source| self.source_info(source, chain.source(&source.source), true)))
            .collect()
    }

    fn source_info(&self, source: &Source, log: Option<&SourceLog>, removed: bool) -> SourceInfo {
        let newest = log.and_then(|log| log.snapshots.last());
        SourceInfo {
            source: source.source,
            name: source.name.clone(),
            uploads: source.device.is_none(),
            device: source.device,
            removed,
            closed: log.is_some_and(|log| log.closed),
            newest: newest.filter(|newest| self.is_kept(&source.source, newest.seq)).map(history::info),
        }
    }

    /// All settings that a source ever had, oldest first: what a snapshot left out, one of them says.
    pub fn settings_history(&self, source: SourceId) -> Vec<Source> {
        self.chain().source(&source).map_or_else(Vec::new, |log| log.entries.clone())
    }

    /// The source of the browser's uploads.
    ///
    /// # Errors
    /// [`Error::NotFound`] in a vault that takes none.
    pub fn uploads(&self) -> Result<SourceId, Error> {
        let uploads = self.sources().into_iter().find(|source| source.uploads && !source.removed);
        uploads.map(|source| source.source).ok_or_else(|| Error::NotFound("a place for uploads".to_owned()))
    }

    /// What the coordinator knows of the sources, and how many copies there are.
    pub async fn status(&self) -> Result<SourcesResponse, Error> {
        self.0.account.client().sources(self.0.vault).await
    }

    pub(crate) fn account(&self) -> &Account {
        &self.0.account
    }

    pub(crate) fn client(&self) -> &Client {
        self.0.account.client()
    }

    /// Whether a transfer waits for a coordinator that is away.
    pub fn is_waiting(&self) -> bool {
        self.client().waits.any()
    }

    /// Which vault it is.
    pub fn id(&self) -> VaultId {
        self.0.vault
    }

    pub(crate) fn keys(&self) -> Arc<VaultKeys> {
        self.0.keys.get()
    }

    pub(crate) fn key_ring(&self) -> &KeyRing {
        &self.0.keys
    }

    pub(crate) fn fetcher(&self) -> &Fetcher {
        &self.0.fetcher
    }

    pub(crate) fn is_kept(&self, source: &SourceId, seq: u64) -> bool {
        self.0.kept.borrow().has(source, seq)
    }

    pub(crate) fn set_kept(&self, kept: Kept) {
        self.0.kept.replace(kept);
    }

    pub(crate) fn chain(&self) -> Ref<'_, Chain> {
        self.0.chain.borrow()
    }
}
