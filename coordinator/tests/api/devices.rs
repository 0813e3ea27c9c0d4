//! What a device may do once it is admitted: signing in, its keys, and its limits.

use coordinator::random;
use protocol::blob_list::{SizedBlob, pack_ids, pack_sized};
use protocol::blobs::LocateRequest;
use protocol::bytes::Base64;
use protocol::commits::AppendCommitRequest;
use protocol::devices::{DeviceKeysResponse, DevicesResponse};
use protocol::envelope::commit::{Kind, SnapshotFlags};
use protocol::envelope::device_certificate::Role;
use protocol::error::ErrorCode;
use protocol::id::{IdempotencyKey, UploadId, VaultId};
use protocol::messages::{Direction, Message};
use protocol::routes::{Caller, Route, coordinator as routes};
use protocol::uploads::{CommitUploadRequest, OpenUploadRequest, PlanRequest, ReceiptsRequest};
use reqwest::{RequestBuilder, StatusCode};

use crate::support::{
    Admission, Answer, Device, Registered, Server, blob_id, references, seal, sign_in, sign_in_header,
};

#[tokio::test]
async fn a_signature_signs_in_once_and_in_time() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let device = operator.admit(&server, Role::Append).await;
    let now_ms = server.state.clock.now_ms();
    let sign = |time_ms| sign_in_header(&server, &device.key, device.id, time_ms);
    let good = sign(now_ms);
    sign_in(&server, &good).await.expect_status(StatusCode::OK);
    let refusals = [
        sign_in(&server, &good).await.refusal(),
        sign_in(&server, &sign(now_ms - 121_000)).await.refusal(),
        sign_in(&server, &sign(now_ms + 180_000)).await.refusal(),
    ];
    insta::assert_debug_snapshot!(refusals, @r#"
    [
        "Unauthenticated: the request was sent before",
        "Unauthenticated: this machine's clock differs from the server's by more than two minutes",
        "Unauthenticated: this machine's clock differs from the server's by more than two minutes",
    ]
    "#);
}

#[tokio::test]
async fn a_certificate_admits_only_between_its_dates() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    for (not_before, not_after) in [(0, 1), (u64::MAX - 1, u64::MAX)] {
        let mut admission = Admission::new(&operator, Role::Append, true);
        admission.certificate.not_before = not_before;
        admission.certificate.not_after = not_after;
        *admission.body.certificates.last_mut().unwrap() =
            admission.certificate.issue(&operator.identity).unwrap();
        admission.open(&server, &operator).await.expect_status(StatusCode::CREATED);
        admission.ask(&server).await.expect_status(StatusCode::NO_CONTENT);
        let request = admission.request(&operator);
        admission.grant(&server, &operator, &request).await.expect_status(StatusCode::NO_CONTENT);
        operator.person.adopt(request.account_state.0, admission.body.clone());
        let refusal = sign_in(&server, &admission.authorization(&server)).await.refusal();
        assert_eq!(refusal, "NotAdmitted: the device's certificate is not in force now");
    }
}

#[tokio::test]
async fn a_device_gets_its_keys_and_its_owner_sees_it() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let admission = Admission::new(&operator, Role::Append, true);
    let (keys, wrap) = (admission.grant.vault_keys.clone(), admission.device_wrap.clone());
    let device = operator.admit_with(&server, admission).await;
    let answer: DeviceKeysResponse = device.get(&server, routes::DEVICE_KEYS, &[]).await.json();
    assert_eq!(answer.vault_keys, keys);
    let listed: DevicesResponse = operator.get(&server, routes::DEVICES, &[]).await.json();
    let [status] = &listed.devices[..] else { panic!("one device: {listed:?}") };
    assert_eq!((status.device, &status.device_wrap.0, status.online), (device.id, &wrap, false));
    assert!(status.last_seen_ms >= Some(status.enrolled_ms));
    let state = device.get(&server, routes::ACCOUNT_STATE, &[&1]).await.expect_status(StatusCode::OK);
    assert_eq!(state.body, operator.newest_state);
}

#[tokio::test]
async fn an_agent_backs_its_folder_up_and_reads_it_back() {
    let (server, mut operator, nodes) = Server::with_zones(2).await;
    let device = operator.admit(&server, Role::Append).await;
    device.append(&server, Kind::SourceSettings, device.source).await.expect_status(StatusCode::OK);
    let answer = device.back_up(&server, &nodes, &[(1, 1), (2, 3)]).await;
    assert_eq!(answer.seq, 2);
    let request = LocateRequest { blobs: pack_ids(&[blob_id(1), blob_id(2)]) };
    let located: protocol::blobs::LocateResponse =
        device.send(&server, routes::LOCATE, &[&device.vault], &request).await.json();
    assert_eq!((located.groups.len(), located.missing), (1, pack_ids(&[])));
}

