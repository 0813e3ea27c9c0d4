//! Signing in and out.

use serde::{Deserialize, Serialize};

use crate::accounts::PreloginResponse;
use crate::bytes::{Base64, Base64Array};
use crate::id::AccountId;
use crate::signature::PublicKey;

/// Signs in. The answer sets the session's cookie.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// In lower case.
    #[cfg_attr(feature = "openapi", schema(pattern = r"^[!-@\[-~]{1,64}$"))]
    pub login: String,
    /// Derived from the password.
    pub auth_key: Base64Array<32>,
}

/// Proves the passphrase once more in a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StepUpRequest {
    /// Derived from the password.
    pub auth_key: Base64Array<32>,
}

/// What a client needs to unlock its account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoginResponse {
    /// Who.
    pub account: AccountId,
    /// What they may do.
    pub role: AccountRole,
    /// SEAL 0x01: the account key under the password.
    pub password_wrap: Base64,
    /// How the password becomes a key, to be compared with the verified account state.
    pub kdf: PreloginResponse,
    /// The identity's public key as the server knows it; a client recomputes it.
    pub identity: PublicKey,
    /// The newest account state's number.
    pub account_state_seq: u64,
}

/// What an account may do on this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AccountRole {
    /// Runs the server.
    Operator,
    /// Uses it.
    Member,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionResponse {
    /// Who.
    pub account: AccountId,
    /// By what login.
    #[cfg_attr(feature = "openapi", schema(pattern = r"^[!-@\[-~]{1,64}$"))]
    pub login: String,
    /// What they may do.
    pub role: AccountRole,
}
