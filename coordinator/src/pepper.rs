//! What the server knows that its database does not: one secret in a file, so that a stolen database alone lets
//! nobody guess passwords. The only file of the servers that may use a cipher.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use hmac::{Hmac, Mac as _};
use protocol::id::{AccountId, NodeId, Pseudonym, VaultId};
use sha2::Sha256;

const NONCE_BYTES: usize = 12;

/// A stored wrap was changed, belongs to another account, or was made under another pepper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored key does not open under this server's pepper")]
pub struct PepperError;

/// Thirty-two random bytes, made once. Each use has a key of its own, derived by its name.
pub struct Pepper([u8; 32]);

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pepper(***)")
    }
}

impl Pepper {
    /// From the bytes in its file.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What is stored instead of an authentication key, which already carries the work of its derivation.
    pub fn derive_verifier(&self, account: &AccountId, auth_key: &[u8; 32]) -> [u8; 32] {
        self.mac(b"auth-verifier\0", &[account.as_bytes(), auth_key]).finalize().into_bytes().into()
    }

    /// Compares in constant time.
    pub fn verifies(&self, account: &AccountId, auth_key: &[u8; 32], verifier: &[u8; 32]) -> bool {
        self.mac(b"auth-verifier\0", &[account.as_bytes(), auth_key]).verify_slice(verifier).is_ok()
    }

    /// The salt that an unknown login is answered: always the same, like that of a known one.
    pub fn derive_fake_salt(&self, login: &str) -> [u8; 32] {
        self.mac(b"fake-salt\0", &[login.as_bytes()]).finalize().into_bytes().into()
    }

    /// What a node knows a vault by: tells the node nothing, and differs from node to node.
    pub fn derive_pseudonym(&self, vault: &VaultId, node: &NodeId) -> Pseudonym {
        let mac = self.mac(b"pseudonym\0", &[vault.as_bytes(), node.as_bytes()]).finalize().into_bytes();
        Pseudonym::from_slice(&mac[..Pseudonym::LEN]).expect("a MAC's half is not all zero")
    }

    /// Encrypts a password wrap for the database. The nonce is random and used for one message; accounts that share
    /// a pepper do not come near the number of messages at which random nonces of 96 bits collide.
    pub fn seal(&self, account: &AccountId, wrap: &[u8], nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
        let payload = Payload { msg: wrap, aad: account.as_bytes() };
        let sealed =
            self.cipher().encrypt(&Nonce::from(nonce), payload).expect("a wrap is far below the limit");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Decrypts what [`Self::seal`] made for this account.
    ///
    /// # Errors
    /// [`PepperError`].
    pub fn open(&self, account: &AccountId, stored: &[u8]) -> Result<Vec<u8>, PepperError> {
        let (nonce, sealed) = stored.split_first_chunk::<NONCE_BYTES>().ok_or(PepperError)?;
        let payload = Payload { msg: sealed, aad: account.as_bytes() };
        self.cipher().decrypt(&Nonce::from(*nonce), payload).map_err(|_| PepperError)
    }

    fn cipher(&self) -> Aes256Gcm {
        let key: [u8; 32] = self.mac(b"password-wrap\0", &[]).finalize().into_bytes().into();
        Aes256Gcm::new(&Key::<Aes256Gcm>::from(key))
    }

    fn mac(&self, purpose: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac =
            <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(b"triplicate/pepper/");
        mac.update(purpose);
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(byte: u8) -> AccountId {
        AccountId::from_bytes([byte; 16]).expect("not zero")
    }

    #[test]
    fn a_wrap_opens_for_its_account_alone() {
        let pepper = Pepper::new([7; 32]);
        let stored = pepper.seal(&account(1), b"wrap", [9; 12]);
        assert_eq!(pepper.open(&account(1), &stored), Ok(b"wrap".to_vec()));
        assert_eq!(pepper.open(&account(2), &stored), Err(PepperError));
        assert_eq!(Pepper::new([8; 32]).open(&account(1), &stored), Err(PepperError));
        for bit in 0..stored.len() * 8 {
            let mut changed = stored.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(pepper.open(&account(1), &changed), Err(PepperError));
        }
    }

    #[test]
    fn a_verifier_fits_one_key_account_and_pepper() {
        let pepper = Pepper::new([7; 32]);
        let verifier = pepper.derive_verifier(&account(1), &[3; 32]);
        assert!(pepper.verifies(&account(1), &[3; 32], &verifier));
        assert!(!pepper.verifies(&account(1), &[4; 32], &verifier));
        assert!(!pepper.verifies(&account(2), &[3; 32], &verifier));
        assert!(!Pepper::new([8; 32]).verifies(&account(1), &[3; 32], &verifier));
    }
}
