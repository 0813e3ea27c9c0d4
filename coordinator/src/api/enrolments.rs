//! Enrolments: how a device that knows a link becomes one of the account's.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::NoContent;
use protocol::accounts::NewVault;
use protocol::audit_log::AuditEvent;
use protocol::bytes::Base64;
use protocol::devices::{
    EnrolmentGrant, EnrolmentGrantResponse, EnrolmentRequest, EnrolmentRequestResponse,
    GrantEnrolmentRequest, OpenEnrolmentRequest,
};
use protocol::digest::sha256;
use protocol::envelope::commit::CommitEnvelope;
use protocol::envelope::device_certificate::DeviceCertificate;
use protocol::error::ErrorCode;
use protocol::id::EnrolmentId;
use protocol::limits::{ENROLMENTS_MAX, HOST_NAME_BYTES_MAX};
use server::answers::Created;
use server::error::ApiError;
use sqlx::PgConnection;

use super::account_states::Next;
use super::seals::check_sealed_key;
use super::{Json, Path, devices, vaults};
use crate::attempts::EnrolmentAttempt;
use crate::auth::{ClientAddress, ClientNetwork, Session, SteppedUp};
use crate::db::enrolments::{EnrolmentRow, Opened};
use crate::db::{self, AccountKey};
use crate::error::{ApiResult, broken_rule, invalid, not_found};
use crate::events::News;
use crate::state::{AppState, commit};

/// Opens an enrolment; again, if its answer was lost.
pub async fn open_enrolment(
    State(state): State<AppState>,
    session: Session,
    Json(request): Json<OpenEnrolmentRequest>,
) -> ApiResult<Created> {
    let mut tx = state.begin().await?;
    let opened = db::enrolments::open(&mut tx, session.account, &request.enrolment).await?;
    commit(tx).await?;
    match opened {
        Opened::Open => Ok(Created),
        Opened::Taken => Err(invalid("this enrolment id is taken")),
        Opened::TooMany => {
            let why = format!("{ENROLMENTS_MAX} enrolments are open; use one, or wait until they are over");
            Err(ApiError::new(ErrorCode::TooManyRequests, why))
        }
    }
}

/// Takes a request to become a device. The first one uses the enrolment up; the same again gets the same answer.
pub async fn request_enrolment(
    State(state): State<AppState>,
    network: ClientNetwork,
    Path(id): Path<EnrolmentId>,
    Json(request): Json<EnrolmentRequest>,
) -> ApiResult<NoContent> {
    let attempt = EnrolmentAttempt::admit(&state, &network).await?;
    let host = &request.host;
    if host.is_empty() || host.len() > HOST_NAME_BYTES_MAX || host.chars().any(char::is_control) {
        return Err(invalid("a host's name is 1 to 255 bytes without control characters"));
    }
    let mut tx = state.begin().await?;
    let row = db::enrolments::lock(&mut tx, &id).await?.ok_or_else(not_found)?;
    match row.request {
        Some(earlier) if earlier == request => {}
        Some(_) => return Err(ApiError::new(ErrorCode::Forbidden, "another device has used this link")),
        None => {
            db::enrolments::set_request(&mut tx, &id, &request).await?;
            News::EnrolmentRequest { account: row.account.0, enrolment: id }.send(&mut tx).await?;
        }
    }
    attempt.forget(&mut tx).await?;
    commit(tx).await?;
    Ok(NoContent)
}

/// Who asked, once somebody did.
pub async fn find_enrolment_request(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<EnrolmentId>,
) -> ApiResult<axum::Json<EnrolmentRequestResponse>> {
    let row = db::enrolments::find(&mut *state.connection().await?, &id).await?;
    let row = own(row, session.account)?;
    Ok(axum::Json(EnrolmentRequestResponse { request: row.request }))
}

/// The grant, once it is given. Whoever knows the id may have it: it opens for the device alone.
pub async fn find_enrolment_grant(
    State(state): State<AppState>,
    Path(id): Path<EnrolmentId>,
) -> ApiResult<axum::Json<EnrolmentGrantResponse>> {
    let row = db::enrolments::find(&mut *state.connection().await?, &id).await?.ok_or_else(not_found)?;
    Ok(axum::Json(EnrolmentGrantResponse { grant: row.grant }))
}

