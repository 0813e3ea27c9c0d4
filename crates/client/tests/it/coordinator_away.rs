//! Nodes that hang and a coordinator that is away hold nobody up who has what they need, and whoever has not waits.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use client::{At, Client, Error, FileDownload, Pace, Patience, SnapshotRef, TreeEdits, TreeTarget, Vault};
use futures_util::future::join;
use futures_util::stream::TryStreamExt as _;
use protocol::nodes::NodesResponse;
use testkit::cluster::Cluster;
use testkit::{Signal, wait_until};
use tokio::sync::watch;

use crate::coordinators::QUICK;
use crate::folder::{store_file, target};
use crate::native::{Device, LOGIN, PASSPHRASE, assert_restores, back_up, noise, path, restore};
use crate::settings::source;
use crate::trust::tamper;

/// After this much silence of a node, the next is asked in any case.
const READ_IDLE: Duration = Duration::from_secs(20);
/// The longest time between two attempts to reach a coordinator that is away.
const OUTAGE_WAIT: Duration = Duration::from_secs(15);
/// More than a restore fetches ahead.
const LARGE: usize = 40 << 20;

/// A download of a large file, of which the first bytes have come.
async fn begun(vault: &Vault, snapshot: impl Into<SnapshotRef>, name: &str) -> (FileDownload, Vec<u8>) {
    let mut download = vault.open_file(snapshot, &path(name)).await.expect("opens");
    let first = download.stream.try_next().await.expect("restores").expect("has bytes");
    (download, first)
}

async fn rest_of(download: FileDownload) -> Result<Vec<u8>, Error> {
    Ok(download.stream.try_collect::<Vec<_>>().await?.concat())
}

async fn waits_for_the_coordinator(device: &Device) {
    wait_until("it waits for the coordinator", async || device.longest_wait.get() >= OUTAGE_WAIT).await;
}

#[tokio::test]
async fn a_node_that_hangs_holds_no_restore_up() {
    let cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let names: Vec<_> = (0..12).map(|number| format!("{number}/file")).collect();
    let files: Vec<_> =
        names.iter().enumerate().map(|(n, name)| (&**name, noise(n as u64, 300_000))).collect();
    back_up(&vault, &files).await.expect("backs up");
    // It takes connections and answers none.
    cluster.signal_node(0, Signal::STOP);
    // Hung reads may come before any that earn a second one.
    let device = Device::default();
    device.hurries.set(true);
    let often = Patience { hedges_percent: 100, ..Patience::default() };
    let client: Client = device.client(&cluster.origin).with_patience(often);
    let vault = client.sign_in(LOGIN, PASSPHRASE).await.expect("signs in").open_vault().await.expect("opens");
    assert_restores(&vault, &files).await;
    assert!(device.longest_wait.get() < READ_IDLE, "no node was waited for to the end");
}

#[tokio::test]
async fn what_was_located_is_restored_without_the_coordinator() {
    let mut cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let files = [("large", noise(1, LARGE)), ("small", noise(2, 5000))];
    back_up(&vault, &files).await.expect("backs up");
    let vault = Device::default().open(&cluster).await;
    let uploads = vault.uploads().expect("uploads");
    restore(&vault, uploads, "small").await.expect("restores");
    let (download, first) = begun(&vault, uploads, "large").await;
    cluster.kill_coordinator();
    let rest = rest_of(download).await.expect("the grants hold");
    assert!([first, rest].concat() == files[0].1);
    // All that was restored once is known.
    assert_restores(&vault, &files).await;
}

#[tokio::test]
async fn a_restore_whose_grants_are_over_waits_for_the_coordinator() {
    let mut cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let large = noise(1, LARGE);
    back_up(&vault, &[("large", large.clone())]).await.expect("backs up");
    let device = Device::default();
    let vault = device.open(&cluster).await;
    let (download, first) = begun(&vault, vault.uploads().expect("uploads"), "large").await;
    cluster.kill_coordinator();
    device.ahead_ms.set(11 * 60 * 1000);
    device.hurries.set(true);
    let comes_back = async {
        waits_for_the_coordinator(&device).await;
        cluster.start_coordinator().await;
    };
    let (rest, ()) = join(rest_of(download), comes_back).await;
    assert!([first, rest.expect("restores")].concat() == large);
}

