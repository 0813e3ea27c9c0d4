//! Devices: enrolment, sign-in, revocation. What is sealed here opens only for the device or the account's owner.

use serde::{Deserialize, Serialize};

use crate::accounts::NewVault;
use crate::bytes::{Base64, Base64Array};
use crate::id::{AccountId, DeviceId, EnrolmentId, VaultId};
use crate::signature::PublicKey;
use crate::vaults::WrappedKey;

/// Opens an enrolment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenEnrolmentRequest {
    /// Chosen by the web app at random; in the link.
    pub enrolment: EnrolmentId,
}

/// What a device sends that read the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// Chosen by the device at random.
    pub device: DeviceId,
    /// Its Ed25519 key.
    pub public_key: PublicKey,
    /// Its X25519 key.
    pub exchange_key: Base64Array<32>,
    /// The host's name, for the owner to recognise.
    pub host: String,
    /// Made with the link's secret, which no server knows.
    pub mac: Base64Array<32>,
}

/// Who asked, once somebody did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrolmentRequestResponse {
    /// The request.
    pub request: Option<EnrolmentRequest>,
}

/// Admits a device: account state, its vault and its keys, all in one transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GrantEnrolmentRequest {
    /// The next account state, with the device's certificate.
    pub account_state: Base64,
    /// The device's own vault, if it gets a new one.
    pub new_vault: Option<NewVault>,
    /// What the device is told.
    pub grant: EnrolmentGrant,
    /// SEAL 0x08: the device's wrap key, for the owner's later use.
    pub device_wrap: Base64,
}

/// What an admitted device is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EnrolmentGrant {
    /// The web app's X25519 key, made for this alone.
    pub ephemeral_key: Base64Array<32>,
    /// One for each vault of the certificate.
    pub vault_keys: Vec<DeviceVaultKey>,
}

/// A vault's keys, sealed for one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceVaultKey {
    /// The vault.
    pub vault: VaultId,
    /// The newest epoch in it.
    pub epoch: u32,
    /// SEAL 0x05.
    pub wrap: Base64,
}

/// The grant, once it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrolmentGrantResponse {
    /// The grant.
    pub grant: Option<EnrolmentGrant>,
}

/// All devices that were ever admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DevicesResponse {
    /// By the time of their enrolment.
    pub devices: Vec<DeviceStatus>,
}

/// What the coordinator knows of a device. Role, vaults and keys are in the account state, names in the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceStatus {
    /// The device.
    pub device: DeviceId,
    /// When it was admitted, in Unix milliseconds.
    pub enrolled_ms: u64,
    /// When it last called, in Unix milliseconds, to some seconds.
    pub last_seen_ms: Option<u64>,
    /// Whether it listens for events now.
    pub online: bool,
    /// SEAL 0x08: its wrap key, for new vault keys.
    pub device_wrap: Base64,
}

/// Revokes a device: the next account state without it, and a new epoch of every vault that it knew.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RevokeDeviceRequest {
    /// The next account state.
    pub account_state: Base64,
    /// The owner's copies of the new keys.
    pub vault_keys: Vec<NewVaultKey>,
    /// The new keys for the devices that remain.
    pub device_keys: Vec<OtherDeviceKey>,
}

/// A vault's new key for the owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewVaultKey {
    /// The vault.
    pub vault: VaultId,
    /// SEAL 0x03 of its new epoch.
    pub key: WrappedKey,
}

/// A vault's keys for a device that remains.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OtherDeviceKey {
    /// The device.
    pub device: DeviceId,
    /// Its keys.
    pub key: DeviceVaultKey,
}

/// The calling device's wrapped keys: the newest of each of its vaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceKeysResponse {
    /// By vault.
    pub vault_keys: Vec<DeviceVaultKey>,
}

/// A device session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceLoginResponse {
    /// For `Authorization: Bearer`.
    pub token: String,
    /// How long it is valid, in seconds.
    pub expires_in_s: u64,
    /// The device's account.
    pub account: AccountId,
    /// The newest account state.
    pub account_state_seq: u64,
}
