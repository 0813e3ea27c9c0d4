//! How faults below the handlers reach the client.

use protocol::envelope::EnvelopeError;
use protocol::error::ErrorCode;
use server::error::ApiError;

use crate::db::DbError;

/// What handlers return.
pub type ApiResult<T> = Result<T, ApiError>;

impl From<DbError> for ApiError {
    /// What the database may do when asked again is worth repeating; all else is a fault of ours.
    fn from(error: DbError) -> Self {
        if !error.is_transient() {
            return Self::Internal(error.into());
        }
        tracing::warn!(error = &error as &dyn std::error::Error, "the database did not finish a request");
        Self::new(ErrorCode::Unavailable, "the database is away or busy for the moment")
    }
}

/// Why an envelope is refused: the client is told, it signed it.
pub fn invalid_envelope(error: EnvelopeError) -> ApiError {
    ApiError::new(ErrorCode::InvalidEnvelope, error.to_string())
}

/// An envelope breaks a rule that only the server can check.
pub fn broken_rule(rule: &'static str) -> ApiError {
    ApiError::new(ErrorCode::InvalidEnvelope, rule)
}

/// The request has the wrong shape.
pub fn invalid(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, error.to_string())
}

/// No such thing, or not the caller's: which, is not said.
pub fn not_found() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "no such thing")
}
