//! Who signs: the account's identity, or a device. Verification needs no secret and is in `protocol`.

use protocol::envelope::account_state::{self, AccountStateBody};
use protocol::envelope::device_certificate::DeviceCertificate;
use protocol::envelope::{EnvelopeError, EnvelopeHash};
use protocol::id::{AccountId, DeviceId};
use protocol::signature::{PublicKey, SigningKey};
use protocol::signed_request::{SignedParts, SignedRequest};

/// The account's Ed25519 identity: signs account states, device certificates and commits.
pub struct IdentityKey(SigningKey);

impl IdentityKey {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::of(&self.0)
    }

    /// Builds and signs an account state.
    pub fn sign_account_state(
        &self,
        account: AccountId,
        seq: u64,
        prev: &EnvelopeHash,
        body: &AccountStateBody,
    ) -> Vec<u8> {
        account_state::issue(&self.0, account, seq, prev, body)
    }

    /// Signs a device's certificate.
    pub fn sign_device_certificate(&self, certificate: &DeviceCertificate) -> Result<Vec<u8>, EnvelopeError> {
        certificate.issue(&self.0)
    }
}

/// A device's own Ed25519 key, certified by the identity: signs commits, and the requests that begin its sessions.
pub struct DeviceKey {
    device: DeviceId,
    key: SigningKey,
}

impl DeviceKey {
    /// The key of a device from its 32 random bytes.
    pub fn from_seed(device: DeviceId, seed: &[u8; 32]) -> Self {
        Self { device, key: SigningKey::from_bytes(seed) }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::of(&self.key)
    }

    /// The device.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Signs a request to the coordinator. `time_ms` is now, in Unix milliseconds; the nonce is random.
    pub fn sign_request(&self, parts: SignedParts<'_>, time_ms: u64, nonce: [u8; 16]) -> SignedRequest {
        SignedRequest::sign(&self.key, *self.device.as_bytes(), parts, time_ms, nonce)
    }
}

/// Who writes a commit.
#[derive(Clone, Copy)]
pub enum Author<'a> {
    /// The account itself.
    Identity(&'a IdentityKey),
    /// One of its devices.
    Device(&'a DeviceKey),
}

impl Author<'_> {
    /// The device, unless it is the account itself.
    pub fn device(self) -> Option<DeviceId> {
        match self {
            Self::Identity(_) => None,
            Self::Device(device) => Some(device.device),
        }
    }

    pub(crate) fn key(&self) -> &SigningKey {
        match self {
            Self::Identity(identity) => &identity.0,
            Self::Device(device) => &device.key,
        }
    }
}
