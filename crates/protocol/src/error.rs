//! Error codes that both sides know, and the one envelope that carries them.

use serde::{Deserialize, Serialize};

use crate::bytes::Base64;
use crate::id::RequestId;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $status:literal;)*) => {
        /// What went wrong, for programs. Text for people stands beside it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ErrorCode { $($(#[doc = $doc])* $name,)* }

        impl ErrorCode {
            /// What it means, in a sentence.
            #[cfg(feature = "openapi")]
            pub fn about(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii(),)* }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// The request does not have the shape that the route takes.
    InvalidRequest = 400;
    /// No session, or one that ended.
    Unauthenticated = 401;
    /// Login or passphrase is wrong; which, is not said.
    WrongCredentials = 401;
    /// The grant does not verify, or is for something else.
    InvalidGrant = 403;
    /// Not this caller's to do.
    Forbidden = 403;
    /// The session may do this only shortly after the passphrase was proven in it.
    StepUpRequired = 403;
    /// The device is unknown, was revoked, or its certificate is not in force.
    NotAdmitted = 403;
    /// The setup link is wrong or used.
    InvalidSetupToken = 403;
    /// The invitation is wrong or used, has expired or was taken back; which, is not said.
    InvalidInvitation = 403;
    /// The node's join token is wrong.
    InvalidJoinToken = 403;
    /// Registration is closed.
    RegistrationClosed = 403;
    /// No such thing, or not the caller's.
    NotFound = 404;
    /// The route exists, with another method.
    MethodNotAllowed = 405;
    /// Took too long to arrive.
    RequestTimeout = 408;
    /// Somebody else has this login.
    LoginTaken = 409;
    /// Another commit or state took this place in the chain.
    ChainConflict = 409;
    /// Blobs that the commit needs are not durable yet; `missing` lists them.
    BlobsMissing = 409;
    /// The only copies of some blobs would go.
    LastCopies = 409;
    /// Nobody would be an operator any more.
    LastOperator = 409;
    /// The upload session ended.
    UploadExpired = 410;
    /// Larger than the route takes.
    TooLarge = 413;
    /// The body's SHA-256 is not the blob's id.
    HashMismatch = 422;
    /// An envelope or list breaks a rule of its format.
    InvalidEnvelope = 422;
    /// Too many attempts; wait.
    TooManyRequests = 429;
    /// A fault of the server's, written to its log under the request's number.
    Internal = 500;
    /// Not at the moment; wait.
    Unavailable = 503;
    /// Fewer zones are up than a durable write needs.
    InsufficientZones = 503;
    /// The node's disk is full.
    InsufficientStorage = 507;
    /// The account holds as much as the operator lets it.
    QuotaExceeded = 507;
}

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// Finds the request in the server's log.
    pub request_id: RequestId,
    /// With [`ErrorCode::BlobsMissing`]: the ids, packed; at most 1000 of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Base64>,
}
