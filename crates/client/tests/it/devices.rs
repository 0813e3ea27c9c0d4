//! Devices: how one is admitted, what it may do, and that it may do nothing any more once it is revoked.

use client::{Account, DeviceStore, EnrolmentLink, Error, Role, Source, Vault};
use crypto::enrolment::{EnrolmentCode, EnrolmentSecret};
use protocol::error::ErrorCode;
use protocol::id::SourceId;
use testkit::cluster::Cluster;

use crate::folder::{target, write};
use crate::native::{Device, assert_restores, back_up, noise};
use crate::trust::tamper;

/// What an enrolled device has: its memory of what it verified, and its key store.
pub(crate) struct Agent {
    pub(crate) platform: Device,
    pub(crate) store: DeviceStore,
}

impl Agent {
    pub(crate) async fn open(&self, cluster: &Cluster) -> Result<Account, Error> {
        self.platform.client(&cluster.origin).open_device(&self.store).await
    }

    pub(crate) async fn vault(&self, cluster: &Cluster) -> Vault {
        let account = self.open(cluster).await.expect("signs in");
        let [vault] = &account.open_vaults().await.expect("opens")[..] else { panic!("one vault") };
        vault.clone()
    }
}

/// Carries a link from the owner to a new device, and admits it.
pub(crate) async fn enrol(owner: &Account, cluster: &Cluster, role: Role, name: &str) -> Agent {
    let enrolment = owner.begin_enrolment(role).await.expect("opens an enrolment");
    let link = enrolment.link(&cluster.origin).expect("an origin");
    assert_eq!(enrolment.request().await.expect("asks"), None, "nobody used the link yet");
    let platform = Device::default();
    let device = async {
        let link = EnrolmentLink::parse(&link).expect("a link");
        platform.client(link.origin()).enrol(&link, "a-host").await
    };
    let admit = async {
        while enrolment.request().await.expect("asks").is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(enrolment.request().await.expect("asks").as_deref(), Some("a-host"));
        enrolment.admit(name).await
    };
    let (store, admitted) = tokio::join!(device, admit);
    let store = store.expect("is admitted");
    assert_eq!(admitted.expect("admits"), store.device);
    Agent { platform, store }
}

pub(crate) fn folder(byte: u8, agent: &Agent) -> Source {
    let source = SourceId::from_bytes([byte; 16]).expect("not zeros");
    Source {
        path: b"/home/alice".to_vec(),
        ..Source::new(source, "Home".to_owned(), Some(agent.store.device))
    }
}

#[tokio::test]
async fn a_device_gets_a_vault_of_its_own_and_nothing_else() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let agent = enrol(&owner, &cluster, Role::Append, "Laptop").await;

    let vault = agent.vault(&cluster).await;
    assert_eq!(vault.settings().vault_name, "Laptop");
    assert!(vault.uploads().is_err(), "it takes no uploads");
    vault.put_source(folder(1, &agent)).await.expect("adds a folder of its own");
    let error = vault.rename("Mine").await.expect_err("the vault's name is the owner's");
    assert_eq!(error.code(), Some(ErrorCode::InvalidEnvelope), "{error}");

    // The owner sees what the device wrote, here and on another device.
    for account in [owner.clone(), Device::default().sign_in(&cluster).await.expect("signs in")] {
        let vaults = account.open_vaults().await.expect("opens all");
        let names: Vec<_> = vaults.iter().map(|vault| vault.settings().vault_name).collect();
        assert_eq!(names, ["Backups", "Laptop"]);
        assert!(account.open_vault().await.expect("opens").uploads().is_ok(), "the first takes uploads");
        assert_eq!(vaults[1].settings().sources, [folder(1, &agent)]);
        let [device] = &account.devices(&vaults).await.expect("lists")[..] else { panic!("one device") };
        assert_eq!((device.device, device.name.as_deref()), (agent.store.device, Some("Laptop")));
        assert_eq!((device.role, device.revoked, device.online), (Role::Append, false, false));
        assert!(device.last_seen_ms.is_some());
    }
}

#[tokio::test]
async fn a_key_store_survives_its_file_and_a_restart() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let Agent { platform, store } = enrol(&owner, &cluster, Role::Append, "Laptop").await;
    let (key, backend) = (client::DeviceStoreKey::from_bytes([7; 32]), crypto::Backend::rust_crypto());
    let file = store.seal(&backend, &key, crypto::Salt::from_random([8; 32])).await.expect("seals");
    let store = DeviceStore::open(&backend, &key, &file).await.expect("opens");
    assert_eq!(store.origin, cluster.origin);
    // On the memory that it had, and on none.
    for platform in [platform, Device::default()] {
        let agent = Agent { platform, store: DeviceStore::open(&backend, &key, &file).await.expect("opens") };
        assert_eq!(agent.vault(&cluster).await.settings().vault_name, "Laptop");
    }
}

