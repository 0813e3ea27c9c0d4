//! Devices with a wrong clock, and devices that sign what no program of ours would: neither locks anybody out.

use std::rc::Rc;

use client::{Error, Role, Source, TreeEdits};
use crypto::commit::{NewBody, NewCommit, SourceSettings, seal_commit};
use crypto::sign::{Author, DeviceKey};
use crypto::vault::VaultKeys;
use crypto::{Backend, Salt, Secret as _};
use protocol::bytes::Base64;
use protocol::commits::AppendCommitRequest;
use protocol::devices::DeviceLoginResponse;
use protocol::envelope::commit::CommitEnvelope;
use protocol::id::{DeviceId, IdempotencyKey, SourceId};
use protocol::refs;
use protocol::routes::coordinator as routes;
use protocol::signed_request::SignedParts;
use testkit::cluster::Cluster;

use crate::devices::{Agent, enrol, folder};
use crate::folder::{put, store_file, target};
use crate::native::{Device, InMemory, back_up, noise};
use crate::settings::source;
use crate::trust::tamper;

/// A device of role 2 that signs anything, in its own vault.
struct Appender {
    http: reqwest::Client,
    url: String,
    token: String,
    key: DeviceKey,
    keys: VaultKeys,
    state: u64,
    seq: u64,
    prev: [u8; 32],
}

impl Appender {
    async fn new(cluster: &Cluster, agent: &Agent) -> Self {
        let Agent { store, platform } = agent;
        let stored = &store.vaults[0];
        let key = DeviceKey::from_seed(store.device, store.seed.expose_secret());
        let login = routes::DEVICE_LOGIN;
        let parts = SignedParts {
            origin: &cluster.origin,
            method: login.method,
            path_and_query: login.path,
            body: b"",
        };
        let signed = key.sign_request(parts, client::Platform::now_ms(platform), random());
        let http = testkit::http();
        let answer = http
            .post(format!("{}{}", cluster.origin, login.path))
            .header("authorization", signed.to_header())
            .header("x-triplicate", "1")
            .send()
            .await
            .expect("answers");
        let answer: DeviceLoginResponse =
            serde_json::from_slice(&answer.bytes().await.expect("answers")).expect("signs in");
        Self {
            http,
            url: format!("{}{}", cluster.origin, routes::APPEND_COMMIT.fill(&[&stored.vault])),
            token: answer.token.as_str().to_owned(),
            key,
            keys: stored.derive_keys(),
            state: store.account_state.seq,
            seq: stored.head.seq,
            prev: stored.head.hash,
        }
    }

    /// Signs the settings of a source on top of the last commit, and has the server take them.
    async fn put(&mut self, head: SourceId, entry: Option<Source>) -> u64 {
        let body = SourceSettings { entry, extensions: Vec::new() };
        let body = NewBody::SourceSettings { source: head, body: &body };
        let digest = refs::digest(&[]);
        let commit =
            NewCommit { body, seq: self.seq + 1, prev: self.prev, digest, account_state_seq: self.state };
        let salt = Salt::from_random(random());
        let envelope =
            seal_commit(&Backend::rust_crypto(), &self.keys, Author::Device(&self.key), &commit, salt)
                .await
                .expect("seals");
        let key = IdempotencyKey::from_bytes(random()).expect("not zeros");
        let request =
            AppendCommitRequest { envelope: Base64(envelope.clone()), key, list: None, staged: None };
        let answer = self
            .http
            .post(&self.url)
            .bearer_auth(&self.token)
            .header("x-triplicate", "1")
            .header("content-type", "application/json")
            .body(serde_json::to_vec(&request).expect("serializes"))
            .send()
            .await
            .expect("answers");
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
        self.prev = CommitEnvelope::parse(envelope).expect("a commit").hash;
        self.seq += 1;
        self.seq
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

#[tokio::test]
async fn a_wrong_clock_is_no_reason_to_give_up() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let agent = enrol(&owner, &cluster, Role::Append, "Laptop").await;
    agent.platform.ahead_ms.set(10 * 60 * 1000);
    let error = agent.open(&cluster).await.err().expect("is refused");
    assert!(matches!(error, Error::SignInRefused(_)) && error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains("clock"), "{error}");
    agent.platform.ahead_ms.set(0);
    agent.vault(&cluster).await;
}

#[tokio::test]
async fn what_was_granted_is_in_hand_before_it_is_used() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let enrolment = owner.begin_enrolment(Role::Append).await.expect("opens an enrolment");
    let link = enrolment.link(&cluster.origin).expect("an origin");
    let link = client::EnrolmentLink::parse(&link).expect("a link");
    // It could not sign in now, and yet must not lose what nobody gives twice.
    let device = Device::default();
    device.ahead_ms.set(10 * 60 * 1000);
    let client = device.client(&cluster.origin);
    let admit = async {
        while enrolment.request().await.expect("asks").is_none() {
            tokio::task::yield_now().await;
        }
        enrolment.admit("Laptop").await
    };
    let (store, admitted) = tokio::join!(client.enrol(&link, "a-host"), admit);
    admitted.expect("admits");
    let agent = Agent { platform: Device::default(), store: store.expect("is kept") };
    agent.vault(&cluster).await;
}

