//! What the handlers with JSON requests share: reading the request, and its list of blobs.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use protocol::blob_list::{StoredBlob, unpack_stored};
use protocol::bytes::Base64;
use protocol::error::ErrorCode;
use protocol::limits::{BATCH_HEADER_BYTES_MAX, GROUP_BYTES_MAX};
use serde::de::DeserializeOwned;
use server::error::ApiError;

use crate::body::BodyReader;
use crate::config::Limits;

/// A request whose body is JSON and no larger than a batch's header.
pub(crate) async fn read_json<T: DeserializeOwned>(body: Body, limits: &Limits) -> Result<T, ApiError> {
    let mut body = BodyReader::new(body, limits);
    match body.read_to_end(BATCH_HEADER_BYTES_MAX).await {
        Ok(bytes) => parse(&bytes),
        Err(error) => {
            body.discard().await;
            Err(error)
        }
    }
}

pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| ApiError::new(ErrorCode::InvalidRequest, error.to_string()))
}

pub(crate) fn blob_list(blobs: &Base64) -> Result<Vec<StoredBlob>, ApiError> {
    unpack_stored(blobs).map_err(|error| ApiError::new(ErrorCode::InvalidRequest, error.to_string()))
}

pub(crate) fn total_bytes(blobs: &[StoredBlob]) -> u64 {
    blobs.iter().map(|blob| u64::from(blob.size)).sum()
}

/// What is in memory at a time: a group, or one blob.
pub(crate) fn check_batch_bytes(blobs: &[StoredBlob]) -> Result<u64, ApiError> {
    let bytes = total_bytes(blobs);
    if bytes > GROUP_BYTES_MAX && blobs.len() > 1 {
        return Err(ApiError::new(ErrorCode::TooLarge, "more bytes than a batch may have"));
    }
    Ok(bytes)
}

pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.strip_prefix("Bearer "));
    token.ok_or_else(|| ApiError::new(ErrorCode::InvalidGrant, "the Authorization header has no grant"))
}
