//! Devices: signing in, their keys, and revocation.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::NoContent;
use protocol::audit_log::AuditEvent;
use protocol::devices::{
    DeviceKeysResponse, DeviceLoginResponse, DeviceVaultKey, DevicesResponse, RevokeDeviceRequest,
};
use protocol::envelope::account_state::{AccountState, VaultKeyRow};
use protocol::envelope::device_certificate::DeviceCertificate;
use protocol::id::{DeviceId, VaultId};
use protocol::limits::DEVICE_SESSION_SECONDS;
use sqlx::PgConnection;

use super::account_states::{Next, newest};
use super::seals::check_device_key;
use super::{Json, vaults};
use crate::auth::{ClientAddress, Session, SteppedUp};
use crate::db::{self, AccountKey};
use crate::device_auth::{Device, DeviceSignature};
use crate::error::{ApiResult, broken_rule, invalid, not_found};
use crate::events::News;
use crate::random;
use crate::state::{AppState, commit};

/// Signs a device in.
pub async fn open_device_session(
    State(state): State<AppState>,
    DeviceSignature(device): DeviceSignature,
) -> ApiResult<axum::Json<DeviceLoginResponse>> {
    let token = random::token();
    let mut tx = state.begin().await?;
    db::device_sessions::insert(&mut tx, &random::token_hash(&token), device.key).await?;
    db::devices::touch(&mut tx, device.key).await?;
    let account_state = newest(&mut tx, device.account, &device.identity).await?;
    commit(tx).await?;
    Ok(axum::Json(DeviceLoginResponse {
        token,
        expires_in_s: DEVICE_SESSION_SECONDS,
        account: account_state.account,
        account_state_seq: account_state.seq,
    }))
}

/// The calling device's wrapped keys.
pub async fn list_device_keys(
    State(state): State<AppState>,
    device: Device,
) -> ApiResult<axum::Json<DeviceKeysResponse>> {
    let vault_keys = db::devices::list_keys(&mut *state.connection().await?, device.key).await?;
    Ok(axum::Json(DeviceKeysResponse { vault_keys }))
}

/// The account's devices.
pub async fn list_devices(
    State(state): State<AppState>,
    session: Session,
) -> ApiResult<axum::Json<DevicesResponse>> {
    let devices = db::devices::list(&mut *state.connection().await?, session.account).await?;
    Ok(axum::Json(DevicesResponse { devices }))
}

/// Revokes a device: the state without it, new keys for the owner and for the devices that remain, all or nothing.
/// Its sessions and event streams end at once. The same again gets the same answer.
pub async fn revoke_device(
    State(state): State<AppState>,
    session: SteppedUp,
    address: ClientAddress,
    Json(request): Json<RevokeDeviceRequest>,
) -> ApiResult<NoContent> {
    let session = session.session();
    let mut tx = state.begin().await?;
    // Only a revocation adds a state that revokes, so that a stored one has its keys too.
    if db::account_states::newest(&mut tx, session.account).await? == request.account_state.0 {
        return Ok(NoContent);
    }
    let next = Next::check(&mut tx, session, request.account_state.0.clone()).await?;
    let revoked = check_revocation(&next)?;
    let rows = new_rows(&next);
    check_owner_keys(&revoked.vaults, &rows, &next, &request)?;
    check_device_keys(&rows, &next.state, &request)?;
    for new in &request.vault_keys {
        let vault = db::vaults::find(&mut tx, session.account, &new.vault).await?.ok_or_else(not_found)?;
        vaults::insert_key(&mut tx, vault, &new.key).await?;
    }
    for other in &request.device_keys {
        put_key(&mut tx, session.account, &next.state, &other.device, &other.key).await?;
    }
    let device = revoked.device;
    db::devices::revoke(&mut tx, session.account, &device).await?;
    let (actor, about) = (address.actor(session), device.to_string());
    db::audit_log::note(&mut tx, actor, AuditEvent::DeviceRevoked, Some(&about)).await?;
    next.insert(&mut tx).await?;
    News::Devices { account: session.account.0 }.send(&mut tx).await?;
    commit(tx).await?;
    tracing::info!(%device, "a device was revoked");
    Ok(NoContent)
}

