//! How a device that knows a link becomes one of the account's.

use coordinator::random;
use protocol::bytes::Base64;
use protocol::devices::{EnrolmentGrantResponse, EnrolmentRequestResponse, GrantEnrolmentRequest};
use protocol::envelope::device_certificate::Role;
use protocol::error::ErrorCode;
use protocol::id::{DeviceId, EnrolmentId, VaultId};
use protocol::limits::ENROLMENTS_MAX;
use protocol::routes::coordinator as routes;
use protocol::signature::{PublicKey, SigningKey};
use protocol::vaults::VaultsResponse;
use reqwest::StatusCode;

use crate::support::{Admission, Answer, Registered, Server, seal};

async fn requested(server: &Server, owner: &Registered, enrolment: EnrolmentId) -> Answer {
    owner.get(server, routes::ENROLMENT_REQUEST, &[&enrolment]).await
}

async fn granted(server: &Server, enrolment: EnrolmentId) -> Answer {
    Answer::read(server.call(routes::ENROLMENT_GRANT, &[&enrolment])).await
}

/// An enrolment in which the device has asked.
async fn asked(server: &Server, owner: &Registered) -> Admission {
    let admission = Admission::new(owner, Role::Append, true);
    admission.open(server, owner).await.expect_status(StatusCode::CREATED);
    admission.ask(server).await.expect_status(StatusCode::NO_CONTENT);
    admission
}

#[tokio::test]
async fn a_device_asks_is_admitted_and_is_told() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let admission = Admission::new(&operator, Role::Append, true);
    for _ in 0..2 {
        admission.open(&server, &operator).await.expect_status(StatusCode::CREATED);
    }
    let nobody: EnrolmentRequestResponse = requested(&server, &operator, admission.enrolment).await.json();
    assert_eq!(nobody.request, None);
    for _ in 0..2 {
        admission.ask(&server).await.expect_status(StatusCode::NO_CONTENT);
    }
    let device: EnrolmentRequestResponse = requested(&server, &operator, admission.enrolment).await.json();
    assert_eq!(device.request, Some(admission.asked.clone()));
    let waiting: EnrolmentGrantResponse = granted(&server, admission.enrolment).await.json();
    assert_eq!(waiting.grant, None);

    let request = admission.request(&operator);
    for _ in 0..2 {
        admission.grant(&server, &operator, &request).await.expect_status(StatusCode::NO_CONTENT);
    }
    let told: EnrolmentGrantResponse = granted(&server, admission.enrolment).await.json();
    assert_eq!(told.grant, Some(admission.grant.clone()));
    let vaults: VaultsResponse = operator.get(&server, routes::VAULTS, &[]).await.json();
    assert_eq!(
        vaults.vaults.iter().map(|entry| entry.vault).collect::<Vec<_>>(),
        [operator.vault, admission.new_vault.unwrap()]
    );
    let otherwise = GrantEnrolmentRequest { device_wrap: Base64(seal(0)), ..request };
    admission.grant(&server, &operator, &otherwise).await.expect_code(ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_link_is_good_for_one_device() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let admission = asked(&server, &operator).await;
    let mut thief = admission.asked.clone();
    thief.public_key = PublicKey::of(&SigningKey::from_bytes(&random::bytes()));
    admission.ask_as(&server, &thief).await.expect_code(ErrorCode::Forbidden);
    let device: EnrolmentRequestResponse = requested(&server, &operator, admission.enrolment).await.json();
    assert_eq!(device.request, Some(admission.asked));
}

#[tokio::test]
async fn of_two_devices_that_ask_at_once_one_is_heard() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let admission = Admission::new(&operator, Role::Append, true);
    admission.open(&server, &operator).await.expect_status(StatusCode::CREATED);
    let mut other = admission.asked.clone();
    other.host = "other".into();
    let (a, b) = tokio::join!(admission.ask(&server), admission.ask_as(&server, &other));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::NO_CONTENT, StatusCode::FORBIDDEN]);
}

#[tokio::test]
async fn an_enrolment_is_its_accounts_and_goes_away() {
    let (server, operator, _) = Server::with_zones(0).await;
    let other = server.register_member("other").await;
    let admission = asked(&server, &operator).await;
    requested(&server, &other, admission.enrolment).await.expect_code(ErrorCode::NotFound);
    let request = admission.request(&operator);
    admission.grant(&server, &other, &request).await.expect_code(ErrorCode::NotFound);
    admission.open(&server, &other).await.expect_code(ErrorCode::InvalidRequest);

    server.sql("UPDATE enrolments SET expires_at = now()").await;
    admission.ask(&server).await.expect_code(ErrorCode::NotFound);
    requested(&server, &operator, admission.enrolment).await.expect_code(ErrorCode::NotFound);
    granted(&server, admission.enrolment).await.expect_code(ErrorCode::NotFound);
    admission.grant(&server, &operator, &request).await.expect_code(ErrorCode::NotFound);
    Admission::new(&operator, Role::Append, true).open(&server, &operator).await;
    assert_eq!(server.sql_value("SELECT count(*)::text FROM enrolments").await, "1");
}

#[tokio::test]
async fn sixteen_enrolments_are_open_at_a_time() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    for _ in 0..ENROLMENTS_MAX {
        let admission = Admission::new(&operator, Role::Append, true);
        admission.open(&server, &operator).await.expect_status(StatusCode::CREATED);
    }
    let one_more = Admission::new(&operator, Role::Append, true).open(&server, &operator).await;
    one_more.expect_code(ErrorCode::TooManyRequests);
}

