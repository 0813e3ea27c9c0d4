//! SEAL: the envelope of keys, commit bodies, live messages and caches. Randomised by a salt of 32 bytes, and committing: an envelope
//! opens under one key and one context only, which is checked before anything is decrypted.
//!
//! ```text
//!  0  4  "TPLS"   4 1 version 1   5 1 suite 1   6 1 type   7 1 flags 0   8 4 key epoch
//! 12 32  salt    44 32 commitment   76 n ciphertext || tag
//! okm = HKDF(K, salt, prefix || "seal\0" || bytes[0..12] || SHA-256(context), 76)
//! key = okm[0..32]   commitment = okm[32..64]   nonce = okm[64..76]   AAD = bytes[0..76] || u32 length || context
//! ```

use protocol::digest::{PREFIX, length_prefixed, sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::backend::Backend;
use crate::error::{OpenError, PlatformError};
use crate::hazmat::{OneTimeKey, TAG_LEN, hkdf};
use crate::secret::{Salt, Secret};

mod context;
pub use context::{
    AccountByPassword, AccountByRecovery, Cache, CommitBody, Context, DeviceStoreKey, DeviceVaultKey,
    DeviceWrapKey, DeviceWrapOfAccount, KeyContext, LiveMessage, RecoveryOfAccount, StoreOfDevice,
    VaultOfAccount,
};

const HEAD_LEN: usize = 12;
const SALT_END: usize = 44;
const PREFIX_LEN: usize = 76;
/// How much longer an envelope is than its content, in bytes.
pub const OVERHEAD: usize = PREFIX_LEN + TAG_LEN;

/// Seals a plaintext for a context under the one type of key that belongs to it.
pub async fn seal<C: Context>(
    backend: &Backend,
    key: &C::Key,
    context: &C,
    plaintext: &[u8],
    salt: Salt,
) -> Result<Vec<u8>, PlatformError> {
    let (head, context) = (head(context), context.encode());
    let derived = Derived::new(key, salt.bytes(), &head, &context);
    let mut envelope = Vec::with_capacity(OVERHEAD + plaintext.len());
    envelope.extend_from_slice(&head);
    envelope.extend_from_slice(salt.bytes());
    envelope.extend_from_slice(&derived.commitment);
    let aad = [&envelope[..], &length_prefixed(&context)].concat();
    envelope.extend_from_slice(plaintext);
    backend.encrypt(derived.key, &aad, &mut envelope, PREFIX_LEN).await?;
    Ok(envelope)
}

/// Opens an envelope that must have been sealed for exactly this context.
pub async fn open<C: Context>(
    backend: &Backend,
    key: &C::Key,
    context: &C,
    envelope: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (head, context) = (head(context), context.encode());
    let (prefix, sealed) = envelope.split_first_chunk::<PREFIX_LEN>().ok_or(OpenError::Refused)?;
    if sealed.len() < TAG_LEN || prefix[..HEAD_LEN] != head {
        return Err(OpenError::Refused);
    }
    let derived = Derived::new(key, &prefix[HEAD_LEN..SALT_END], &head, &context);
    if !bool::from(derived.commitment.ct_eq(&prefix[SALT_END..])) {
        return Err(OpenError::Refused);
    }
    let aad = [&prefix[..], &length_prefixed(&context)].concat();
    backend.decrypt(derived.key, &aad, sealed).await.map(Zeroizing::new)
}

/// Seals a key under another. The context fixes the types of both.
pub async fn wrap<C: KeyContext>(
    backend: &Backend,
    key: &C::Key,
    context: &C,
    wrapped: &C::Content,
    salt: Salt,
) -> Result<Vec<u8>, PlatformError> {
    seal(backend, key, context, wrapped.expose_secret(), salt).await
}

/// Opens a wrapped key.
pub async fn unwrap<C: KeyContext>(
    backend: &Backend,
    key: &C::Key,
    context: &C,
    envelope: &[u8],
) -> Result<C::Content, OpenError> {
    let plaintext = open(backend, key, context, envelope).await?;
    C::Content::try_from(plaintext.as_slice()).map_err(|_| OpenError::Refused)
}

fn head<C: Context>(context: &C) -> [u8; HEAD_LEN] {
    let mut head = *b"TPLS\x01\x01\0\0\0\0\0\0";
    head[6] = C::TYPE;
    head[8..].copy_from_slice(&context.epoch().to_be_bytes());
    head
}

struct Derived {
    key: OneTimeKey,
    commitment: [u8; 32],
}

impl Derived {
    fn new(key: &impl Secret, salt: &[u8], head: &[u8; HEAD_LEN], context: &[u8]) -> Self {
        let info: [&[u8]; 4] = [PREFIX, b"seal\0", head, &sha256(&[context])];
        let okm = hkdf::<76>(key.expose_secret(), salt, &info);
        let mut commitment = [0; 32];
        commitment.copy_from_slice(&okm[32..64]);
        Self { key: OneTimeKey::new(&okm[..32], &okm[64..]), commitment }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
