//! The browser's SubtleCrypto, one call per message. Inputs are views of wasm memory: SubtleCrypto takes its own copy
//! before it returns its promise, so that memory may grow, and so move, while the call runs. Key bytes cross in an
//! array that is overwritten at once.

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AesGcmParams, CryptoKey, Pbkdf2Params, SubtleCrypto};
use zeroize::Zeroizing;

use crate::error::{OpenError, PlatformError};
use crate::hazmat::{OneTimeKey, TAG_LEN};

/// Below this many bytes the call itself costs more than hashing in wasm.
pub(super) const DIGEST_LEN_MIN: usize = 16 * 1024;

#[derive(Clone)]
pub(super) struct WebCrypto(SubtleCrypto);

impl WebCrypto {
    pub(super) fn find() -> Option<Self> {
        let crypto = Reflect::get(&js_sys::global(), &"crypto".into()).ok()?;
        let subtle = Reflect::get(&crypto, &"subtle".into()).ok()?;
        subtle.dyn_into().ok().map(Self)
    }

    pub(super) async fn sha256(&self, data: &[u8]) -> Result<[u8; 32], PlatformError> {
        let call = self.0.digest_with_str_and_u8_array("SHA-256", data);
        let digest = finish(call).await.map_err(|_| PlatformError)?;
        let mut output = [0; 32];
        digest.copy_to(&mut output);
        Ok(output)
    }

    pub(super) async fn encrypt(
        &self,
        key: &OneTimeKey,
        aad: &[u8],
        buffer: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), PlatformError> {
        let imported = self.import(&key.key, "AES-GCM", "encrypt").await.map_err(|_| PlatformError)?;
        let call = self.0.encrypt_with_object_and_u8_array(&gcm(key, aad), &imported, &buffer[start..]);
        let sealed = finish(call).await.map_err(|_| PlatformError)?;
        buffer.resize(buffer.len() + TAG_LEN, 0);
        sealed.copy_to(&mut buffer[start..]);
        Ok(())
    }

    pub(super) async fn decrypt(
        &self,
        key: &OneTimeKey,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, OpenError> {
        let imported = self.import(&key.key, "AES-GCM", "decrypt").await.map_err(|_| PlatformError)?;
        let call = self.0.decrypt_with_object_and_u8_array(&gcm(key, aad), &imported, sealed);
        let plaintext = finish(call).await.map_err(|_| OpenError::Refused)?;
        Ok(plaintext.to_vec())
    }

    pub(super) async fn pbkdf2(
        &self,
        password: &[u8],
        salt: &[u8; 32],
        iterations: u32,
    ) -> Result<Zeroizing<[u8; 32]>, PlatformError> {
        let imported = self.import(password, "PBKDF2", "deriveBits").await.map_err(|_| PlatformError)?;
        let salt = Uint8Array::from(salt.as_slice());
        let params = Pbkdf2Params::new("PBKDF2", &"SHA-256".into(), iterations, &salt);
        let bits = finish(self.0.derive_bits_with_object(&params, &imported, 256))
            .await
            .map_err(|_| PlatformError)?;
        let mut output = Zeroizing::new([0; 32]);
        bits.copy_to(output.as_mut_slice());
        bits.fill(0, 0, bits.length());
        Ok(output)
    }

    async fn import(&self, key: &[u8], algorithm: &str, usage: &str) -> Result<CryptoKey, JsValue> {
        let bytes = Uint8Array::from(key);
        let usages = Array::of1(&usage.into());
        let call = self.0.import_key_with_str("raw", &bytes, algorithm, false, &usages);
        // importKey takes its own copy before it returns its promise.
        bytes.fill(0, 0, bytes.length());
        JsFuture::from(call?).await?.dyn_into()
    }
}

fn gcm(key: &OneTimeKey, aad: &[u8]) -> Object {
    let params = AesGcmParams::new("AES-GCM", &Uint8Array::from(key.nonce.as_slice()));
    params.set_additional_data(&Uint8Array::from(aad));
    params.into()
}

async fn finish(call: Result<js_sys::Promise, JsValue>) -> Result<Uint8Array, JsValue> {
    Ok(Uint8Array::new(&JsFuture::from(call?).await?))
}
