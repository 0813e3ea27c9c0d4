//! Accounts as the operator sees them, and what an account's owner sees of its own use.

use serde::{Deserialize, Serialize};

use crate::id::AccountId;
use crate::sessions::AccountRole;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// The account.
    pub account: AccountId,
    /// Its login.
    pub login: String,
    /// What it may do.
    pub role: AccountRole,
    /// Bytes of the blobs that its vaults hold, one copy counted.
    pub used_bytes: u64,
    /// What that may be at most, if there is a limit.
    pub quota_bytes: Option<u64>,
    /// When it was made, in Unix milliseconds.
    pub created_ms: u64,
    /// When somebody last signed in to it, in Unix milliseconds, if that is known.
    pub signed_in_ms: Option<u64>,
}

/// All accounts, those that take most first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsersResponse {
    /// At most 10,000.
    pub users: Vec<User>,
}

/// Lets an account hold so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetQuotaRequest {
    /// In bytes, one copy counted; none is no limit.
    pub quota_bytes: Option<u64>,
}

/// Makes an account an operator's or a member's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetRoleRequest {
    /// What it may do from now on.
    pub role: AccountRole,
}

/// What the caller's account takes and may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageResponse {
    /// Bytes of the blobs that its vaults hold, one copy counted.
    pub used_bytes: u64,
    /// What that may be at most, if there is a limit.
    pub quota_bytes: Option<u64>,
}
