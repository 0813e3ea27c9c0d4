//! Accounts and account states.

use serde::{Deserialize, Serialize};

use crate::bytes::{Base64, Base64Array};
use crate::id::{AccountId, VaultId};
use crate::signature::PublicKey;

/// Asks how a login's password becomes a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PreloginRequest {
    /// In lower case.
    #[cfg_attr(feature = "openapi", schema(pattern = r"^[!-@\[-~]{1,64}$"))]
    pub login: String,
}

/// How a login's password becomes a key. An unknown login gets an answer of the same form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PreloginResponse {
    /// Goes into the salt.
    pub account_salt: Base64Array<32>,
    /// 1 = PBKDF2-HMAC-SHA256.
    pub kdf_id: u8,
    /// Rounds; a client refuses numbers outside its compiled-in bounds.
    pub iterations: u32,
}

/// Makes an account with its first vault, all in one transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// From the setup link, for the operator's account.
    pub setup_token: Option<String>,
    /// From the link of an invitation, for an account that somebody was invited to make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<String>,
    /// Chosen by the client at random.
    pub account: AccountId,
    /// In lower case.
    #[cfg_attr(feature = "openapi", schema(pattern = r"^[!-@\[-~]{1,64}$"))]
    pub login: String,
    /// Goes into the salt.
    pub account_salt: Base64Array<32>,
    /// 1 = PBKDF2-HMAC-SHA256.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1))]
    pub kdf_id: u8,
    /// Rounds.
    #[cfg_attr(feature = "openapi", schema(minimum = 600_000, maximum = 10_000_000))]
    pub iterations: u32,
    /// Proves the password from now on.
    pub auth_key: Base64Array<32>,
    /// Proves the recovery key from now on.
    pub recovery_auth: Base64Array<32>,
    /// SEAL 0x01: the account key under the password.
    pub password_wrap: Base64,
    /// SEAL 0x02: the account key under the recovery key.
    pub recovery_wrap: Base64,
    /// SEAL 0x04: the recovery key under the account key.
    pub recovery_key_wrap: Base64,
    /// The identity's public key.
    pub identity: PublicKey,
    /// Account state 0.
    pub account_state: Base64,
    /// The vault that account state 0 lists.
    pub vault: NewVault,
}

/// A vault with its first key and first commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewVault {
    /// Chosen by the client at random.
    pub vault: VaultId,
    /// SEAL 0x03 of epoch 1.
    pub key_wrap: Base64,
    /// Commit 0: the settings, signed by the identity.
    pub genesis: Base64,
}

/// Whether one may register here, for the first page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegistrationResponse {
    /// No account exists yet: the operator's is made with the setup link.
    pub setup_required: bool,
    /// Who may register besides.
    pub mode: RegistrationMode,
}

/// Who may register after the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RegistrationMode {
    /// Anybody.
    Open,
    /// Who was invited.
    Invite,
    /// Nobody.
    Closed,
}

/// Adds the next account state.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AppendAccountStateRequest {
    /// The signed envelope.
    pub account_state: Base64,
}