#[tokio::test]
async fn thirty_failed_requests_make_a_network_wait() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let guess = Admission::new(&operator, Role::Append, true);
    for _ in 0..30 {
        guess.ask(&server).await.expect_code(ErrorCode::NotFound);
    }
    let real = Admission::new(&operator, Role::Append, true);
    real.open(&server, &operator).await.expect_status(StatusCode::CREATED);
    real.ask(&server).await.expect_code(ErrorCode::TooManyRequests);
    let elsewhere =
        server.call_from([127, 0, 1, 1], routes::REQUEST_ENROLMENT, &[&real.enrolment]).json(&real.asked);
    Answer::read(elsewhere).await.expect_status(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_host_has_a_name_that_can_be_shown() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let admission = Admission::new(&operator, Role::Append, true);
    admission.open(&server, &operator).await.expect_status(StatusCode::CREATED);
    for host in [String::new(), "a".repeat(256), "bell\u{7}".into()] {
        let mut asked = admission.asked.clone();
        asked.host = host;
        admission.ask_as(&server, &asked).await.expect_code(ErrorCode::InvalidRequest);
    }
}

/// What becomes of an admission in which something was changed.
async fn refuse(server: &Server, owner: &Registered, change: impl FnOnce(&mut Admission)) -> String {
    let mut admission = asked(server, owner).await;
    change(&mut admission);
    let request = admission.request(owner);
    admission.grant(server, owner, &request).await.refusal()
}

#[tokio::test]
async fn a_grant_admits_exactly_who_asked_with_all_its_keys() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let first = operator.admit(&server, Role::Append).await;
    let identity = operator.identity.clone();
    let issue = |admission: &mut Admission| {
        *admission.body.certificates.last_mut().unwrap() = admission.certificate.issue(&identity).unwrap();
    };
    let vault = operator.vault;
    let refusals = [
        refuse(&server, &operator, |a| drop(a.body.certificates.pop())).await,
        refuse(&server, &operator, |a| {
            a.certificate.device = random::id(DeviceId::from_bytes);
            issue(a);
        })
        .await,
        refuse(&server, &operator, |a| {
            a.certificate.public_key = PublicKey::of(&first.key);
            issue(a);
        })
        .await,
        refuse(&server, &operator, |a| drop(a.body.certificates.remove(0))).await,
        refuse(&server, &operator, |a| a.body.revoked.push(random::id(DeviceId::from_bytes))).await,
        refuse(&server, &operator, |a| a.grant.vault_keys.clear()).await,
        refuse(&server, &operator, |a| a.grant.vault_keys.push(a.grant.vault_keys[0].clone())).await,
        refuse(&server, &operator, |a| a.grant.vault_keys[0].vault = vault).await,
        refuse(&server, &operator, |a| a.grant.vault_keys[0].epoch = 2).await,
        refuse(&server, &operator, |a| a.grant.vault_keys[0].wrap.0.truncate(91)).await,
        refuse(&server, &operator, |a| a.device_wrap.truncate(91)).await,
        refuse(&server, &operator, |a| a.new_vault = None).await,
        refuse(&server, &operator, |a| a.body.vault_keys.truncate(2)).await,
        refuse(&server, &operator, |a| {
            let vault = random::id(VaultId::from_bytes);
            a.certificate.vaults.push(vault);
            issue(a);
            a.grant.vault_keys.push(protocol::devices::DeviceVaultKey {
                vault,
                epoch: 1,
                wrap: Base64(seal(1)),
            });
        })
        .await,
    ];
    insta::assert_debug_snapshot!(refusals, @r#"
    [
        "InvalidEnvelope: the state changes devices other than the one that asked",
        "InvalidEnvelope: the state has no certificate of the device and key that asked",
        "InvalidEnvelope: the state has no certificate of the device and key that asked",
        "InvalidEnvelope: the state changes devices other than the one that asked",
        "InvalidEnvelope: the state changes devices other than the one that asked",
        "InvalidRequest: the keys are not one for each vault of the certificate",
        "InvalidRequest: the keys are not one for each vault of the certificate",
        "InvalidRequest: the keys are not one for each vault of the certificate",
        "InvalidEnvelope: a device's key is not of the newest epoch that the state lists",
        "InvalidRequest: what is sealed has a size that it cannot have",
        "InvalidRequest: what is sealed has a size that it cannot have",
        "InvalidEnvelope: the state lists other new keys than that of the new vault",
        "InvalidEnvelope: the state lists other new keys than that of the new vault",
        "InvalidEnvelope: a device's key is not of the newest epoch that the state lists",
    ]
    "#);
    // Nothing of all this was left behind.
    operator.admit(&server, Role::Append).await;
}

#[tokio::test]
async fn nobody_is_admitted_who_has_not_asked() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let admission = Admission::new(&operator, Role::Append, true);
    admission.open(&server, &operator).await.expect_status(StatusCode::CREATED);
    let request = admission.request(&operator);
    admission.grant(&server, &operator, &request).await.expect_code(ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn of_two_admissions_at_once_one_wins_and_the_other_can_be_made_again() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let (a, b) = (asked(&server, &operator).await, asked(&server, &operator).await);
    let (to_a, to_b) = (a.request(&operator), b.request(&operator));
    let (first, second) =
        tokio::join!(a.grant(&server, &operator, &to_a), b.grant(&server, &operator, &to_b));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::NO_CONTENT, StatusCode::CONFLICT]);
    let (winner, request) = if first.status.is_success() { (a, to_a) } else { (b, to_b) };
    operator.person.adopt(request.account_state.0, winner.body);
    operator.admit(&server, Role::Append).await;
}
