//! Sources: who may write them, when they are closed, overdue and proven.

use coordinator::config::Registration;
use coordinator::random;
use protocol::envelope::commit::{Kind, SnapshotFlags};
use protocol::envelope::device_certificate::Role;
use protocol::error::ErrorCode;
use protocol::id::SourceId;
use protocol::routes::coordinator as routes;
use protocol::sources::{SourceStatus, SourcesResponse};
use reqwest::StatusCode;

use crate::support::{Answer, Options, Registered, Server, references};

async fn list(server: &Server, caller: &Registered) -> Vec<SourceStatus> {
    let answer: SourcesResponse = caller.get(server, routes::SOURCES, &[&caller.vault]).await.json();
    answer.sources
}

/// A snapshot of nothing, of this source.
async fn snapshot(server: &Server, caller: &Registered, source: SourceId, flags: SnapshotFlags) -> Answer {
    let upload = caller.open(server).await;
    let place = caller.next(server).await;
    caller.commit_envelope(server, upload, caller.snapshot_of(source, place, flags, &[])).await
}

async fn back_up(server: &Server, caller: &Registered, source: SourceId) -> Answer {
    snapshot(server, caller, source, SnapshotFlags::default()).await
}

async fn set(server: &Server, caller: &Registered, source: SourceId) -> Answer {
    caller.append(server, Kind::SourceSettings, source).await
}

fn new_source() -> SourceId {
    random::id(SourceId::from_bytes)
}

#[tokio::test]
async fn the_first_device_that_writes_a_source_has_it() {
    let (server, mut operator, _) = Server::with_zones(1).await;
    let mut full = operator.admit_to_own_vault(&server, Role::Full).await;
    let mut a = operator.admit_to_own_vault(&server, Role::Append).await;
    let b = operator.admit_to_own_vault(&server, Role::Append).await;
    full.follow(&operator);
    a.follow(&operator);
    let (by_settings, by_snapshot) = (new_source(), new_source());
    set(&server, &a, by_settings).await.expect_status(StatusCode::OK);
    back_up(&server, &a, by_snapshot).await.expect_status(StatusCode::OK);
    for source in [by_settings, by_snapshot] {
        set(&server, &b, source).await.expect_code(ErrorCode::InvalidEnvelope);
        let refusal = back_up(&server, &b, source).await.refusal();
        assert_eq!(refusal, "InvalidEnvelope: the source is not the device's");
        for caller in [&operator, &*full] {
            set(&server, caller, source).await.expect_status(StatusCode::OK);
            back_up(&server, caller, source).await.expect_status(StatusCode::OK);
        }
        back_up(&server, &a, source).await.expect_status(StatusCode::OK);
    }
}

#[tokio::test]
async fn the_owners_settings_leave_a_source_free_and_their_snapshot_keeps_it() {
    let (server, mut operator, _) = Server::with_zones(1).await;
    let mut full = operator.admit_to_own_vault(&server, Role::Full).await;
    let device = operator.admit_to_own_vault(&server, Role::Append).await;
    full.follow(&operator);
    for owner in [&operator, &*full] {
        let source = new_source();
        set(&server, owner, source).await.expect_status(StatusCode::OK);
        back_up(&server, &device, source).await.expect_status(StatusCode::OK);
        let source = new_source();
        back_up(&server, owner, source).await.expect_status(StatusCode::OK);
        back_up(&server, &device, source).await.expect_code(ErrorCode::InvalidEnvelope);
        set(&server, &device, source).await.expect_code(ErrorCode::InvalidEnvelope);
    }
}

#[tokio::test]
async fn a_closed_source_takes_nothing_more() {
    let (server, mut operator, _) = Server::with_zones(1).await;
    let device = operator.admit_to_own_vault(&server, Role::Append).await;
    let source = new_source();
    back_up(&server, &device, source).await.expect_status(StatusCode::OK);
    let by_device = device.append(&server, Kind::SourceClosed, source).await.refusal();
    assert_eq!(by_device, "InvalidEnvelope: breaks a rule: the device's role does not allow this");
    operator.append(&server, Kind::SourceClosed, source).await.expect_status(StatusCode::OK);
    let refusals = [
        back_up(&server, &device, source).await.refusal(),
        set(&server, &device, source).await.refusal(),
        back_up(&server, &operator, source).await.refusal(),
        set(&server, &operator, source).await.refusal(),
        operator.append(&server, Kind::SourceClosed, source).await.refusal(),
    ];
    assert_eq!(refusals, ["InvalidEnvelope: the source is closed"; 5]);
    assert!(list(&server, &operator).await[0].closed);
}

#[tokio::test]
async fn partial_snapshots_end_with_the_first_complete_one() {
    let (server, mut operator, _) = Server::with_zones(1).await;
    let device = operator.admit(&server, Role::Append).await;
    let (source, partial) = (new_source(), SnapshotFlags { partial: true, ..SnapshotFlags::default() });
    set(&server, &device, source).await.expect_status(StatusCode::OK);
    for _ in 0..2 {
        snapshot(&server, &device, source, partial).await.expect_status(StatusCode::OK);
    }
    back_up(&server, &device, source).await.expect_status(StatusCode::OK);
    snapshot(&server, &device, source, partial).await.expect_code(ErrorCode::InvalidEnvelope);
}