#[tokio::test]
async fn a_flooding_device_locks_nobody_out() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let agent = enrol(&owner, &cluster, Role::Append, "Laptop").await;
    let mut device = Appender::new(&cluster, &agent).await;
    let fat = |byte| Source { exclude: vec![vec![b'*'; 1024]; 256], ..folder(byte, &agent) };
    device.put(source(1), Some(fat(1))).await;
    let refused = [
        // Each within its own limits, and together beyond those of the vault.
        device.put(source(2), Some(fat(2))).await,
        device.put(source(3), Some(Source { name: "n".repeat(300), ..folder(3, &agent) })).await,
        device.put(source(4), Some(Source { name: "a\nb".to_owned(), ..folder(4, &agent) })).await,
        device.put(source(5), Some(Source { path: vec![b'p'; 5000], ..folder(5, &agent) })).await,
    ];

    let owner = Device::default().sign_in(&cluster).await.expect("signs in");
    let vault = owner.open_vaults().await.expect("opens").remove(1);
    assert_eq!(vault.settings().sources, [fat(1)]);
    let unreadable: Vec<u64> = vault.unreadable_commits().iter().map(|commit| commit.seq).collect();
    assert_eq!(unreadable, refused);
    // Nor does the client write what nobody would read.
    let error = vault.put_source(fat(2)).await.expect_err("too much");
    assert!(matches!(error, Error::Settings(_)), "{error:?}");
    owner.revoke(agent.store.device).await.expect("revokes");
    let vault = Device::default().sign_in(&cluster).await.expect("signs in");
    let vault = vault.open_vaults().await.expect("opens").remove(1);
    assert_eq!(vault.settings().sources, [fat(1)], "carried on under the new key");
}

#[tokio::test]
async fn a_device_of_role_2_says_nothing_of_folders_that_are_not_its_own() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let agent = enrol(&owner, &cluster, Role::Append, "Laptop").await;
    let vault = owner.open_vaults().await.expect("opens").remove(1);
    let other = DeviceId::from_bytes([9; 16]).expect("not zeros");
    let foreign = Source { device: Some(other), ..folder(1, &agent) };
    vault.put_source(foreign.clone()).await.expect("adds");

    let mut device = Appender::new(&cluster, &agent).await;
    let logged = owner.open_vaults().await.expect("opens").remove(1);
    (device.seq, device.prev) = head_of(&cluster, &logged).await;
    let ignored = [
        // Takes a folder over, removes it, adds one in another's name, and one for uploads.
        device.put(source(1), Some(folder(1, &agent))).await,
        device.put(source(1), None).await,
        device.put(source(2), Some(Source { device: Some(other), ..folder(2, &agent) })).await,
        device.put(source(3), Some(Source { device: None, ..folder(3, &agent) })).await,
    ];
    device.put(source(4), Some(folder(4, &agent))).await;
    vault.refresh().await.expect("reads on");
    assert_eq!(vault.settings().sources, [foreign, folder(4, &agent)]);
    let unreadable: Vec<u64> = vault.unreadable_commits().iter().map(|commit| commit.seq).collect();
    assert_eq!(unreadable, ignored);
    assert!(vault.uploads().is_err());
}

/// Number and hash of a vault's newest commit, as a device remembers them.
async fn head_of(cluster: &Cluster, vault: &client::Vault) -> (u64, [u8; 32]) {
    let device = Device::default();
    device.sign_in(cluster).await.expect("signs in").open_vaults().await.expect("opens");
    let pins = device.pins();
    let pin = pins.values().next().expect("one login").vaults[&vault.id()];
    (pin.seq, pin.hash.0)
}

#[tokio::test]
async fn a_vault_that_does_not_open_keeps_neither_others_nor_a_revocation_back() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let agent = enrol(&owner, &cluster, Role::Append, "Laptop").await;
    let reader = enrol(&owner, &cluster, Role::ReadOnly, "Reader").await;
    agent.vault(&cluster).await.put_source(folder(1, &agent)).await.expect("adds");
    tamper(
        &cluster,
        "CREATE TABLE true_log AS SELECT * FROM commits;
         UPDATE commits SET envelope = set_byte(envelope, 200, get_byte(envelope, 200) # 1)
          WHERE vault_id = (SELECT max(id) FROM vaults) AND seq = 1",
    );
    let owner = Device::default().sign_in(&cluster).await.expect("signs in");
    assert!(matches!(owner.open_vaults().await.err(), Some(Error::Untrusted(_))));
    let opened = owner.open_each().await;
    assert!(matches!(&opened[..], [(_, Ok(_)), (_, Err(Error::Untrusted(_)))]), "the other opens");
    owner.revoke(agent.store.device).await.expect("revokes");
    let error = agent.open(&cluster).await.err();
    assert!(matches!(error, Some(Error::NotAdmitted(_))), "{error:?}");
    reader.open(&cluster).await.expect("has the new key");

    tamper(
        &cluster,
        "UPDATE commits c SET envelope = t.envelope FROM true_log t WHERE t.vault_id = c.vault_id AND t.seq = c.seq",
    );
    let vault = owner.open_vaults().await.expect("opens, and completes the revocation").remove(1);
    assert_eq!(vault.settings().sources, [folder(1, &agent)]);
}

