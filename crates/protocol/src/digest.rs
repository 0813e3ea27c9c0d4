//! SHA-256 with the format's domain prefix.

use sha2::{Digest as _, Sha256};

/// Starts every label that is hashed or signed.
pub const PREFIX: &[u8] = b"triplicate/v1/";

/// SHA-256 of the parts, one after the other.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// A u32 length, then the bytes.
pub fn length_prefixed(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).expect("no message of the protocol reaches 4 GiB");
    [&len.to_be_bytes(), bytes].concat()
}

/// The bytes that are signed under a label: `triplicate/v1/LABEL\0` and the body.
pub fn labelled(label: &str, body: &[u8]) -> Vec<u8> {
    [PREFIX, label.as_bytes(), b"\0", body].concat()
}