/// The device that the state revokes; it must be one, and the other certificates must stay.
fn check_revocation(next: &Next) -> ApiResult<DeviceCertificate> {
    let (before, after) = (&next.newest.body, &next.state.body);
    let added: Vec<_> = after.revoked.iter().filter(|device| !before.revoked.contains(device)).collect();
    let [device] = added[..] else { return Err(broken_rule("the state does not revoke exactly one device")) };
    let revoked = next.newest.device(device).ok_or_else(|| broken_rule("the device was not in force"))?;
    let kept = after.certificates.iter().all(|certificate| before.certificates.contains(certificate));
    if !kept || after.certificates.len() + 1 != before.certificates.len() {
        return Err(broken_rule("the state changes other devices than the one it revokes"));
    }
    Ok(revoked.clone())
}

/// The vault keys that the state lists for the first time.
fn new_rows(next: &Next) -> Vec<VaultKeyRow> {
    let known = &next.newest.body.vault_keys;
    next.state.body.vault_keys.iter().filter(|row| !known.contains(row)).cloned().collect()
}

/// A new epoch for each vault that the device knew, and the owner's copy of each new key.
fn check_owner_keys(
    vaults: &[VaultId],
    rows: &[VaultKeyRow],
    next: &Next,
    request: &RevokeDeviceRequest,
) -> ApiResult<()> {
    if !vaults.iter().all(|vault| rows.iter().any(|row| row.vault == *vault)) {
        return Err(broken_rule("a vault that the device knew has no new key"));
    }
    if rows.iter().any(|row| next.newest.newest_epoch(&row.vault).is_none()) {
        return Err(broken_rule("a revocation lists no new vault"));
    }
    let listed: BTreeSet<_> = rows.iter().map(|row| (row.vault, row.epoch)).collect();
    let given: BTreeSet<_> = request.vault_keys.iter().map(|new| (new.vault, new.key.epoch)).collect();
    if listed != given || given.len() != request.vault_keys.len() {
        return Err(invalid("the keys are not one for each that the state lists anew"));
    }
    Ok(())
}

/// Each device that remains gets the new key of each of its vaults that has one.
fn check_device_keys(
    rows: &[VaultKeyRow],
    state: &AccountState,
    request: &RevokeDeviceRequest,
) -> ApiResult<()> {
    let renewed: BTreeSet<VaultId> = rows.iter().map(|row| row.vault).collect();
    let of_device = |device: &DeviceCertificate| {
        let id = device.device;
        device.vaults.iter().filter(|vault| renewed.contains(vault)).map(move |vault| (id, *vault)).collect()
    };
    let needed: BTreeSet<(DeviceId, VaultId)> =
        state.devices.iter().flat_map(|device| -> Vec<_> { of_device(device) }).collect();
    let given: BTreeSet<_> =
        request.device_keys.iter().map(|other| (other.device, other.key.vault)).collect();
    if needed != given || given.len() != request.device_keys.len() {
        return Err(invalid("the keys are not one for each device that remains and vault with a new key"));
    }
    Ok(())
}

/// Stores a vault's keys for a device; they must go up to the newest epoch that the state lists.
pub(super) async fn put_key(
    conn: &mut PgConnection,
    account: AccountKey,
    state: &AccountState,
    device: &DeviceId,
    key: &DeviceVaultKey,
) -> ApiResult<()> {
    check_device_key(&key.wrap)?;
    if state.newest_epoch(&key.vault) != Some(key.epoch) {
        return Err(broken_rule("a device's key is not of the newest epoch that the state lists"));
    }
    let vault = db::vaults::find(conn, account, &key.vault).await?.ok_or_else(not_found)?;
    let epoch = i32::try_from(key.epoch).map_err(invalid)?;
    Ok(db::devices::put_key(conn, account, device, vault, epoch, &key.wrap.0).await?)
}