#[tokio::test]
async fn what_was_verified_stays_known_although_another_handle_read_less() {
    let cluster = Cluster::start(1).await;
    let account = Device::default().sign_up(&cluster).await;
    let first = account.open_vault().await.expect("opens");
    let second = account.open_vault().await.expect("opens");
    for name in ["One", "Two"] {
        first.rename(name).await.expect("renames");
    }
    tamper(
        &cluster,
        "UPDATE commits SET envelope = set_byte(envelope, 200, get_byte(envelope, 200) # 1) WHERE seq = 2",
    );
    assert!(matches!(second.refresh().await, Err(Error::Untrusted(_))), "the second commit is another");
    tamper(
        &cluster,
        "DELETE FROM commits WHERE seq = 2;
         UPDATE vaults v SET head_seq = 1, head_hash = c.hash FROM commits c
          WHERE c.vault_id = v.id AND c.seq = 1",
    );
    assert!(matches!(account.open_vault().await.err(), Some(Error::Untrusted(_))), "less than before");
}

#[tokio::test]
async fn an_upload_under_way_goes_on_under_the_new_key() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let lost = enrol(&owner, &cluster, Role::Full, "Lost").await;
    let vault = owner.open_vault().await.expect("opens");
    let content = noise(1, 50_000);
    let edits = async |writer: client::TreeWriter| {
        let reader = InMemory(Rc::new(content.clone()));
        let before = writer.store(&reader, 50_000).await?.expect("reads");
        owner.revoke(lost.store.device).await.expect("revokes");
        let after = writer.store(&reader, 50_000).await?.expect("reads");
        assert_ne!(before.encode(), after.encode(), "sealed with another key");
        let path = client::Path::parse(&["a"]).expect("a name");
        Ok(TreeEdits { changes: vec![put(path, after)], ..TreeEdits::default() })
    };
    vault.write_tree(target(&vault, source(1)), &Rc::default(), edits).await.expect("commits");
    let vault = Device::default().open(&cluster).await;
    assert!(crate::native::restore(&vault, source(1), "a").await.expect("restores") == content);
}

#[tokio::test]
async fn what_comes_back_is_read_back_before_a_snapshot_vouches_for_it() {
    // However much of it is damaged, the one node there is stays in use.
    let forgiving = [("TRIPLICATE_DAMAGED_MAX", "1000000"), ("TRIPLICATE_AUDIT_FAILURES", "1000000")];
    let cluster = Cluster::start_with(1, &forgiving).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let content = noise(1, 9 << 20);
    let mut stored = Vec::new();
    let edits = async |writer: client::TreeWriter| {
        let change = store_file(&writer, "a", &content).await?;
        stored.push(change.clone());
        Ok(TreeEdits { changes: vec![change], ..TreeEdits::default() })
    };
    vault.write_tree(target(&vault, source(1)), &Rc::default(), edits).await.expect("backs up");
    // The node keeps the names and loses the bytes.
    for pack in std::fs::read_dir(cluster.node_folder(0).join("packs")).expect("packs") {
        use std::os::unix::fs::FileExt as _;
        let file = std::fs::OpenOptions::new().write(true).open(pack.expect("a pack").path()).expect("opens");
        for at in (4096..file.metadata().expect("a file").len()).step_by(8 << 10) {
            file.write_all_at(&[0x55, 0xaa], at).expect("writes");
        }
    }
    let again = async |_| Ok(TreeEdits { changes: stored, ..TreeEdits::default() });
    let error =
        vault.write_tree(target(&vault, source(2)), &Rc::default(), again).await.expect_err("it is gone");
    // The coordinator may have heard of it first: from the node itself, or by an audit.
    assert!(matches!(error, Error::Unverified(_) | Error::Gone(_)), "{error:?}");
    assert_eq!(vault.snapshots(source(2)), []);
}

#[tokio::test]
async fn a_server_that_is_away_is_no_damaged_file() {
    let mut cluster = Cluster::start(1).await;
    let device = Device::default();
    let vault = device.sign_up(&cluster).await.open_vault().await.expect("opens");
    back_up(&vault, &[("big", noise(1, 40 << 20))]).await.expect("backs up");
    let vault = device.open_impatient(&cluster).await;
    let uploads = vault.uploads().expect("uploads");
    vault.list(uploads, &crate::native::path("")).await.expect("lists, and remembers the folder");
    cluster.kill_coordinator();
    let error = crate::native::restore(&vault, uploads, "big").await.expect_err("cannot ask");
    assert!(matches!(error, Error::Network { .. }), "{error:?}");
}
