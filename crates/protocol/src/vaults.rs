//! Vaults and their wrapped keys.

use serde::{Deserialize, Serialize};

use crate::bytes::{Base64, Base64Array};
use crate::id::VaultId;

/// The caller's vaults.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VaultsResponse {
    /// In no order that matters.
    pub vaults: Vec<VaultEntry>,
}

/// One vault.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VaultEntry {
    /// The vault.
    pub vault: VaultId,
    /// SEAL 0x03 of each epoch, from 1.
    pub keys: Vec<WrappedKey>,
    /// The newest commit's number.
    pub head_seq: u64,
    /// Its hash.
    pub head_hash: Base64Array<32>,
}

/// One wrapped key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WrappedKey {
    /// Counts from 1.
    pub epoch: u32,
    /// SEAL 0x03.
    pub wrap: Base64,
}
