//! Enrolling a device: the link that a person carries to it, the proof that whoever asks has read that link, and the
//! key that the account and the device share afterwards. The coordinator, which passes all of it on, learns neither
//! the link's secret nor any key.

use protocol::bytes::Base64Array;
use protocol::devices::EnrolmentRequest;
use protocol::digest::{PREFIX, length_prefixed};
use protocol::id::{DeviceId, EnrolmentId};
use protocol::signature::PublicKey;
use subtle::ConstantTimeEq;

use crate::hazmat;
use crate::seal::DeviceWrapKey;
use crate::secret::secret_key;

mod grant;
mod link;

pub use grant::{ChainPosition, GrantError, VaultGrant};
pub use link::{CodeError, EnrolmentLink, LinkError};

secret_key! {
    /// E: 32 random bytes, in the link and nowhere else.
    root EnrolmentSecret
}
secret_key! {
    /// An X25519 key of 32 random bytes: the device's, or the web app's made for one enrolment.
    root ExchangeKey
}
secret_key! {
    /// Makes the code by which a request proves that it comes from a reader of the link.
    EnrolmentMacKey
}

/// A request that was not made by a reader of the link, or was changed on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request was not made with this link")]
pub struct ForgedRequest;

/// The other side's X25519 key would give a secret that anybody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other side's key exchange key is of low order")]
pub struct LowOrderKey;

impl ExchangeKey {
    /// The public half.
    pub fn public(&self) -> Base64Array<32> {
        Base64Array(hazmat::x25519_public(&self.0))
    }
}

/// What the link carries, and what both sides make of it.
pub struct EnrolmentCode {
    /// The enrolment.
    pub enrolment: EnrolmentId,
    /// E.
    pub secret: EnrolmentSecret,
}

impl EnrolmentCode {
    /// What a device asks with.
    pub fn request(
        &self,
        device: DeviceId,
        public_key: PublicKey,
        exchange_key: Base64Array<32>,
        host: String,
    ) -> EnrolmentRequest {
        let mut request =
            EnrolmentRequest { device, public_key, exchange_key, host, mac: Base64Array([0; 32]) };
        request.mac = Base64Array(self.mac(&request));
        request
    }

    /// Checks, in constant time, that a reader of the link made the request as it is.
    ///
    /// # Errors
    /// [`ForgedRequest`].
    pub fn verify(&self, request: &EnrolmentRequest) -> Result<(), ForgedRequest> {
        if self.mac(request).ct_eq(&request.mac.0).into() { Ok(()) } else { Err(ForgedRequest) }
    }

    /// The wrap key as the account computes it, with an X25519 key made for this enrolment alone.
    ///
    /// # Errors
    /// [`LowOrderKey`] for a key that no honest device makes.
    pub fn derive_wrap_key_for(
        &self,
        ephemeral: &ExchangeKey,
        device: &Base64Array<32>,
    ) -> Result<DeviceWrapKey, LowOrderKey> {
        self.derive_wrap_key(ephemeral, device, [&ephemeral.public(), device])
    }

    /// The wrap key as the device computes it.
    ///
    /// # Errors
    /// [`LowOrderKey`] for a key that no honest account makes.
    pub fn derive_own_wrap_key(
        &self,
        device: &ExchangeKey,
        ephemeral: &Base64Array<32>,
    ) -> Result<DeviceWrapKey, LowOrderKey> {
        self.derive_wrap_key(device, ephemeral, [ephemeral, &device.public()])
    }

    fn derive_wrap_key(
        &self,
        own: &ExchangeKey,
        other: &Base64Array<32>,
        [ephemeral, device]: [&Base64Array<32>; 2],
    ) -> Result<DeviceWrapKey, LowOrderKey> {
        let shared = hazmat::x25519(&own.0, &other.0).ok_or(LowOrderKey)?;
        let mut ikm = zeroize::Zeroizing::new([0; 64]);
        ikm[..32].copy_from_slice(&self.secret.0);
        ikm[32..].copy_from_slice(&*shared);
        let info: [&[u8]; 4] = [PREFIX, b"enrol/seal", &ephemeral.0, &device.0];
        Ok(DeviceWrapKey::from_bytes(*hazmat::hkdf(&*ikm, self.enrolment.as_bytes(), &info)))
    }

    /// The code over everything in a request but the code itself.
    fn mac(&self, request: &EnrolmentRequest) -> [u8; 32] {
        let enrolment = self.enrolment.as_bytes();
        let key = EnrolmentMacKey::derive(&self.secret.0, enrolment, b"enrol/mac");
        hazmat::hmac_sha256(
            &key.0,
            &[
                PREFIX,
                b"enrol/device\0",
                enrolment,
                request.device.as_bytes(),
                request.public_key.as_bytes(),
                &request.exchange_key.0,
                &length_prefixed(request.host.as_bytes()),
            ],
        )
    }
}
