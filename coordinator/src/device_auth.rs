//! Which device calls. A handler that takes one of these types cannot run for anybody else.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use protocol::envelope::device_certificate::{DeviceCertificate, Role};
use protocol::error::ErrorCode;
use protocol::id::{DeviceId, VaultId};
use protocol::signature::PublicKey;
use server::error::ApiError;

use crate::db::devices::DeviceRow;
use crate::db::{self, AccountKey, DeviceKey};
use crate::error::ApiResult;
use crate::random;
use crate::signed::{Unverified, refused};
use crate::state::{App, AppState};

const SCHEME: &str = "Bearer ";

/// A device in a device session, by the certificate that it has in the newest account state.
#[derive(Debug)]
pub struct Device {
    /// The device.
    pub key: DeviceKey,
    /// Whose it is.
    pub account: AccountKey,
    /// Verifies the account's envelopes.
    pub identity: PublicKey,
    certificate: DeviceCertificate,
}

impl Device {
    /// The device.
    pub fn id(&self) -> DeviceId {
        self.certificate.device
    }

    /// What it may do.
    pub fn role(&self) -> Role {
        self.certificate.role
    }

    /// The vaults it may touch.
    pub fn vaults(&self) -> &[VaultId] {
        &self.certificate.vaults
    }

    fn admit(app: &App, row: DeviceRow) -> ApiResult<Self> {
        let DeviceRow { key, account, identity, certificate } = row;
        if !(certificate.not_before..certificate.not_after).contains(&app.clock.now_s()) {
            return Err(not_admitted("the device's certificate is not in force now"));
        }
        Ok(Self { key, account, identity, certificate })
    }
}

impl FromRequestParts<AppState> for Device {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let unauthenticated = || refused("sign in as a device first");
        let token = bearer(&parts.headers).ok_or_else(unauthenticated)?;
        let mut conn = state.connection().await?;
        let row = db::device_sessions::find(&mut conn, &random::token_hash(token)).await?;
        Self::admit(state, row.ok_or_else(unauthenticated)?)
    }
}

/// For good, as far as the device can do anything about it.
fn not_admitted(why: &'static str) -> ApiError {
    ApiError::new(ErrorCode::NotAdmitted, why)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix(SCHEME)
}

/// A device that signed this very request.
#[derive(Debug)]
pub struct DeviceSignature(pub Device);

impl FromRequest<AppState> for DeviceSignature {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> ApiResult<Self> {
        let request = Unverified::read(request, state).await?;
        let unknown = || not_admitted("no device has this id, or it was revoked");
        let id = DeviceId::from_bytes(request.signed.signer).map_err(|_| unknown())?;
        let mut conn = state.connection().await?;
        let row = db::devices::find(&mut conn, &id).await?.ok_or_else(unknown)?;
        request.verify(state, &state.settings.public_url, &row.certificate.public_key)?;
        let device = Device::admit(state, row)?;
        // Last, because it is remembered.
        if !db::device_sessions::use_nonce(&mut conn, device.key, &request.signed.nonce).await? {
            return Err(refused("the request was sent before"));
        }
        Ok(Self(device))
    }
}
