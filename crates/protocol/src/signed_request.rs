//! Requests that a node (or an agent) signs with its Ed25519 key, carried in one `Authorization` header:
//! `Triplicate id=HEX,time=UNIX_MS,nonce=HEX,signature=HEX`.

use crate::digest::{length_prefixed, sha256};
use crate::signature::{BadSignature, PublicKey, SigningKey, sign};

const SCHEME: &str = "Triplicate ";
const LABEL: &str = "sig/request";

/// What the signature covers beside time and nonce.
#[derive(Debug, Clone, Copy)]
pub struct SignedParts<'a> {
    /// The coordinator's origin as its public URL gives it, like `https://backup.example`.
    pub origin: &'a str,
    /// The method, in capitals.
    pub method: &'a str,
    /// Path and query.
    pub path_and_query: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl SignedParts<'_> {
    fn message(&self, time_ms: u64, nonce: &[u8; 16]) -> Vec<u8> {
        let mut out = length_prefixed(self.origin.as_bytes());
        out.extend(length_prefixed(self.method.as_bytes()));
        out.extend(length_prefixed(self.path_and_query.as_bytes()));
        out.extend(sha256(&[self.body]));
        out.extend(time_ms.to_be_bytes());
        out.extend(nonce);
        out
    }
}

/// The header's content, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// Who claims to have signed: a node's or a device's id.
    pub signer: [u8; 16],
    /// When, on the signer's clock, in Unix milliseconds.
    pub time_ms: u64,
    /// Random, used once.
    pub nonce: [u8; 16],
    signature: [u8; 64],
}

impl SignedRequest {
    /// Signs a request.
    pub fn sign(
        key: &SigningKey,
        signer: [u8; 16],
        parts: SignedParts<'_>,
        time_ms: u64,
        nonce: [u8; 16],
    ) -> Self {
        let signature = sign(key, LABEL, &parts.message(time_ms, &nonce));
        Self { signer, time_ms, nonce, signature }
    }

    /// The value of the `Authorization` header.
    pub fn to_header(&self) -> String {
        let Self { signer, time_ms, nonce, signature } = self;
        let [signer, nonce, signature] = [hex::encode(signer), hex::encode(nonce), hex::encode(signature)];
        format!("{SCHEME}id={signer},time={time_ms},nonce={nonce},signature={signature}")
    }

    /// Reads an `Authorization` header, if it is one of this scheme and form.
    pub fn from_header(header: &str) -> Option<Self> {
        let mut fields = header.strip_prefix(SCHEME)?.split(',');
        let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=');
        let signer = decode(field("id")?)?;
        let time_ms = field("time")?.parse().ok()?;
        let nonce = decode(field("nonce")?)?;
        let signature = decode(field("signature")?)?;
        fields.next().is_none().then_some(Self { signer, time_ms, nonce, signature })
    }

    /// Verifies the signature. Time and nonce are the caller's to check.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, key: &PublicKey, parts: SignedParts<'_>) -> Result<(), BadSignature> {
        key.verify(LABEL, &parts.message(self.time_ms, &self.nonce), &self.signature)
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut out = [0; N];
    hex::decode_to_slice(text, &mut out).ok()?;
    Some(out)
}
