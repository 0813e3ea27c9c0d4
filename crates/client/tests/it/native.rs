//! The operator of a cluster, and shorthands.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use client::{Account, BackupSummary, Error, Patience, Pin, Progress, ReadAt, Ticket, Vault};
use futures_util::future::LocalBoxFuture;
use testkit::cluster::Cluster;
use testkit::postgres::Database;
use testkit::tempdir;

pub(crate) use crate::platform::{Device, InMemory, file, noise, path, restore};

pub(crate) const LOGIN: &str = "alice@example.com";
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

impl Device {
    /// What it pinned, by login or device.
    pub(crate) fn pins(&self) -> HashMap<String, Pin> {
        self.pins.borrow().clone()
    }

    /// Makes the operator's account.
    pub(crate) async fn sign_up(&self, cluster: &Cluster) -> Account {
        let pending =
            self.client(&cluster.origin).prepare_account(LOGIN, PASSPHRASE).await.expect("good names");
        pending.register(Some(Ticket::Setup(cluster.setup_token()))).await.expect("registers")
    }

    pub(crate) async fn sign_in(&self, cluster: &Cluster) -> Result<Account, Error> {
        self.client(&cluster.origin).sign_in(LOGIN, PASSPHRASE).await
    }

    /// The same as [`Self::open`], but what is under way fails at once when the coordinator is away.
    pub(crate) async fn open_impatient(&self, cluster: &Cluster) -> Vault {
        let at_once = Patience { outage: Duration::ZERO, ..Patience::default() };
        let client = self.client(&cluster.origin).with_patience(at_once);
        let account = client.sign_in(LOGIN, PASSPHRASE).await.expect("signs in");
        account.open_vault().await.expect("opens")
    }

    /// The same as [`Self::open`] at one of several coordinators.
    pub(crate) async fn open_at(&self, origin: &str) -> Vault {
        let account = self.client(origin).sign_in(LOGIN, PASSPHRASE).await.expect("signs in");
        account.open_vault().await.expect("opens")
    }

    /// The vault on this device, signed in anew.
    pub(crate) async fn open(&self, cluster: &Cluster) -> Vault {
        let account = self.sign_in(cluster).await.expect("signs in");
        account.open_vault().await.expect("opens")
    }
}

/// A file that cannot be read beyond its first slice.
pub(crate) struct Unreadable;

impl ReadAt for Unreadable {
    fn read_at(&self, offset: u64, _: usize) -> LocalBoxFuture<'_, Result<Vec<u8>, String>> {
        Box::pin(async move {
            if offset == 0 { Ok(vec![1; 4 << 20]) } else { Err("the disk is gone".to_owned()) }
        })
    }
}

pub(crate) async fn back_up(vault: &Vault, files: &[(&str, Vec<u8>)]) -> Result<BackupSummary, Error> {
    let files = files.iter().map(|(name, content)| file(name, content)).collect();
    vault.backup(files, &Rc::<Progress>::default()).await
}

/// Asserts that every file comes back as it was.
pub(crate) async fn assert_restores(vault: &Vault, files: &[(&str, Vec<u8>)]) {
    let source = vault.uploads().expect("a vault takes uploads");
    for (name, content) in files {
        let restored = restore(vault, source, name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(restored == *content, "{name} came back different");
    }
}

/// Several coordinators on this database, and nodes, with a proxy on every way.
pub(crate) async fn linked(
    database: Database,
    coordinators: usize,
    nodes: usize,
    environment: &[(&'static str, &'static str)],
) -> Cluster {
    let folder = Arc::new(tempdir().expect("a folder for the cluster's data"));
    Cluster::start_linked(folder, database, coordinators, nodes, environment).await
}

/// Changes a byte of each copy of the largest blob on the disks of the first nodes. How many copies there were.
pub(crate) fn rot_largest_blob(cluster: &Cluster, nodes: usize) -> usize {
    let largest = "SELECT encode(sha256, 'hex') FROM blobs ORDER BY size DESC, id LIMIT 1";
    let id = hex::decode(cluster.database().query(largest)).expect("hexadecimal");
    let mut rotten = 0;
    for node in 0..nodes {
        for pack in fs::read_dir(cluster.node_folder(node).join("packs")).expect("packs") {
            let pack = pack.expect("a pack").path();
            let bytes = fs::read(&pack).expect("reads");
            let file = File::options().write(true).open(&pack).expect("opens");
            for header in memchr::memmem::find_iter(&bytes, &id) {
                let at = header + 1000;
                file.write_all_at(&[!bytes[at]], at as u64).expect("writes");
                rotten += 1;
            }
        }
    }
    rotten
}