#[tokio::test]
async fn only_snapshots_have_references() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let device = operator.admit(&server, Role::Append).await;
    let place = device.next(&server).await;
    let commits = [
        (&*device, device.commit(Kind::SourceSettings, Some(device.source), place, &references(&[(1, 1)]))),
        (
            &operator,
            operator.commit(Kind::Settings, None, operator.next(&server).await, &references(&[(1, 1)])),
        ),
        (
            &operator,
            operator.commit(
                Kind::SourceClosed,
                Some(operator.source),
                operator.next(&server).await,
                &references(&[(1, 1)]),
            ),
        ),
    ];
    for (caller, commit) in commits {
        let refusal = caller.append_settings(&server, commit).await.refusal();
        assert_eq!(refusal, "InvalidEnvelope: only a snapshot has references");
    }
}

#[tokio::test]
async fn a_source_is_listed_from_its_settings_on() {
    let (server, mut operator, nodes) = Server::with_zones(1).await;
    let device = operator.admit(&server, Role::Append).await;
    set(&server, &device, device.source).await.expect_status(StatusCode::OK);
    let known = list(&server, &device).await.remove(0);
    assert_eq!((known.source, known.newest, known.snapshots), (device.source, None, 0));
    assert_eq!((known.proven_ms, known.overdue, known.closed, known.blobs), (None, false, false, 0));
    let committed = device.back_up(&server, &nodes, &[(1, 1)]).await;
    set(&server, &device, device.source).await.expect_status(StatusCode::OK);
    let backed_up = list(&server, operator_in(&mut operator, &device)).await.remove(0);
    let newest = backed_up.newest.unwrap();
    assert_eq!((newest.seq, newest.received_ms), (committed.seq, committed.received_ms));
    assert_eq!((backed_up.since_ms, backed_up.snapshots, backed_up.blobs), (known.since_ms, 1, 1));
}

/// The owner, looking at the device's vault.
fn operator_in<'a>(owner: &'a mut Registered, device: &Registered) -> &'a Registered {
    owner.person.vault = device.vault;
    owner
}

#[tokio::test]
async fn a_devices_open_source_without_a_new_snapshot_becomes_overdue() {
    let options =
        Options { registration: Some(Registration::Open), overdue_after: Some(3600), ..Options::default() };
    let server = Server::start_with(options).await;
    let mut operator = server.register_operator().await;
    crate::support::Node::up(&server, "zone").await;
    let device = operator.admit_to_own_vault(&server, Role::Append).await;
    let overdue = async || -> Vec<bool> {
        list(&server, &operator).await.iter().map(|source| source.overdue).collect()
    };
    set(&server, &device, device.source).await.expect_status(StatusCode::OK);
    assert_eq!(overdue().await, [false]);
    server.sql("UPDATE sources SET since = since - interval '61 minutes'").await;
    assert_eq!(overdue().await, [true], "nothing came since it was set up");
    back_up(&server, &device, device.source).await.expect_status(StatusCode::OK);
    assert_eq!(overdue().await, [false]);
    server.sql("UPDATE commits SET received_at = received_at - interval '61 minutes'").await;
    assert_eq!(overdue().await, [true]);
    operator.append(&server, Kind::SourceClosed, device.source).await.expect_status(StatusCode::OK);
    assert_eq!(overdue().await, [false], "nothing is expected of a closed source");
    // Nor of the uploads by hand.
    back_up(&server, &operator, operator.source).await.expect_status(StatusCode::OK);
    server.sql("UPDATE commits SET received_at = received_at - interval '61 minutes'").await;
    assert_eq!(overdue().await, [false, false]);
}

#[tokio::test]
async fn a_full_devices_source_becomes_overdue_once_it_has_backed_it_up() {
    let options =
        Options { registration: Some(Registration::Open), overdue_after: Some(3600), ..Options::default() };
    let server = Server::start_with(options).await;
    let mut operator = server.register_operator().await;
    crate::support::Node::up(&server, "zone").await;
    let device = operator.admit_to_own_vault(&server, Role::Full).await;
    let overdue = async || list(&server, &operator).await.iter().any(|source| source.overdue);
    back_up(&server, &device, device.source).await.expect_status(StatusCode::OK);
    assert!(!overdue().await);
    server.sql("UPDATE commits SET received_at = received_at - interval '61 minutes'").await;
    assert!(overdue().await);
    // What a person does by hand is not expected again.
    back_up(&server, &operator, device.source).await.expect_status(StatusCode::OK);
    server.sql("UPDATE commits SET received_at = received_at - interval '61 minutes'").await;
    assert!(!overdue().await);
}

#[tokio::test]
async fn a_proof_is_shown_and_is_a_devices_own() {
    let (server, mut operator, _) = Server::with_zones(1).await;
    let device = operator.admit_to_own_vault(&server, Role::Append).await;
    back_up(&server, &device, device.source).await.expect_status(StatusCode::OK);
    back_up(&server, &operator, operator.source).await.expect_status(StatusCode::OK);
    let prove = async |caller: &Registered, source: SourceId| {
        caller.send(&server, routes::PROVE_SOURCE, &[&operator.vault, &source], &()).await
    };
    prove(&device, operator.source).await.expect_code(ErrorCode::Forbidden);
    prove(&device, new_source()).await.expect_code(ErrorCode::NotFound);
    assert!(list(&server, &operator).await.iter().all(|source| source.proven_ms.is_none()));
    prove(&device, device.source).await.expect_status(StatusCode::NO_CONTENT);
    prove(&operator, operator.source).await.expect_status(StatusCode::NO_CONTENT);
    for source in list(&server, &operator).await {
        assert!(source.proven_ms >= source.newest.map(|newest| newest.received_ms));
    }
}
