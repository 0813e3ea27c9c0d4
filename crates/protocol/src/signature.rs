//! Ed25519 over labelled bytes. Verification is always the strict one, so that a signature has one valid form.

pub use ed25519_dalek::SigningKey;
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::bytes::Base64Array;
use crate::digest::labelled;

/// The signature does not belong to these bytes and this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// An Ed25519 public key; parsed when it is used, so that a bad key is a bad signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublicKey(pub Base64Array<32>);

impl PublicKey {
    /// From its 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Base64Array(bytes))
    }

    /// The public half of a signing key.
    pub fn of(key: &SigningKey) -> Self {
        Self::from_bytes(key.verifying_key().to_bytes())
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0.0
    }

    /// # Errors
    /// [`BadSignature`] also for a key or a signature that is not well formed.
    pub fn verify(&self, label: &str, body: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        let key = VerifyingKey::from_bytes(self.as_bytes()).map_err(|_| BadSignature)?;
        key.verify_strict(&labelled(label, body), &Signature::from_bytes(signature)).map_err(|_| BadSignature)
    }
}

/// Signs a body under a label.
pub fn sign(key: &SigningKey, label: &str, body: &[u8]) -> [u8; 64] {
    key.sign(&labelled(label, body)).to_bytes()
}
