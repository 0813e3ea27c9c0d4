//! A vault as people see it: sources, folders, totals.

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use ::backup::{Category, Entry, Node, Totals, find, read_directory};
use crypto::commit::Snapshot;
use crypto::vault::VaultKeys;
use protocol::id::{BlobId, SourceId, VaultId};
use protocol::sources::SourcesResponse;
use tokio::sync::Mutex;

use crate::account::Account;
use crate::api::Client;
use crate::chain::Chain;
use crate::error::Error;
use crate::fetch::Fetcher;
use crate::path::Path;

/// An opened vault. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Rc<Inner>);

struct Inner {
    account: Account,
    vault: VaultId,
    keys: Arc<VaultKeys>,
    chain: RefCell<Chain>,
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
    /// Its newest snapshot that can be read.
    pub newest: Option<SnapshotInfo>,
}

/// One snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its number in the vault's log.
    pub seq: u64,
    /// When it was made, in Unix milliseconds, on the clock of who made it.
    pub created_ms: u64,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// One line of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEntry {
    /// Its name; bytes that are not UTF-8 are shown as replacement characters.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file, or of all files beneath a folder.
    pub size: u64,
    /// Last change, in Unix milliseconds.
    pub mtime_ms: i64,
    /// By its name's extension; folders and links have none.
    pub category: Option<Category>,
    /// Files in it, 1 for a file.
    pub files: u64,
}

impl Vault {
    pub(crate) async fn open(account: Account, vault: VaultId, keys: Arc<VaultKeys>) -> Result<Self, Error> {
        let fetcher = Fetcher::new(account.client().clone(), keys.clone());
        let opened = Self(Rc::new(Inner {
            account,
            vault,
            keys,
            chain: RefCell::default(),
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
        result?;
        if pin.is_some_and(|pin| next <= pin.seq) {
            return Err(Error::untrusted("the server shows less of this vault than before"));
        }
        if next > before {
            account.pin_head(*vault, next - 1, hash).await;
        }
        Ok(next > before)
    }

    /// All sources, in the order of the settings.
    pub fn sources(&self) -> Vec<SourceInfo> {
        let chain = self.chain();
        let Some(settings) = chain.settings() else { return Vec::new() };
        let info = |source: &crypto::commit::Source| SourceInfo {
            source: source.source,
            name: source.name.clone(),
            uploads: source.device.is_none(),
            newest: chain.source(&source.source).and_then(|log| log.snapshots.last()).map(snapshot_info),
        };
        settings.sources.iter().map(info).collect()
    }

    /// The source of the browser's uploads.
    ///
    /// # Errors
    /// [`Error::NotFound`] in a vault that takes none.
    pub fn uploads(&self) -> Result<SourceId, Error> {
        let uploads = self.sources().into_iter().find(|source| source.uploads);
        uploads.map(|source| source.source).ok_or_else(|| Error::NotFound("a place for uploads".to_owned()))
    }

    /// What the coordinator knows of the sources, and how many copies there are.
    pub async fn status(&self) -> Result<SourcesResponse, Error> {
        self.0.account.client().sources(self.0.vault).await
    }

    /// The entries of a folder in a source's newest snapshot, by name.
    ///
    /// # Errors
    /// [`Error::NotFound`], and those of reading.
    pub async fn list(&self, source: SourceId, path: &[String]) -> Result<Vec<ListedEntry>, Error> {
        let path = Path::parse(path)?;
        let Some(root) = self.newest_root(source) else {
            return if path.names().is_empty() {
                Ok(Vec::new())
            } else {
                Err(Error::NotFound(path.to_string()))
            };
        };
        let tree = match path.split() {
            None => root,
            Some(_) => match self.entry(&root, &path).await?.node {
                Node::Directory { tree, .. } => tree,
                _ => return Err(Error::NotFound(path.to_string())),
            },
        };
        Ok(read_directory(self.fetcher(), &tree).await?.iter().map(listed).collect())
    }

    /// Files and bytes of a source's newest snapshot, by category.
    pub async fn totals(&self, source: SourceId) -> Result<Totals, Error> {
        let Some(root) = self.newest_root(source) else { return Ok(Totals::default()) };
        let entries = read_directory(self.fetcher(), &root).await?;
        let sum = entries.iter().try_fold(Totals::default(), |sum, entry| sum.checked_add(&entry.totals()));
        sum.ok_or_else(|| Error::untrusted("totals that do not fit into 64 bits"))
    }

    pub(crate) fn account(&self) -> &Account {
        &self.0.account
    }

    pub(crate) fn client(&self) -> &Client {
        self.0.account.client()
    }

    pub(crate) fn id(&self) -> VaultId {
        self.0.vault
    }

    pub(crate) fn keys(&self) -> &Arc<VaultKeys> {
        &self.0.keys
    }

    pub(crate) fn fetcher(&self) -> &Fetcher {
        &self.0.fetcher
    }

    pub(crate) fn chain(&self) -> Ref<'_, Chain> {
        self.0.chain.borrow()
    }

    /// The tree of a source's newest snapshot that can be read.
    pub(crate) fn newest_root(&self, source: SourceId) -> Option<BlobId> {
        self.chain().source(&source)?.snapshots.last().map(|(_, snapshot)| snapshot.root)
    }

    pub(crate) async fn entry(&self, root: &BlobId, path: &Path) -> Result<Entry, Error> {
        let found = find(self.fetcher(), root, path.names()).await?;
        found.ok_or_else(|| Error::NotFound(path.to_string()))
    }
}

fn snapshot_info((seq, snapshot): &(u64, Snapshot)) -> SnapshotInfo {
    let Snapshot { created_ms, files, bytes, .. } = snapshot;
    SnapshotInfo { seq: *seq, created_ms: *created_ms, files: *files, bytes: *bytes }
}

fn listed(entry: &Entry) -> ListedEntry {
    let name = entry.name.as_bytes();
    let sum = entry.totals().sum();
    let (kind, category) = match entry.node {
        Node::File { .. } => (EntryKind::File, Some(Category::of_name(name))),
        Node::Directory { .. } => (EntryKind::Directory, None),
        Node::Symlink { .. } => (EntryKind::Symlink, None),
    };
    ListedEntry {
        name: String::from_utf8_lossy(name).into_owned(),
        kind,
        size: sum.bytes,
        mtime_ms: entry.mtime_ns.div_euclid(1_000_000),
        category,
        files: sum.files,
    }
}
