//! DSEAL: the envelope of content. Deterministic, so that equal content of one vault is one blob; its synthetic IV
//! covers the very frame that is encrypted, so that no two messages ever share a key and nonce.
//!
//! ```text
//! frame: 0 1 type   1 1 codec   2 4 raw_len   6 4 body_len   10 body, then zeros up to PAD(10 + body_len)
//! blob : 0 4 "TPLB"   4 1 version 1   5 1 suite 1   6 2 zero   8 4 key epoch   12 4 zero   16 32 siv   48 n ciphertext || tag
//! siv = BLAKE3(K_siv, bytes[0..16] || vault || frame)   okm = HKDF(K_blob, siv, prefix || "blob\0" || bytes[0..16] || vault, 44)
//! key = okm[0..32]   nonce = okm[32..44]   AAD = bytes[0..48] || vault   id = SHA-256(blob)
//! ```
//!
//! Compression is the caller's: a frame carries a body and how it was made.

use protocol::digest::PREFIX;
use protocol::id::{BlobId, VaultId};
use protocol::limits::{BLOB_BYTES_MAX, BLOB_BYTES_MIN};
use subtle::ConstantTimeEq;

use crate::backend::Backend;
use crate::error::{OpenError, PlatformError};
use crate::hazmat::{OneTimeKey, TAG_LEN, hkdf, keyed_blake3};
use crate::secret::Secret;
use crate::vault::{BlobKey, SivKey, VaultKeys};

mod frame;
pub use frame::{BlobKind, Codec, Frame, FrameError, OpenedFrame, RAW_LEN_MAX};

const HEAD_LEN: usize = 16;
const PREFIX_LEN: usize = 48;

/// A blob as storage nodes keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBlob {
    /// SHA-256 of the bytes.
    pub id: BlobId,
    /// What is uploaded.
    pub bytes: Vec<u8>,
}

/// Seals a frame in the vault's newest epoch. The same frame always gives the same blob.
pub async fn seal_blob(
    backend: &Backend,
    keys: &VaultKeys,
    frame: Frame<'_>,
) -> Result<SealedBlob, PlatformError> {
    let mut bytes = Vec::with_capacity(PREFIX_LEN + frame.padded_len() + TAG_LEN);
    bytes.resize(PREFIX_LEN, 0);
    frame.write(&mut bytes);
    seal_in_place(backend, keys, bytes).await
}

/// Turns 48 bytes of room and a whole frame into a blob.
async fn seal_in_place(
    backend: &Backend,
    keys: &VaultKeys,
    mut bytes: Vec<u8>,
) -> Result<SealedBlob, PlatformError> {
    let (epoch, epoch_keys) = keys.newest();
    let head = head(epoch);
    let siv = derive_siv(&epoch_keys.siv, keys.vault(), &head, &bytes[PREFIX_LEN..]);
    bytes[..HEAD_LEN].copy_from_slice(&head);
    bytes[HEAD_LEN..PREFIX_LEN].copy_from_slice(&siv);
    let key = derive_key(&epoch_keys.blob, keys.vault(), &head, &siv);
    let aad = [&bytes[..PREFIX_LEN], keys.vault().as_bytes()].concat();
    backend.encrypt(key, &aad, &mut bytes, PREFIX_LEN).await?;
    let id =
        BlobId::from_bytes(backend.sha256(&bytes).await?).expect("no input is known whose hash is zeros");
    Ok(SealedBlob { id, bytes })
}

/// Opens the blob `id`, which must be of one of the expected kinds. Everything is checked but what decompression shows.
pub async fn open_blob(
    backend: &Backend,
    keys: &VaultKeys,
    id: &BlobId,
    blob: &[u8],
    expected: &[BlobKind],
) -> Result<OpenedFrame, OpenError> {
    if !(BLOB_BYTES_MIN as usize..=BLOB_BYTES_MAX as usize).contains(&blob.len())
        || backend.sha256(blob).await? != *id.as_bytes()
    {
        return Err(OpenError::Refused);
    }
    let (prefix, sealed) = blob.split_first_chunk::<PREFIX_LEN>().ok_or(OpenError::Refused)?;
    let epoch = u32::from_be_bytes(*prefix[8..].first_chunk().expect("the prefix holds the epoch"));
    let head = head(epoch);
    let epoch_keys = keys.epoch(epoch).filter(|_| prefix[..HEAD_LEN] == head).ok_or(OpenError::Refused)?;
    let siv = prefix.last_chunk().expect("the prefix ends with the IV");
    let key = derive_key(&epoch_keys.blob, keys.vault(), &head, siv);
    let aad = [&prefix[..], keys.vault().as_bytes()].concat();
    let frame = backend.decrypt(key, &aad, sealed).await?;
    if !bool::from(derive_siv(&epoch_keys.siv, keys.vault(), &head, &frame).ct_eq(siv)) {
        return Err(OpenError::Refused);
    }
    OpenedFrame::parse(frame, expected)
}

fn head(epoch: u32) -> [u8; HEAD_LEN] {
    let mut head = *b"TPLB\x01\x01\0\0\0\0\0\0\0\0\0\0";
    head[8..12].copy_from_slice(&epoch.to_be_bytes());
    head
}

fn derive_siv(key: &SivKey, vault: VaultId, head: &[u8; HEAD_LEN], frame: &[u8]) -> [u8; 32] {
    keyed_blake3(key.expose_secret(), &[head, vault.as_bytes(), frame])
}

fn derive_key(key: &BlobKey, vault: VaultId, head: &[u8; HEAD_LEN], siv: &[u8; 32]) -> OneTimeKey {
    let okm = hkdf::<44>(key.expose_secret(), siv, &[PREFIX, b"blob\0", head, vault.as_bytes()]);
    OneTimeKey::new(&okm[..32], &okm[32..])
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
