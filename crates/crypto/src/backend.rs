//! Who computes: RustCrypto everywhere, or the browser's WebCrypto where it is there. Both give the same bytes.
//! The functions are async because WebCrypto is; with RustCrypto they are plain computation that never waits.

use zeroize::Zeroizing;

use crate::error::{OpenError, PlatformError};
use crate::hazmat::{self, OneTimeKey};

#[cfg(target_arch = "wasm32")]
mod web_crypto;

/// The implementation of AES-256-GCM, SHA-256 of large buffers, and PBKDF2. Cheap to clone.
#[derive(Clone)]
pub struct Backend(Kind);

#[derive(Clone)]
enum Kind {
    RustCrypto,
    #[cfg(target_arch = "wasm32")]
    WebCrypto(web_crypto::WebCrypto),
}

#[cfg_attr(
    not(target_arch = "wasm32"),
    expect(
        clippy::unused_async,
        reason = "only WebCrypto, which is on wasm32 alone, has something to wait for"
    )
)]
impl Backend {
    /// Pure Rust, on every target. In wasm AES-GCM reaches about 0.1 GB/s; prefer [`Backend::web_crypto`] there.
    pub const fn rust_crypto() -> Self {
        Self(Kind::RustCrypto)
    }

    /// The browser's own implementation, in a page or a worker; `None` where `crypto.subtle` is missing,
    /// as on pages that did not come over HTTPS or from localhost.
    #[cfg(target_arch = "wasm32")]
    pub fn web_crypto() -> Option<Self> {
        web_crypto::WebCrypto::find().map(|found| Self(Kind::WebCrypto(found)))
    }

    /// SHA-256, as in a blob's id.
    pub async fn sha256(&self, data: &[u8]) -> Result<[u8; 32], PlatformError> {
        match &self.0 {
            #[cfg(target_arch = "wasm32")]
            Kind::WebCrypto(web) if data.len() >= web_crypto::DIGEST_LEN_MIN => web.sha256(data).await,
            _ => Ok(protocol::digest::sha256(&[data])),
        }
    }

    /// Encrypts `buffer[start..]` in place and appends the tag.
    pub(crate) async fn encrypt(
        &self,
        key: OneTimeKey,
        aad: &[u8],
        buffer: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), PlatformError> {
        match &self.0 {
            Kind::RustCrypto => hazmat::encrypt(&key, aad, buffer, start),
            #[cfg(target_arch = "wasm32")]
            Kind::WebCrypto(web) => web.encrypt(&key, aad, buffer, start).await?,
        }
        Ok(())
    }

    /// Decrypts ciphertext || tag.
    pub(crate) async fn decrypt(
        &self,
        key: OneTimeKey,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, OpenError> {
        match &self.0 {
            Kind::RustCrypto => hazmat::decrypt(&key, aad, sealed),
            #[cfg(target_arch = "wasm32")]
            Kind::WebCrypto(web) => web.decrypt(&key, aad, sealed).await,
        }
    }

    /// PBKDF2-HMAC-SHA-256, 32 bytes.
    pub(crate) async fn pbkdf2(
        &self,
        password: &[u8],
        salt: &[u8; 32],
        iterations: u32,
    ) -> Result<Zeroizing<[u8; 32]>, PlatformError> {
        match &self.0 {
            Kind::RustCrypto => Ok(hazmat::pbkdf2(password, salt, iterations)),
            #[cfg(target_arch = "wasm32")]
            Kind::WebCrypto(web) => web.pbkdf2(password, salt, iterations).await,
        }
    }
}

/// Runs one of this crate's futures to its end on the calling thread, natively, where none of them ever waits.
/// Use it inside a blocking task: sealing a megabyte takes milliseconds, deriving keys from a password a second.
///
/// # Panics
/// If the future waits for anything, which no future of this crate does natively.
#[cfg(not(target_arch = "wasm32"))]
pub fn compute<F: Future>(future: F) -> F::Output {
    let mut context = core::task::Context::from_waker(core::task::Waker::noop());
    match core::pin::pin!(future).poll(&mut context) {
        core::task::Poll::Ready(output) => output,
        core::task::Poll::Pending => panic!("a computation does not wait"),
    }
}