/// Admits the device that asked: account state, its vault and its keys, all or nothing. The same again gets the same
/// answer.
pub async fn grant_enrolment(
    State(state): State<AppState>,
    session: SteppedUp,
    address: ClientAddress,
    Path(id): Path<EnrolmentId>,
    Json(request): Json<GrantEnrolmentRequest>,
) -> ApiResult<NoContent> {
    let session = session.session();
    let digest = sha256(&[&serde_json::to_vec(&request).map_err(anyhow::Error::new)?]);
    let mut tx = state.begin().await?;
    let row = own(db::enrolments::lock(&mut tx, &id).await?, session.account)?;
    if let Some(earlier) = row.grant_digest {
        if earlier == digest {
            return Ok(NoContent);
        }
        return Err(ApiError::new(ErrorCode::Forbidden, "the enrolment was granted otherwise"));
    }
    let device = row.request.ok_or_else(|| invalid("nobody has asked to become a device"))?;
    let next = Next::check(&mut tx, session, request.account_state.0.clone()).await?;
    let certificate = check_certificate(&next, &device)?;
    let vault = check_new_vault(&next, session, request.new_vault.as_ref())?;
    insert_device(&mut tx, session.account, certificate, &request.device_wrap).await?;
    if let Some((new, genesis)) = vault {
        vaults::insert_new(&mut tx, session.account, new, &genesis).await?;
    }
    insert_keys(&mut tx, session.account, &next, certificate.0, &request.grant).await?;
    next.insert(&mut tx).await?;
    db::enrolments::set_grant(&mut tx, &id, &request.grant, &digest).await?;
    let about = device.device.to_string();
    db::audit_log::note(&mut tx, address.actor(session), AuditEvent::DeviceEnrolled, Some(&about)).await?;
    News::Devices { account: session.account.0 }.send(&mut tx).await?;
    commit(tx).await?;
    tracing::info!(device = %device.device, "a device was admitted");
    Ok(NoContent)
}

/// The account's enrolment; another's does not exist.
fn own(row: Option<EnrolmentRow>, account: AccountKey) -> ApiResult<EnrolmentRow> {
    row.filter(|row| row.account == account).ok_or_else(not_found)
}

/// The state must add one certificate, for exactly the device and the key that asked, and change no other.
fn check_certificate<'a>(
    next: &'a Next,
    device: &EnrolmentRequest,
) -> ApiResult<(&'a DeviceCertificate, &'a [u8])> {
    let (before, after) = (&next.newest.body, &next.state.body);
    let kept = before.certificates.iter().all(|certificate| after.certificates.contains(certificate));
    if !kept || after.certificates.len() != before.certificates.len() + 1 || before.revoked != after.revoked {
        return Err(broken_rule("the state changes devices other than the one that asked"));
    }
    let mut certificates = next.state.devices.iter().zip(&after.certificates);
    let (certificate, signed) = certificates
        .find(|(certificate, _)| certificate.device == device.device)
        .filter(|(certificate, _)| certificate.public_key == device.public_key)
        .ok_or_else(|| broken_rule("the state has no certificate of the device and key that asked"))?;
    Ok((certificate, signed))
}

/// The state may list the first key of the vault that comes with it, and no other new key.
fn check_new_vault<'a>(
    next: &Next,
    session: &Session,
    new: Option<&'a NewVault>,
) -> ApiResult<Option<(&'a NewVault, CommitEnvelope)>> {
    let listed = next.state.body.vault_keys.len() - next.newest.body.vault_keys.len();
    let known = new.is_some_and(|new| next.newest.newest_epoch(&new.vault).is_some());
    if known || listed != usize::from(new.is_some()) {
        return Err(broken_rule("the state lists other new keys than that of the new vault"));
    }
    let checked = new.map(|new| Ok((new, vaults::check_new(new, &next.state, &session.identity)?)));
    checked.transpose()
}

async fn insert_device(
    conn: &mut PgConnection,
    account: AccountKey,
    (certificate, signed): (&DeviceCertificate, &[u8]),
    device_wrap: &Base64,
) -> ApiResult<()> {
    check_sealed_key(device_wrap)?;
    let inserted = db::devices::insert(conn, account, &certificate.device, signed, &device_wrap.0).await?;
    inserted.map(|_| ()).ok_or_else(|| invalid("this device id is taken"))
}

/// One key for each vault of the certificate, of the vault's newest epoch.
async fn insert_keys(
    conn: &mut PgConnection,
    account: AccountKey,
    next: &Next,
    certificate: &DeviceCertificate,
    grant: &EnrolmentGrant,
) -> ApiResult<()> {
    let needed: BTreeSet<_> = certificate.vaults.iter().collect();
    let given: BTreeSet<_> = grant.vault_keys.iter().map(|key| &key.vault).collect();
    if needed != given || given.len() != grant.vault_keys.len() {
        return Err(invalid("the keys are not one for each vault of the certificate"));
    }
    for key in &grant.vault_keys {
        devices::put_key(conn, account, &next.state, &certificate.device, key).await?;
    }
    Ok(())
}