#[tokio::test]
async fn an_upload_under_way_outlasts_the_coordinator_and_sends_nothing_twice() {
    let mut cluster = Cluster::start(3).await;
    let device = Device::default();
    let vault = device.sign_up(&cluster).await.open_vault().await.expect("opens");
    tamper(
        &cluster,
        "CREATE TABLE planned (sha256s bytea[]);
         CREATE FUNCTION note_plan() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
         'BEGIN INSERT INTO planned VALUES (NEW.sha256s); RETURN NEW; END';
         CREATE TRIGGER note AFTER INSERT ON upload_groups FOR EACH ROW EXECUTE FUNCTION note_plan()",
    );
    // No byte leaves before the coordinator is gone, and nothing else is planned.
    let (is_planned, is_gone) = (Rc::new(Cell::new(false)), watch::Sender::new(false));
    let (noted, gone) = (is_planned.clone(), is_gone.subscribe());
    let pace: Pace = Rc::new(move |bytes| {
        noted.set(noted.get() || bytes > 0);
        let mut gone = gone.clone();
        Some(Box::pin(async move { drop(gone.wait_for(|gone| *gone).await) }))
    });
    let content = noise(1, 30_000);
    let mut gone = is_gone.subscribe();
    let options = TreeTarget { pace: Some(pace), ..target(&vault, source(1)) };
    let progress = Rc::default();
    let upload = vault.write_tree(options, &progress, async |writer| {
        let changes = vec![store_file(&writer, "file", &content).await?];
        drop(gone.wait_for(|gone| *gone).await);
        Ok(TreeEdits { changes, ..TreeEdits::default() })
    });
    let outage = async {
        wait_until("there is a plan", async || is_planned.get()).await;
        cluster.kill_coordinator();
        device.hurries.set(true);
        is_gone.send_replace(true);
        waits_for_the_coordinator(&device).await;
        cluster.start_coordinator().await;
    };
    let (written, ()) = join(upload, outage).await;
    written.expect("commits");
    assert!(restore(&vault, source(1), "file").await.expect("restores") == content);
    let count = |query: &str| cluster.database().query(query);
    let twice = "SELECT count(*) FROM (SELECT id FROM planned, unnest(sha256s) AS id GROUP BY id HAVING count(*) > 1) AS twice";
    assert_eq!(count(twice), "0");
    assert_ne!(count("SELECT count(*) FROM planned"), "0");
}

#[tokio::test]
async fn a_snapshot_that_is_forgotten_while_it_is_restored_ends_so() {
    let cluster = Cluster::start_with(3, &QUICK).await;
    let account = Device::default().sign_up(&cluster).await;
    let vault = account.open_vault().await.expect("opens");
    let uploads = vault.uploads().expect("uploads");
    let large = noise(1, LARGE);
    let seq = back_up(&vault, &[("large", large.clone())]).await.expect("backs up").seq;
    vault.remove(uploads, &[path("large")]).await.expect("deletes");

    let reader = Device::default().open(&cluster).await;
    let snapshot = SnapshotRef { source: uploads, at: At::Seq(seq) };
    let (mut download, mut came) = begun(&reader, snapshot, "large").await;
    vault.forget(uploads, &BTreeSet::from([seq])).await.expect("forgets");
    wait_until("its bytes are gone", async || {
        let NodesResponse { nodes, .. } = account.nodes().await.expect("lists nodes");
        nodes.iter().map(|node| node.used_bytes).sum::<u64>() < 3 * LARGE as u64 / 4
    })
    .await;
    let error = loop {
        match download.stream.try_next().await {
            Ok(Some(piece)) => came.extend(piece),
            Ok(None) => panic!("it ends although its end is gone"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Forgotten(forgotten) if forgotten == seq), "{error}");
    assert!(large.starts_with(&came), "what came is right");
}
