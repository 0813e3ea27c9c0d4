//! What handlers refuse requests for, beside who calls and what shape the request has. The tests of the API hold every
//! refusal that they see against this.

use protocol::error::ErrorCode::{
    self, BlobsMissing, ChainConflict, Forbidden, HashMismatch, InsufficientStorage, InsufficientZones,
    InvalidEnvelope, InvalidInvitation, InvalidJoinToken, InvalidRequest, InvalidSetupToken, LastCopies,
    LastOperator, LoginTaken, NotFound, QuotaExceeded, RegistrationClosed, StepUpRequired, TooLarge,
    TooManyRequests, Unauthenticated, UploadExpired, WrongCredentials,
};
use protocol::routes::{Route, coordinator as routes};

/// The codes of one route.
pub(super) fn of(route: Route) -> &'static [ErrorCode] {
    match route {
        routes::PRELOGIN | routes::OPEN_ENROLMENT => &[TooManyRequests],
        routes::REGISTER => &[
            TooManyRequests,
            InvalidEnvelope,
            InvalidSetupToken,
            InvalidInvitation,
            RegistrationClosed,
            LoginTaken,
        ],
        routes::LOGIN | routes::STEP_UP => &[TooManyRequests, WrongCredentials],
        routes::APPEND_ACCOUNT_STATE => &[InvalidEnvelope, ChainConflict],
        routes::REQUEST_ENROLMENT => &[TooManyRequests, NotFound, Forbidden],
        routes::GRANT_ENROLMENT | routes::REVOKE_DEVICE | routes::PUT_VAULT_KEY => {
            &[NotFound, InvalidEnvelope, ChainConflict]
        }
        // Signed whole, with whatever body it has.
        routes::DEVICE_LOGIN => &[InvalidRequest, TooLarge],
        routes::ACCOUNT_STATE
        | routes::ENROLMENT_REQUEST
        | routes::ENROLMENT_GRANT
        | routes::COMMITS
        | routes::SNAPSHOTS
        | routes::RETENTION
        | routes::PUT_RETENTION
        | routes::PREVIEW_RETENTION
        | routes::SOURCES
        | routes::PROVE_SOURCE
        | routes::LOCATE
        | routes::OPEN_UPLOAD
        | routes::DRAIN_NODE
        | routes::UNDRAIN_NODE
        | routes::PREVIEW_REMOVAL
        | routes::SET_QUOTA
        | routes::REVOKE_INVITATION => &[NotFound],
        routes::SEND_MESSAGE => &[NotFound, TooManyRequests],
        routes::APPEND_COMMIT => {
            &[TooManyRequests, NotFound, UploadExpired, InvalidEnvelope, ChainConflict, StepUpRequired]
        }
        routes::PLAN => &[UploadExpired, InsufficientZones, QuotaExceeded],
        routes::RECEIPTS | routes::REFS | routes::STAGE_PURGE => &[UploadExpired],
        routes::COMMIT_UPLOAD => {
            &[TooManyRequests, UploadExpired, InvalidEnvelope, ChainConflict, BlobsMissing, QuotaExceeded]
        }
        // The node's own among them.
        routes::RELAY_PUT_BLOBS => &[NotFound, Forbidden, TooLarge, HashMismatch, InsufficientStorage],
        routes::RELAY_READ_BLOBS | routes::RELAY_GET_BLOB => &[NotFound, Forbidden],
        routes::SET_ROLE => &[NotFound, LastOperator],
        routes::INVITE => &[InvalidRequest, RegistrationClosed],
        routes::REMOVE_NODE => &[NotFound, LastCopies],
        routes::JOIN => &[Unauthenticated, InvalidJoinToken, Forbidden],
        _ => &[],
    }
}
