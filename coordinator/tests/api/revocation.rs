//! Revoking a device.

use coordinator::random;
use protocol::bytes::Base64;
use protocol::devices::{DeviceKeysResponse, RevokeDeviceRequest};
use protocol::envelope::account_state::{AccountStateBody, VaultKeyRow};
use protocol::envelope::commit::Kind;
use protocol::envelope::device_certificate::Role;
use protocol::error::ErrorCode;
use protocol::id::{DeviceId, VaultId};
use protocol::routes::coordinator as routes;
use protocol::vaults::VaultsResponse;
use reqwest::StatusCode;

use crate::support::{Device, Events, Registered, Server, sign_in, sign_in_header};

#[tokio::test]
async fn a_revoked_device_is_out_at_once() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let mut device = operator.admit(&server, Role::Append).await;
    let mut events = Events::open(&server, &device).await;
    device.get(&server, routes::DEVICE_KEYS, &[]).await.expect_status(StatusCode::OK);
    operator.revoke(&server, device.id).await;
    events.until_end().await;
    device.get(&server, routes::DEVICE_KEYS, &[]).await.expect_code(ErrorCode::Unauthenticated);
    let signed = sign_in_header(&server, &device.key, device.id, server.state.clock.now_ms());
    sign_in(&server, &signed).await.expect_code(ErrorCode::NotAdmitted);
    // Nor does a signature of its own get in by somebody else's session.
    device.follow(&operator);
    operator.person.vault = device.vault;
    let place = operator.next(&server).await;
    let commit = device.commit(Kind::SourceSettings, Some(device.source), place, &[]);
    let refusal = operator.append_settings(&server, commit).await.refusal();
    assert_eq!(refusal, "InvalidEnvelope: breaks a rule: the device is not in the account state");
}

#[tokio::test]
async fn its_vaults_get_new_keys_and_history_stays() {
    let (server, mut operator, nodes) = Server::with_zones(1).await;
    let mut stays = operator.admit_to_own_vault(&server, Role::Full).await;
    let goes = operator.admit_to_own_vault(&server, Role::Full).await;
    goes.back_up(&server, &nodes, &[(1, 1)]).await;
    let (request, body) = operator.revocation(goes.id);
    for _ in 0..2 {
        operator.send_revocation(&server, &request).await.expect_status(StatusCode::NO_CONTENT);
    }
    let wrap = request.device_keys[0].key.clone();
    operator.person.adopt(request.account_state.0, body);
    let keys: DeviceKeysResponse = stays.get(&server, routes::DEVICE_KEYS, &[]).await.json();
    assert_eq!(keys.vault_keys, [wrap]);
    let vaults: VaultsResponse = operator.get(&server, routes::VAULTS, &[]).await.json();
    assert_eq!(vaults.vaults[0].keys.iter().map(|key| key.epoch).collect::<Vec<_>>(), [1, 2]);
    // What the device wrote stays, and who remains goes on under the new key.
    stays.follow(&operator);
    assert_eq!(stays.back_up(&server, &nodes, &[(1, 1)]).await.seq, 2);
}

/// What becomes of a revocation in which something was changed.
async fn refuse(
    server: &Server,
    owner: &Registered,
    device: &Device,
    change: impl FnOnce(&mut RevokeDeviceRequest, &mut AccountStateBody),
) -> String {
    let (mut request, mut body) = owner.revocation(device.id);
    change(&mut request, &mut body);
    request.account_state = Base64(owner.next_state(&body));
    owner.send_revocation(server, &request).await.refusal()
}

#[tokio::test]
async fn a_revocation_is_of_one_device_with_all_its_new_keys() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let stays = operator.admit_to_own_vault(&server, Role::Full).await;
    let device = operator.admit_to_own_vault(&server, Role::Append).await;
    let other_vault = VaultKeyRow { vault: random::id(VaultId::from_bytes), epoch: 1, digest: [1; 32] };
    let refusals = [
        refuse(&server, &operator, &device, |_, body| body.revoked.clear()).await,
        refuse(&server, &operator, &device, |_, body| {
            body.revoked.push(random::id(DeviceId::from_bytes));
        })
        .await,
        refuse(&server, &operator, &device, |_, body| {
            body.revoked = vec![random::id(DeviceId::from_bytes)];
        })
        .await,
        refuse(&server, &operator, &device, |_, body| body.certificates.clear()).await,
        refuse(&server, &operator, &device, |_, body| body.vault_keys.truncate(1)).await,
        refuse(&server, &operator, &device, |_, body| body.vault_keys.push(other_vault)).await,
        refuse(&server, &operator, &device, |request, _| request.vault_keys.clear()).await,
        refuse(&server, &operator, &device, |request, _| request.vault_keys[0].key.epoch = 1).await,
        refuse(&server, &operator, &device, |request, _| request.device_keys.clear()).await,
        refuse(&server, &operator, &device, |request, _| {
            request.device_keys[0].device = device.id;
        })
        .await,
        refuse(&server, &operator, &device, |request, _| request.device_keys[0].key.epoch = 1).await,
    ];
    insta::assert_debug_snapshot!(refusals, @r#"
    [
        "InvalidEnvelope: the state does not revoke exactly one device",
        "InvalidEnvelope: the state does not revoke exactly one device",
        "InvalidEnvelope: the device was not in force",
        "InvalidEnvelope: the state changes other devices than the one it revokes",
        "InvalidEnvelope: a vault that the device knew has no new key",
        "InvalidEnvelope: a revocation lists no new vault",
        "InvalidRequest: the keys are not one for each that the state lists anew",
        "InvalidRequest: the keys are not one for each that the state lists anew",
        "InvalidRequest: the keys are not one for each device that remains and vault with a new key",
        "InvalidRequest: the keys are not one for each device that remains and vault with a new key",
        "InvalidEnvelope: a device's key is not of the newest epoch that the state lists",
    ]
    "#);
    for device in [&stays, &device] {
        device.get(&server, routes::DEVICE_KEYS, &[]).await.expect_status(StatusCode::OK);
    }
    operator.revoke(&server, device.id).await;
}
