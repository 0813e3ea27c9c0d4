//! Who calls a route that people and devices share. Where it is a device, each handler asks here what it may.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use protocol::envelope::device_certificate::Role;
use protocol::error::ErrorCode;
use protocol::id::VaultId;
use protocol::signature::PublicKey;
use server::error::ApiError;

use crate::auth::{Session, StepUpProof};
use crate::db::AccountKey;
use crate::device_auth::Device;
use crate::error::ApiResult;
use crate::state::AppState;

/// A signed-in person, or a device.
#[derive(Debug)]
pub enum Caller {
    /// A person, to whom all of the account's vaults are open.
    Person(Session),
    /// A device, to which those of its certificate are.
    Device(Device),
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    /// Who sends an `Authorization` is judged by it alone.
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        if parts.headers.contains_key(header::AUTHORIZATION) {
            return Device::from_request_parts(parts, state).await.map(Self::Device);
        }
        Session::from_request_parts(parts, state).await.map(Self::Person)
    }
}

impl Caller {
    /// Whose person or device it is.
    pub fn account(&self) -> AccountKey {
        match self {
            Self::Person(session) => session.account,
            Self::Device(device) => device.account,
        }
    }

    /// Verifies the account's envelopes.
    pub fn identity(&self) -> &PublicKey {
        match self {
            Self::Person(session) => &session.identity,
            Self::Device(device) => &device.identity,
        }
    }

    /// The device, if it is one.
    pub fn device(&self) -> Option<&Device> {
        match self {
            Self::Person(_) => None,
            Self::Device(device) => Some(device),
        }
    }

    /// May it know of this vault of its account?
    pub fn sees(&self, vault: &VaultId) -> bool {
        self.device().is_none_or(|device| device.vaults().contains(vault))
    }

    /// Refuses devices, and sessions in which the passphrase was not proven of late.
    ///
    /// # Errors
    /// [`ErrorCode::Forbidden`], [`ErrorCode::StepUpRequired`].
    pub fn check_stepped_up(&self) -> ApiResult<StepUpProof> {
        match self {
            Self::Person(session) => session.check_stepped_up(),
            Self::Device(_) => {
                Err(ApiError::new(ErrorCode::Forbidden, "only the account's owner may do this"))
            }
        }
    }

    /// Refuses devices that only read.
    ///
    /// # Errors
    /// [`ErrorCode::Forbidden`].
    pub fn check_writes(&self) -> ApiResult<()> {
        if self.device().is_some_and(|device| device.role() == Role::ReadOnly) {
            return Err(ApiError::new(ErrorCode::Forbidden, "this device only reads"));
        }
        Ok(())
    }
}