#[tokio::test]
async fn a_device_commits_only_what_it_signed_itself() {
    let (server, mut operator, _) = Server::with_zones(1).await;
    let device = operator.admit_to_own_vault(&server, Role::Full).await;
    let other = operator.admit_to_own_vault(&server, Role::Full).await;
    let place = operator.next(&server).await;
    let refusals = [
        device.append_settings(&server, operator.commit(Kind::Settings, None, place, &[])).await.refusal(),
        device.append_settings(&server, other.commit(Kind::Settings, None, place, &[])).await.refusal(),
    ];
    assert_eq!(refusals, ["Forbidden: a device commits what it signed itself"; 2]);
}

/// Every shared route that is about a vault or an upload, as a request of the right form.
fn requests(
    server: &Server,
    caller: &Device,
    (vault, upload): (VaultId, UploadId),
    owner: &Registered,
) -> Vec<(Route, RequestBuilder)> {
    let key = random::id(IdempotencyKey::from_bytes);
    let snapshot = || Base64(owner.snapshot(1, [1; 32], SnapshotFlags::default(), &[]));
    let shared = routes::ALL.iter().filter(|route| route.caller == Caller::SessionOrDevice);
    shared
        .filter(|route| ![routes::ACCOUNT_STATE, routes::EVENTS].contains(route))
        .map(|route| {
            let call = |values: &[&dyn std::fmt::Display]| caller.call(server, *route, values);
            let request = match *route {
                routes::COMMITS => server
                    .get(&format!("{}?from=0", route.fill(&[&vault])))
                    .header(caller.credentials.0, &caller.credentials.1),
                routes::APPEND_COMMIT => call(&[&vault]).json(&AppendCommitRequest {
                    envelope: Base64(owner.settings(1, [1; 32])),
                    key,
                    list: None,
                    staged: None,
                }),
                routes::SOURCES | routes::SNAPSHOTS => call(&[&vault]),
                routes::PROVE_SOURCE => call(&[&vault, &owner.source]),
                routes::SEND_MESSAGE => call(&[&vault]).json(&Message {
                    vault,
                    device: caller.id,
                    direction: Direction::FromDevice,
                    counter: 1,
                    sealed: Base64(seal(1)),
                }),
                routes::LOCATE => call(&[&vault]).json(&LocateRequest { blobs: pack_ids(&[blob_id(1)]) }),
                routes::OPEN_UPLOAD => call(&[&vault]).json(&OpenUploadRequest { key, removes: false }),
                routes::PLAN => call(&[&upload]).json(&PlanRequest {
                    blobs: pack_sized(&[SizedBlob { id: blob_id(1), size: 4160 }]),
                    again: false,
                }),
                routes::RECEIPTS => call(&[&upload]).json(&ReceiptsRequest { receipts: Vec::new() }),
                routes::REFS => call(&[&upload, &0]).body(protocol::refs::pack(&references(&[(1, 1)]))),
                routes::COMMIT_UPLOAD => {
                    call(&[&upload]).json(&CommitUploadRequest { envelope: snapshot(), key })
                }
                other => panic!("{other:?} is new: say what a device may do there"),
            };
            (*route, request)
        })
        .collect()
}

#[tokio::test]
async fn what_is_not_in_a_devices_certificate_does_not_exist_for_it() {
    let (server, mut operator, nodes) = Server::with_zones(1).await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    let upload = operator.open(&server).await;
    let mut stranger = server.register_member("other").await;
    let devices =
        [operator.admit(&server, Role::Full).await, stranger.admit_to_own_vault(&server, Role::Full).await];
    for device in &devices {
        for (route, request) in requests(&server, device, (operator.vault, upload), &operator) {
            let code =
                if route.path.contains("{upload}") { ErrorCode::UploadExpired } else { ErrorCode::NotFound };
            Answer::read(request).await.expect_code(code);
        }
    }
}

#[tokio::test]
async fn a_device_that_only_reads_changes_nothing() {
    let (server, mut operator, nodes) = Server::with_zones(1).await;
    operator.back_up(&server, &nodes, &[(1, 1)]).await;
    let upload = operator.open(&server).await;
    let device = operator.admit_to_own_vault(&server, Role::ReadOnly).await;
    let reads = [routes::COMMITS, routes::SOURCES, routes::SNAPSHOTS, routes::LOCATE, routes::SEND_MESSAGE];
    for (route, request) in requests(&server, &device, (operator.vault, upload), &operator) {
        let answer = Answer::read(request).await;
        if reads.contains(&route) {
            assert!(answer.status.is_success(), "{route:?}: {answer:?}");
        } else {
            answer.expect_code(ErrorCode::Forbidden);
        }
    }
}