#[tokio::test]
async fn a_full_device_works_in_all_vaults() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let files = [("a", noise(1, 300_000)), ("b", noise(2, 10))];
    back_up(&owner.open_vault().await.expect("opens"), &files).await.expect("backs up");
    let agent = enrol(&owner, &cluster, Role::Full, "Desktop").await;

    let account = agent.open(&cluster).await.expect("signs in");
    let vault = account.open_vault().await.expect("opens");
    assert_restores(&vault, &files).await;
    let more = [("c", noise(3, 20_000))];
    back_up(&vault, &more).await.expect("backs up");
    let vaults = owner.open_vaults().await.expect("opens");
    assert_restores(&vaults[0], &more).await;
    assert_eq!(owner.devices(&vaults).await.expect("lists")[0].name.as_deref(), Some("Desktop"));
    assert!(matches!(account.begin_enrolment(Role::Full).await.err(), Some(Error::OwnerOnly)));
    assert!(matches!(account.revoke(agent.store.device).await, Err(Error::OwnerOnly)));

    let reader = enrol(&owner, &cluster, Role::ReadOnly, "Reader").await;
    let vault = reader.vault(&cluster).await;
    assert_restores(&vault, &files).await;
    let error = back_up(&vault, &more).await.expect_err("it may only read");
    assert_eq!(error.code(), Some(ErrorCode::Forbidden), "{error}");
}

#[tokio::test]
async fn a_link_is_good_for_who_has_it_alone() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let enrolment = owner.begin_enrolment(Role::Append).await.expect("opens an enrolment");
    // The coordinator knows the enrolment, but not the link's secret: as if it asked itself.
    let secret = EnrolmentSecret::from_bytes([1; 32]);
    let code = EnrolmentCode { enrolment: enrolment.id(), secret };
    let guessed = EnrolmentLink::new(&cluster.origin, code).expect("an origin");
    let intruder = Device::default().client(&cluster.origin);
    let refused = async {
        loop {
            match enrolment.request().await {
                Ok(None) => tokio::task::yield_now().await,
                other => break other,
            }
        }
    };
    tokio::select! {
        asked = refused => assert!(matches!(asked, Err(Error::ForgedRequest(_))), "{asked:?}"),
        enrolled = intruder.enrol(&guessed, "intruder") => panic!("admitted: {:?}", enrolled.err()),
    }
    let error = enrolment.admit("Laptop").await.expect_err("it is spoilt");
    assert!(matches!(error, Error::ForgedRequest(_)), "{error:?}");
    assert_eq!(owner.devices(&[]).await.expect("lists"), []);

    // Who comes with the link is too late, and a link that was never made is none.
    let link = EnrolmentLink::parse(&enrolment.link(&cluster.origin).expect("an origin")).expect("a link");
    let error = Device::default().client(&cluster.origin).enrol(&link, "laptop").await.err();
    let code = error.as_ref().and_then(Error::code);
    assert_eq!(code, Some(ErrorCode::Forbidden), "{error:?}");
    let code = EnrolmentCode {
        enrolment: protocol::id::EnrolmentId::from_bytes([9; 16]).expect("not zeros"),
        secret: EnrolmentSecret::from_bytes([1; 32]),
    };
    let nowhere = EnrolmentLink::new(&cluster.origin, code).expect("an origin");
    let error = Device::default().client(&cluster.origin).enrol(&nowhere, "laptop").await.err();
    assert!(matches!(error, Some(Error::LinkOver)), "{error:?}");
}

#[tokio::test]
async fn a_revoked_device_is_refused_and_what_comes_later_does_not_open_for_it() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let before = [("before", noise(1, 200_000))];
    back_up(&owner.open_vault().await.expect("opens"), &before).await.expect("backs up");
    let lost = enrol(&owner, &cluster, Role::Full, "Lost").await;
    let kept = enrol(&owner, &cluster, Role::Full, "Kept").await;
    let lost_vault = lost.open(&cluster).await.expect("signs in").open_vault().await.expect("opens");
    let kept_vault = kept.open(&cluster).await.expect("signs in").open_vault().await.expect("opens");

    owner.revoke(lost.store.device).await.expect("revokes");
    let error = lost.open(&cluster).await.err();
    assert!(matches!(error, Some(Error::NotAdmitted(_))), "{error:?}");
    let error = lost_vault.refresh().await.expect_err("its session is over");
    assert!(matches!(error, Error::NotAdmitted(_)), "{error:?}");

    // Who remains gets the new key, in an open vault and in one that is opened later, and writes under it.
    let after = [("after", noise(2, 200_000))];
    kept_vault.refresh().await.expect("reads on");
    back_up(&kept_vault, &after).await.expect("backs up");
    for account in [owner.clone(), kept.open(&cluster).await.expect("signs in")] {
        let vault = account.open_vault().await.expect("opens");
        assert_restores(&vault, &before).await;
        assert_restores(&vault, &after).await;
        assert_eq!(vault.settings().vault_name, "Backups");
    }
    let vaults = owner.open_vaults().await.expect("opens");
    let devices = owner.devices(&vaults).await.expect("lists");
    let revoked: Vec<_> = devices.iter().map(|it| (it.name.as_deref(), it.revoked)).collect();
    assert_eq!(revoked, [(Some("Lost"), true), (Some("Kept"), false)]);
    owner.revoke(lost.store.device).await.expect("again changes nothing");
}

