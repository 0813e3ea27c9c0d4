//! A cluster whose programs all speak TLS, with an authority that only who is told to trusts.

use std::rc::Rc;
use std::time::Duration;

use ::tls::Roots;
use client::{Client, Patience, Ticket};
use testkit::Authority;
use testkit::authority::VALID;
use testkit::cluster::Cluster;

use crate::native::{Device, LOGIN, PASSPHRASE, assert_restores, file, noise};

fn client_of(cluster: &Cluster, authority: &Authority) -> Client {
    let roots = Roots::with(Some(&authority.root())).expect("a root");
    Client::trusting(&cluster.origin, Rc::new(Device::default()), &roots)
}

#[tokio::test]
async fn a_backup_goes_to_nodes_and_back_by_tls() {
    let authority = Authority::new();
    authority.sign("localhost", VALID);
    let cluster = Cluster::start_tls(3, &authority).await;
    assert!(cluster.origin.starts_with("https://") && cluster.node_url(0).starts_with("https://"));
    let client = client_of(&cluster, &authority);
    let pending = client.prepare_account(LOGIN, PASSPHRASE).await.expect("good names");
    let account = pending.register(Some(Ticket::Setup(cluster.setup_token()))).await.expect("registers");
    let files = vec![("small", noise(1, 5000)), ("many chunks", noise(2, 24 << 20))];
    let vault = account.open_vault().await.expect("opens");
    let new_files = files.iter().map(|(name, content)| file(name, content)).collect();
    vault.backup(new_files, &Rc::default()).await.expect("backs up");
    let status = vault.status().await.expect("status");
    assert_eq!(status.sources[0].copies[0].copies, 3, "nodes reach each other");

    let elsewhere = client_of(&cluster, &authority);
    let account = elsewhere.sign_in(LOGIN, PASSPHRASE).await.expect("signs in");
    assert_restores(&account.open_vault().await.expect("opens"), &files).await;

    let stranger = Device::default().client(&cluster.origin);
    let at_once = Patience { outage: Duration::ZERO, ..Patience::default() };
    let refused = stranger.with_patience(at_once).sign_in(LOGIN, PASSPHRASE).await;
    assert!(refused.is_err(), "nobody else trusts the authority");
}
