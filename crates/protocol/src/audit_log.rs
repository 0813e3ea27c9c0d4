//! The log of what concerns security, for the operator.

use serde::{Deserialize, Serialize};

use crate::id::AccountId;

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum AuditEvent { $($(#[$doc])* $name,)* }

        impl AuditEvent {
            /// Its name, as it is stored and sent.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

events! {
    /// An account was made; by the setup link, by an invitation or by an open registration.
    AccountMade = "account_made";
    /// Somebody signed in.
    SignedIn = "signed_in";
    /// Somebody gave a wrong login or passphrase; the account is that of the login, if there is one.
    SignInFailed = "sign_in_failed";
    /// Somebody signed out.
    SignedOut = "signed_out";
    /// The passphrase was proven once more.
    SteppedUp = "stepped_up";
    /// It was not.
    StepUpFailed = "step_up_failed";
    /// A device was admitted.
    DeviceEnrolled = "device_enrolled";
    /// A device was revoked.
    DeviceRevoked = "device_revoked";
    /// Snapshots were forgotten by their owner.
    SnapshotsForgotten = "snapshots_forgotten";
    /// Blobs were deleted for good by their owner.
    BlobsPurged = "blobs_purged";
    /// How long a source's snapshots are kept was changed by their owner.
    RetentionChanged = "retention_changed";
    /// The token by which storage nodes join was made.
    JoinTokenMade = "join_token_made";
    /// A storage node joined, for the first time or again.
    NodeJoined = "node_joined";
    /// A storage node is to be emptied.
    NodeDrained = "node_drained";
    /// A storage node may keep blobs again.
    NodeUndrained = "node_undrained";
    /// A storage node was removed.
    NodeRemoved = "node_removed";
    /// A storage node was removed although the only copies of some blobs may have gone with it.
    NodeForcedOut = "node_forced_out";
    /// An operator let garbage collection go on.
    GarbageApproved = "garbage_approved";
    /// An account may take more or less.
    QuotaChanged = "quota_changed";
    /// An account became an operator's or a member's.
    RoleChanged = "role_changed";
    /// An operator invited somebody.
    InvitationMade = "invitation_made";
    /// An operator took an invitation back.
    InvitationRevoked = "invitation_revoked";
    /// An account was made by an invitation.
    InvitationUsed = "invitation_used";
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// Counts up; not without gaps.
    pub id: u64,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
    /// What: the name of an [`AuditEvent`], perhaps of one that is not known here.
    pub event: String,
    /// Whose session it was, or whose login was tried; none for what was done on the command line.
    pub account: Option<AccountId>,
    /// That account's login.
    pub login: Option<String>,
    /// The client's address; none for what was done on the command line.
    pub client: Option<String>,
    /// What it was done to: an id or an account's login, and perhaps a word or number.
    pub about: Option<String>,
}

/// A page of the log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditLogResponse {
    /// At most [`crate::limits::AUDIT_PAGE_MAX`]; fewer at the log's end.
    pub entries: Vec<AuditEntry>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_one_name() {
        for event in [AuditEvent::SignedIn, AuditEvent::NodeForcedOut, AuditEvent::StepUpFailed] {
            assert_eq!(serde_json::to_value(event).expect("a word"), event.name());
        }
    }
}