#[tokio::test]
async fn a_revocation_that_was_interrupted_is_completed_at_the_next_unlock() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let agent = enrol(&owner, &cluster, Role::Append, "Laptop").await;
    agent.vault(&cluster).await.put_source(folder(1, &agent)).await.expect("adds a folder");
    owner.revoke(agent.store.device).await.expect("revokes");
    // As if the owner's tab had been closed before the last commit of all.
    tamper(
        &cluster,
        "DELETE FROM commits WHERE seq = 2;
         UPDATE vaults v SET head_seq = 1, head_hash = c.hash FROM commits c
          WHERE c.vault_id = v.id AND c.seq = 1 AND v.head_seq = 2",
    );
    let device = Device::default();
    let again = device.sign_in(&cluster).await.expect("signs in");
    let vaults = again.open_vaults().await.expect("opens and completes");
    assert_eq!(vaults[1].settings().sources, [folder(1, &agent)], "the settings are carried on");
    assert_eq!(committed(&cluster).await, 3);
    again.open_vaults().await.expect("opens");
    assert_eq!(committed(&cluster).await, 3, "once");
}

/// Commits of the vault with the most of them, as a device sees them that knows nothing yet.
async fn committed(cluster: &Cluster) -> u64 {
    let device = Device::default();
    let account = device.sign_in(cluster).await.expect("signs in");
    account.open_vaults().await.expect("opens");
    let pins = device.pins();
    pins.values().flat_map(|pin| pin.vaults.values()).map(|head| head.seq + 1).max().expect("vaults")
}

#[tokio::test]
async fn owners_that_change_the_account_at_once_both_get_through() {
    let cluster = Cluster::start(1).await;
    let first = Device::default().sign_up(&cluster).await;
    let second = Device::default().sign_in(&cluster).await.expect("signs in");
    let lost = enrol(&first, &cluster, Role::Append, "Lost").await;
    let (revoked, admitted) =
        tokio::join!(first.revoke(lost.store.device), enrol(&second, &cluster, Role::Append, "Laptop"),);
    revoked.expect("revokes");
    assert_eq!(admitted.vault(&cluster).await.settings().vault_name, "Laptop");
    let vaults = first.open_vaults().await.expect("opens");
    let devices = first.devices(&vaults).await.expect("lists");
    assert_eq!(devices.iter().map(|it| it.revoked).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn a_device_stops_where_its_server_goes_back_or_adds_something() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let agent = enrol(&owner, &cluster, Role::Append, "Laptop").await;
    let other = enrol(&owner, &cluster, Role::Append, "Other").await;
    let vault = agent.vault(&cluster).await;
    vault.put_source(folder(1, &agent)).await.expect("adds a folder");
    tamper(
        &cluster,
        "CREATE TABLE true_states AS SELECT * FROM account_states;
         UPDATE account_states SET envelope = set_byte(envelope, 70, get_byte(envelope, 70) # 1) WHERE seq = 1",
    );
    let error = agent.open(&cluster).await.err();
    assert!(matches!(error, Some(Error::Untrusted(_))), "a changed account state: {error:?}");
    tamper(
        &cluster,
        "UPDATE account_states s SET envelope = t.envelope FROM true_states t WHERE t.account_id = s.account_id AND t.seq = s.seq",
    );
    tamper(
        &cluster,
        "CREATE TABLE true_log AS SELECT * FROM commits;
         DELETE FROM commits WHERE seq = 1;
         UPDATE vaults v SET head_seq = 0, head_hash = c.hash FROM commits c
          WHERE c.vault_id = v.id AND c.seq = 0 AND v.head_seq = 1",
    );
    let error = agent.open(&cluster).await.expect("signs in").open_vaults().await.err();
    assert!(matches!(error, Some(Error::Untrusted(_))), "a log that is cut off: {error:?}");
    assert_eq!(
        other.vault(&cluster).await.settings().vault_name,
        "Other",
        "who saw no more is not concerned"
    );
}

/// A device session ends; the client begins another without being told.
#[tokio::test]
async fn a_session_that_ends_is_begun_again() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let agent = enrol(&owner, &cluster, Role::Append, "Laptop").await;
    let vault = agent.vault(&cluster).await;
    tamper(&cluster, "DELETE FROM device_sessions");
    vault.put_source(folder(1, &agent)).await.expect("signs in again");
}

#[tokio::test]
async fn a_folder_is_its_devices_or_the_owners_and_the_owner_may_write_to_both() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let agent = enrol(&owner, &cluster, Role::Append, "Laptop").await;
    let of_agent = agent.vault(&cluster).await;
    let of_owner = owner.open_vaults().await.expect("opens").pop().expect("the device's");
    let (own, foreign) = (
        SourceId::from_bytes([1; 16]).expect("not zeros"),
        SourceId::from_bytes([2; 16]).expect("not zeros"),
    );
    write(&of_agent, target(&of_agent, own), &[("a", noise(1, 100))]).await.expect("its own");
    // What the owner wrote to first, no device writes to, in whatever way.
    write(&of_owner, target(&of_owner, foreign), &[("b", noise(2, 100))]).await.expect("the owner may");
    of_agent.refresh().await.expect("reads on");
    let refused = write(&of_agent, target(&of_agent, foreign), &[("c", noise(3, 100))]).await;
    assert_eq!(refused.expect_err("the owner's").code(), Some(ErrorCode::InvalidEnvelope));
    let refused = of_agent.put_source(folder(2, &agent)).await;
    assert_eq!(refused.expect_err("the owner's").code(), Some(ErrorCode::InvalidEnvelope));
    // But the owner may go on with a device's, and the device after that.
    of_owner.refresh().await.expect("reads on");
    write(&of_owner, target(&of_owner, own), &[("d", noise(4, 100))]).await.expect("the owner may");
    of_agent.refresh().await.expect("reads on");
    write(&of_agent, target(&of_agent, own), &[("e", noise(5, 100))]).await.expect("still its own");
    assert_eq!(of_agent.snapshots(own).len(), 3);
}

