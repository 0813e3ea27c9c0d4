//! Grants as PASETO v4.public tokens: the coordinator issues them, nodes verify them offline.
//!
//! The footer is the id of the signing key, so that a key can be replaced while old grants are still under way.
//! What a grant allows is the caller's to compare with the request; here it is only made sure that the
//! coordinator gave it to this node and that it is in force.
//!
//! pasetors signs and parses. Signatures are verified by ed25519-dalek, as all others are: strictly, and in less of the
//! time that every request to a node waits for.

use ed25519_dalek::{Signature, VerifyingKey};
use pasetors::keys::AsymmetricSecretKey;
use pasetors::token::UntrustedToken;
use pasetors::{Public, version4::PublicToken, version4::V4};
use protocol::digest::sha256;
use protocol::grant::Grant;
use protocol::id::NodeId;
use protocol::limits::{CLOCK_SKEW_SECONDS, GRANT_BYTES_MAX};
use protocol::signature::{PublicKey, SigningKey};

/// Part of every signature, so that no other PASETO token of the same key passes for a grant.
const ASSERTION: &[u8] = b"triplicate/v1/grant";
const HEADER: &[u8] = b"v4.public.";

/// Why a token is refused, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum GrantError {
    /// Longer than any grant.
    #[error("the grant is longer than any grant")]
    TooLong,
    /// Not a v4.public token.
    #[error("the grant is not a v4.public token")]
    Form,
    /// Signed by another key than the coordinator's.
    #[error("the grant names another key than this cluster's")]
    Key,
    /// The signature does not verify.
    #[error("the grant's signature does not verify")]
    Signature,
    /// Signed, but not a grant.
    #[error("the grant's content is malformed")]
    Content,
    /// For another node.
    #[error("the grant is for another node")]
    Audience,
    /// Issued in the future.
    #[error("the grant is not valid yet; compare the clocks")]
    Early,
    /// No longer valid.
    #[error("the grant has expired")]
    Expired,
}

/// Issues grants.
pub struct GrantIssuer {
    secret: AsymmetricSecretKey<V4>,
    key_id: String,
}

impl GrantIssuer {
    /// Issues under the coordinator's key.
    pub fn new(key: &SigningKey) -> Self {
        let secret = AsymmetricSecretKey::from(&key.to_keypair_bytes()).expect("seed and its own public key");
        Self { secret, key_id: key_id(&PublicKey::of(key)) }
    }

    /// The token of a grant.
    pub fn issue(&self, grant: &Grant) -> String {
        let claims = serde_json::to_vec(grant).expect("strings and numbers serialize");
        PublicToken::sign(&self.secret, &claims, Some(self.key_id.as_bytes()), Some(ASSERTION))
            .expect("a valid key signs any bytes")
    }
}

/// Verifies grants for one node.
#[derive(Debug)]
pub struct GrantVerifier {
    /// None: the coordinator's key is no key, and nothing verifies.
    public: Option<VerifyingKey>,
    key_id: String,
    node: NodeId,
}

impl GrantVerifier {
    /// Verifies under the coordinator's key what is addressed to `node`.
    pub fn new(key: &PublicKey, node: NodeId) -> Self {
        Self { public: VerifyingKey::from_bytes(key.as_bytes()).ok(), key_id: key_id(key), node }
    }

    /// Verifies a token. `now_s` in Unix seconds; the clocks may differ by [`CLOCK_SKEW_SECONDS`].
    ///
    /// # Errors
    /// [`GrantError`], from the first check that fails.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Grant, GrantError> {
        if token.len() > GRANT_BYTES_MAX {
            return Err(GrantError::TooLong);
        }
        let untrusted = UntrustedToken::<Public, V4>::try_from(token).map_err(|_| GrantError::Form)?;
        if untrusted.untrusted_footer() != self.key_id.as_bytes() {
            return Err(GrantError::Key);
        }
        let payload = self.signed_payload(&untrusted).ok_or(GrantError::Signature)?;
        let grant: Grant = serde_json::from_slice(payload).map_err(|_| GrantError::Content)?;
        if grant.aud != self.node {
            return Err(GrantError::Audience);
        }
        if grant.iat > now_s.saturating_add(CLOCK_SKEW_SECONDS) {
            return Err(GrantError::Early);
        }
        if grant.exp.saturating_add(CLOCK_SKEW_SECONDS) <= now_s {
            return Err(GrantError::Expired);
        }
        Ok(grant)
    }

    /// The token's payload, if the coordinator signed it under our assertion.
    fn signed_payload<'a>(&self, token: &'a UntrustedToken<Public, V4>) -> Option<&'a [u8]> {
        let (payload, signature) = token.untrusted_message().split_last_chunk::<64>()?;
        let signed = pre_authentication_encoding(&[HEADER, payload, token.untrusted_footer(), ASSERTION]);
        self.public?.verify_strict(&signed, &Signature::from_bytes(signature)).ok()?;
        Some(payload)
    }
}

/// PAE of the PASETO specification: `u64 count`, then each piece behind its `u64 length`, integers little-endian.
fn pre_authentication_encoding(pieces: &[&[u8]]) -> Vec<u8> {
    let length = |bytes: usize| (bytes as u64).to_le_bytes();
    let mut out = length(pieces.len()).to_vec();
    for piece in pieces {
        out.extend_from_slice(&length(piece.len()));
        out.extend_from_slice(piece);
    }
    out
}

/// Names a key without being secret: the first 16 bytes of its SHA-256, in hex.
fn key_id(key: &PublicKey) -> String {
    hex::encode(&sha256(&[key.as_bytes()])[..16])
}
