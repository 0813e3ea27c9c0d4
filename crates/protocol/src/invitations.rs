//! Invitations: each lets one person make an account.

use serde::{Deserialize, Serialize};

use crate::id::InvitationId;
use crate::sessions::AccountRole;

/// Makes an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// For how long it is good: at most [`INVITATION_SECONDS_MAX`](crate::limits::INVITATION_SECONDS_MAX).
    pub expires_seconds: u64,
    /// What the account may do.
    pub role: AccountRole,
    /// What it may hold in bytes, one copy counted; none is no limit.
    pub quota_bytes: Option<u64>,
}

/// A new invitation. The server keeps no copy of the link's token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteResponse {
    /// The invitation.
    pub invitation: InvitationId,
    /// What to give to whoever is invited: whoever has it can make the account.
    pub link: String,
    /// When it ends, in Unix milliseconds.
    pub expires_ms: u64,
}

/// An invitation that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invitation {
    /// The invitation.
    pub invitation: InvitationId,
    /// Who made it; none for the command line.
    pub invited_by: Option<String>,
    /// What the account may do.
    pub role: AccountRole,
    /// What it may hold in bytes, if there is a limit.
    pub quota_bytes: Option<u64>,
    /// When it was made, in Unix milliseconds.
    pub created_ms: u64,
    /// When it ends, in Unix milliseconds.
    pub expires_ms: u64,
}

/// All invitations that are open, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitationsResponse {
    /// At most [`INVITATIONS_MAX`](crate::limits::INVITATIONS_MAX).
    pub invitations: Vec<Invitation>,
}