/// How many references the coordinator counts to blobs of a vault's only source.
fn counted(cluster: &Cluster) -> i64 {
    let sql = "SELECT sum(count) FROM refs";
    let arguments = [&cluster.database().admin_url()[..], "--quiet", "--tuples-only", "--command", sql];
    let output = std::process::Command::new("psql").args(arguments).output().expect("psql is installed");
    String::from_utf8(output.stdout).expect("digits").trim().parse().expect("a number")
}

#[tokio::test]
async fn an_owner_counts_anew_what_a_device_counted() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let agent = enrol(&owner, &cluster, Role::Append, "Laptop").await;
    let (vault, source) = (agent.vault(&cluster).await, SourceId::from_bytes([1; 16]).expect("not zeros"));
    let files = [("a", noise(1, 50_000)), ("b", noise(2, 50_000))];
    write(&vault, target(&vault, source), &files).await.expect("backs up");
    assert_eq!(counted(&cluster), 3, "a folder of two files");
    // As if the device had said so: each of its commits goes on from there.
    tamper(&cluster, "UPDATE refs SET count = count + 7");
    write(&vault, target(&vault, source), &[("b", noise(3, 50_000))]).await.expect("backs up");
    assert!(counted(&cluster) > 3, "the device trusts itself");
    let of_owner = owner.open_vaults().await.expect("opens").pop().expect("the device's");
    of_owner.remove(source, &[vec!["a".to_owned()]]).await.expect("removes");
    assert_eq!(counted(&cluster), 2, "the owner does not");
}

#[tokio::test]
async fn a_device_that_commits_without_end_is_stopped_and_nobody_else_is() {
    let cluster = Cluster::start(1).await;
    let owner = Device::default().sign_up(&cluster).await;
    let agent = enrol(&owner, &cluster, Role::Append, "Laptop").await;
    let other = enrol(&owner, &cluster, Role::Append, "Desktop").await;
    let device = agent.store.device;
    tamper(
        &cluster,
        &format!(
            "INSERT INTO login_attempts (bucket) SELECT 'commits {device}' FROM generate_series(1, 1000)"
        ),
    );
    let vault = agent.vault(&cluster).await;
    let error = vault.put_source(folder(1, &agent)).await.expect_err("too many");
    assert_eq!(error.code(), Some(ErrorCode::TooManyRequests), "{error}");
    let source = SourceId::from_bytes([1; 16]).expect("not zeros");
    let error = write(&vault, target(&vault, source), &[("a", noise(1, 9))]).await.expect_err("too many");
    assert_eq!(error.code(), Some(ErrorCode::TooManyRequests), "{error}");
    other.vault(&cluster).await.put_source(folder(1, &other)).await.expect("another device may");
    let of_owner = owner.open_vaults().await.expect("opens").swap_remove(1);
    of_owner.rename("Mine").await.expect("the owner may, in the same vault");
}
