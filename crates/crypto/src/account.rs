//! The account key and what derives from it: the key that wraps vault keys, and the account's signing identity.

use protocol::digest::PREFIX;

use crate::hazmat::hkdf;
use crate::secret::secret_key;
use crate::sign::IdentityKey;

secret_key! {
    /// AK: 32 random bytes, stored wrapped under the password and under the recovery key; the same for the account's
    /// whole life.
    root AccountKey
}
secret_key! {
    /// Wraps vault keys and the recovery key.
    WrapKey
}

impl AccountKey {
    /// What opens vault keys.
    pub fn derive_wrap_key(&self) -> WrapKey {
        WrapKey::derive(&self.0, &[], b"account/wrap")
    }

    /// The account's Ed25519 key. Its public half is always recomputed from here, never taken from a server.
    pub fn derive_identity(&self) -> IdentityKey {
        IdentityKey::from_seed(&hkdf(&self.0, &[], &[PREFIX, b"account/ed25519"]))
    }
}
