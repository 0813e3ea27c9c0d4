//! Sealed byte strings are opaque here, but they have sizes.

use protocol::bytes::Base64;
use protocol::limits::{DEVICE_KEY_BYTES_MAX, MESSAGE_BYTES_MAX, SEALED_KEY_BYTES_MAX};

use crate::error::{ApiResult, invalid};

/// Bytes of an empty SEAL.
const SEAL_BYTES_MIN: usize = 92;

/// One key.
pub(super) fn check_sealed_key(sealed: &Base64) -> ApiResult<()> {
    check(sealed, SEALED_KEY_BYTES_MAX)
}

/// A vault's keys for a device.
pub(super) fn check_device_key(sealed: &Base64) -> ApiResult<()> {
    check(sealed, DEVICE_KEY_BYTES_MAX)
}

/// A message.
pub(super) fn check_message(sealed: &Base64) -> ApiResult<()> {
    check(sealed, MESSAGE_BYTES_MAX)
}

fn check(sealed: &Base64, max: usize) -> ApiResult<()> {
    if (SEAL_BYTES_MIN..=max).contains(&sealed.0.len()) {
        return Ok(());
    }
    Err(invalid("what is sealed has a size that it cannot have"))
}
